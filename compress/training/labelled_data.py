"""Labelled images of several COCO keypoint files: which are learnt from, which are held out, and both as samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, overload

import numpy as np
from pydantic import Field

from compress.common.fact_cache import fact_key
from compress.training.augmentation import Augmentation
from compress.training.frames import Text
from compress.training.labels import LabelledSet
from compress.training.losses import Energies
from compress.training.samples import TrainingSample
from teachers.common.errors import UserError
from teachers.common.files import sha256_of, user_path
from teachers.common.frozen import Frozen
from teachers.spec import PoseNetSpec

_ENERGY_CROPS = 256


class HeldOut(Frozen):
    """Labelled images that nothing is learnt from; they choose the best weights."""

    labels: Annotated[
        Text | None, Field(description="A COCO keypoint file; left out, a share of the images of `labels` is held out.")
    ] = None
    share: Annotated[float, Field(gt=0, le=0.5, description="Of the images, where no file is given.")] = 0.05
    images: Annotated[
        int, Field(ge=1, le=100_000, description="At most; more take longer to look at, and choose more surely.")
    ] = 500


@dataclass(frozen=True)
class Labelled:
    """One image of one file."""

    file: LabelledSet
    index: int


@dataclass(frozen=True)
class LabelledData:
    """What is learnt from and what is held out. Images are read when they are asked for."""

    train: tuple[Labelled, ...]
    held_out: tuple[Labelled, ...]
    skipped: int
    """Images without a labelled person, or without a file."""
    digest: str
    """Stands for the labels and for which images are used; not for pixels, of which there may be many GB."""


def open_labelled(
    files: Sequence[str], images: int | None, held_out: HeldOut, spec: PoseNetSpec, seed: int
) -> LabelledData:
    """The images of the files that can be used, at most so many, drawn with the seed.

    UserError where a file is no COCO keypoint file (eval.coco_labels) or where too few images are left.
    """
    train, skipped = _usable(files, spec)
    train = _drawn(train, images, seed)
    if held_out.labels is not None:
        kept, also_skipped = _usable((held_out.labels,), spec)
        kept, skipped = _drawn(kept, held_out.images, seed), skipped + also_skipped
    else:
        count = min(held_out.images, max(1, round(held_out.share * len(train))))
        kept, train = train[:count], train[count:]
    if not train or not kept:
        raise UserError(
            f"{', '.join(files)}: {len(train)} images with labelled people to learn from and {len(kept)} to hold out, "
            "at least one of each is needed; the images lie beside the file, or in a folder beside it or its folder"
        )
    named = [held_out.labels] if held_out.labels else []
    indices = [[one.index for one in part] for part in (train, kept)]
    digest = fact_key([sha256_of(user_path(file)) for file in (*files, *named)], indices)
    return LabelledData(tuple(train), tuple(kept), skipped, digest)


def _usable(files: Sequence[str], spec: PoseNetSpec) -> tuple[list[Labelled], int]:
    """The images that teach something, and how many do not."""
    sets = [LabelledSet(user_path(name), spec.skeleton, spec.stride, multiple=spec.multiple) for name in files]
    found = [Labelled(one, index) for one in sets for index in one.usable()]
    return found, sum(map(len, sets)) - len(found)


def _drawn(images: list[Labelled], most: int | None, seed: int) -> list[Labelled]:
    order = np.random.default_rng([seed, 4]).permutation(len(images))[:most]
    return [images[place] for place in order]


@dataclass(frozen=True)
class LabelledCrops:
    """Random, augmented crops; compress.training.batches.Samples."""

    images: Sequence[Labelled]
    spec: PoseNetSpec
    augmentation: Augmentation
    crop_hw: tuple[int, int]

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """One crop of image `index`. UserError where it cannot be read."""
        one = self.images[index]
        return _as_supplied(one.file.sample(one.index, self.augmentation, self.crop_hw, rng), self.spec)

    def energies(self, seed: int) -> Energies:
        """The unit of each loss: mean squares of the targets of some crops."""
        rng = np.random.default_rng([seed, 3])
        chosen = rng.integers(len(self), size=min(_ENERGY_CROPS, 4 * len(self)))
        joints, background, pafs = 0.0, 0.0, 0.0
        for index in chosen:
            found = self.sample(int(index), rng)
            joints += float(np.square(found.heatmaps[:-1]).sum())
            background += float(np.square(found.heatmaps[-1]).sum())
            pafs += float(np.square(found.pafs).sum())
        if not joints:
            raise UserError(
                "labels: no keypoint lies in any of the crops that were drawn; a larger schedule.crop would do"
            )
        cells = len(chosen) * found.mask.size
        return Energies(joints / cells, background / cells, pafs / cells)


class WholeImages(Sequence[TrainingSample]):
    """Held-out images, whole, each read anew: thousands would not fit into memory."""

    def __init__(self, images: Sequence[Labelled], spec: PoseNetSpec) -> None:
        self._images, self._spec = images, spec

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, place: int) -> TrainingSample: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[TrainingSample]: ...

    def __getitem__(self, place: int | slice) -> TrainingSample | Sequence[TrainingSample]:
        if isinstance(place, slice):
            return WholeImages(self._images[place], self._spec)
        one = self._images[place]
        return _as_supplied(one.file.whole(one.index), self._spec)


def _as_supplied(sample: TrainingSample, spec: PoseNetSpec) -> TrainingSample:
    """The pixels in the order that the network takes."""
    if spec.input.channels == "bgr":
        return sample
    return sample._replace(image=np.ascontiguousarray(sample.image[..., ::-1]))
