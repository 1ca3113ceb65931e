"""Views as samples: view v is the same picture in every run, because all that is drawn follows from the seed and v.

Views come in blocks of one kind and one size, as a batch needs. Online, step s is block s and no view comes twice; with
stored answers the blocks come in a new order each epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from compress.training.batches import BatchSpec
from compress.training.crops import FrameBalance
from compress.training.photo_store import Photo
from compress.training.samples import TrainingSample
from compress.training.target_cache import mean_squares
from compress.training.view_pixels import Image, around, cut_view, place, relit, whole, worn
from compress.training.view_settings import Views
from compress.training.view_store import ViewStore
from teachers.spec import PoseNetSpec

MANY = 2**40
"""Views that are never counted: more than any training sees."""


@dataclass(frozen=True)
class ViewMaker:
    """The pixels of any view."""

    photos: Sequence[Photo]
    views: Views
    spec: PoseNetSpec
    seed: int
    per_block: int

    @cached_property
    def _with_people(self) -> tuple[Photo, ...]:
        return tuple(photo for photo in self.photos if photo.people)

    def shape(self, block: int) -> tuple[bool, tuple[int, int]]:
        """Whether a block shows people in windows, and its views' height and width."""
        rng = np.random.default_rng([self.seed, 5, block])
        is_roi, size = bool(rng.uniform() < self.views.roi), int(rng.integers(len(self.views.sizes)))
        return is_roi, self.views.sizes[size] if is_roi else self.views.frame_size

    def image(self, index: int) -> Image:
        """(h, w, 3) uint8 of view `index`, in the order of channels that the network takes."""
        is_roi, size_hw = self.shape(index // self.per_block)
        rng = np.random.default_rng([self.seed, 6, index])
        view = self._view(index, is_roi, size_hw, rng)
        if rng.uniform() < self.views.augmentation.mixup:
            share = rng.uniform(0.0, 0.5)
            other = self._view(int(rng.integers(MANY)), is_roi, size_hw, rng)
            view = np.rint((1 - share) * view + share * other).astype(np.uint8)
        return view if self.spec.input.channels == "bgr" else np.ascontiguousarray(view[..., ::-1])

    def _view(self, index: int, is_roi: bool, size_hw: tuple[int, int], rng: np.random.Generator) -> Image:
        photos = self._with_people if is_roi else self.photos
        epoch, position = divmod(index, len(photos))
        photo = photos[int(_order(self.seed, epoch, len(photos))[position])]
        image, augmentation = photo.read(), self.views.augmentation
        if is_roi:
            aim = around(photo.people[int(rng.integers(len(photo.people)))], self.views.margin, size_hw)
        else:
            aim = whole(image.shape[:2], size_hw)
        placement = place(aim, size_hw, augmentation, rng)
        return worn(cut_view(relit(image, augmentation, rng), placement), augmentation, rng)


@dataclass(frozen=True)
class ViewSamples:
    """compress.training.batches.BatchSampler. Without a store, maps have no channels: the trainer asks the teacher."""

    maker: ViewMaker
    store: ViewStore | None = None
    balance: FrameBalance | None = None

    def __len__(self) -> int:
        return MANY if self.store is None else self.store.blocks * self.maker.per_block

    def dealt(self, step: int, dealing: BatchSpec) -> list[int]:
        """The views of one block; where processes or parts do not share it out evenly, the last ones wait."""
        size = self.maker.per_block // dealing.share * dealing.share
        block = step
        if self.store is not None:
            epoch, position = divmod(step, self.store.blocks)
            block = int(_order(dealing.seed, epoch, self.store.blocks)[position])
        return list(range(block * self.maker.per_block, block * self.maker.per_block + size))

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """View `index`; nothing is drawn from `rng`."""
        image = self.maker.image(index)
        grid = (image.shape[0] // self.maker.spec.stride, image.shape[1] // self.maker.spec.stride)
        mask = np.ones(grid, np.float32)
        if self.store is None:
            return TrainingSample(image, np.empty((0, *grid), np.float32), np.empty((0, *grid), np.float32), mask)
        maps = self.store.load(index // self.maker.per_block)[index % self.maker.per_block].astype(np.float32)
        heat = self.maker.spec.skeleton.heatmap_channels
        if self.balance is not None:
            mask *= self.balance.weight(mean_squares(maps, heat - 1))
        return TrainingSample(image, maps[:heat], maps[heat:], mask)


def held_out_makers(maker: ViewMaker, photos: Sequence[Photo]) -> list[ViewMaker]:
    """Makers of views that measure: every size of window, and whole frames; hardly jittered, one block each."""
    mild = maker.views.augmentation.mild()
    shapes = [(1.0, size) for size in maker.views.sizes] if maker.views.roi else []
    shapes += [(0.0, maker.views.frame_size)] if maker.views.frame else []
    found = []
    for roi, size in shapes:
        views = maker.views.model_copy(update={"roi": roi, "frame": 1 - roi, "sizes": (size,), "augmentation": mild})
        found.append(replace(maker, photos=tuple(photos), views=views, per_block=len(photos)))
    return found


@lru_cache(maxsize=64)
def _order(seed: int, epoch: int, count: int) -> tuple[int, ...]:
    return tuple(np.random.default_rng([seed, 7, epoch]).permutation(count).tolist())
