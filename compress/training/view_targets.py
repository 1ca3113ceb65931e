"""What a training on views learns from: photographs, views of them, and the teacher's answers, asked for or stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from compress.common.fact_cache import fact_key
from compress.common.progress import Reporter
from compress.training.crops import FrameBalance
from compress.training.device_photos import DevicePhotos
from compress.training.device_views import DeviceViews
from compress.training.ensemble import TeacherEnsemble
from compress.training.frames import TrainingFrames, TrainingPlan
from compress.training.losses import Energies
from compress.training.photo_pack import pack_photos
from compress.training.photo_store import Finder, Photo, PhotoStore
from compress.training.samples import TrainingSample
from compress.training.target_cache import GIB, TeacherFn, mean_squares
from compress.training.view_answers import TeacherAnswers
from compress.training.view_samples import ViewMaker, ViewSamples, held_out_makers
from compress.training.view_settings import TeacherMode, Views
from compress.training.view_store import Maps16, ViewStore
from teachers.common.errors import UserError
from teachers.posenet import PoseNet

FORMAT = 1
_AT_ONCE = 8
"""Held-out views that the teacher answers together."""


@dataclass(frozen=True)
class ViewTargets:
    """Nothing is read or computed before a step asks."""

    teacher: PoseNet
    teacher_id: str
    plan: TrainingPlan
    frames: TrainingFrames
    ask: TeacherFn
    """Looks for people in whole photographs."""
    store: Path
    seed: int
    reporter: Reporter

    @cached_property
    def ensemble(self) -> TeacherEnsemble:
        """What answers views; on the CPU."""
        return TeacherEnsemble(self.teacher, self.plan.ensemble)

    @cached_property
    def photos(self) -> tuple[Photo, ...]:
        """Those that are learnt from."""
        return self._photo_store.fill(self.frames.train)

    def pack(self, path: Path) -> tuple[int, int]:
        """All photographs, held-out ones too, with their people as one file; its bytes and the longest side."""
        store = self._photo_store
        return pack_photos(path, store.fill((*self.frames.train, *self.frames.held_out)), store.found_by)

    def prepare(self) -> None:
        """Finds people in all photographs, and answers the views that measure."""
        _ = self.photos, self.held_out

    def answers(self, balance: FrameBalance | None) -> TeacherAnswers | None:
        """What answers the batches of a training; None where the samples bring their answers."""
        return TeacherAnswers(self.ensemble, balance) if self.mode == "online" else None

    def samples(self, batch: int, balance: FrameBalance | None = None) -> ViewSamples | DeviceViews:
        """Views in blocks of so many; with stored answers, which are computed here where they are missing."""
        maker = self._maker(batch)
        if self._views.on_device:
            return DeviceViews(
                maker, DevicePhotos.of(self.photos, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
            )
        if self.mode == "online":
            return ViewSamples(maker)
        key = fact_key("views", FORMAT, *self._depends(), batch, [photo.file.name for photo in self.photos])
        blocks = max(1, self.plan.stored_views // batch)
        store = ViewStore(self.store / f"views-{key}", blocks, round(self.plan.cache_gib * GIB))
        store.fill(lambda block: self._answers(maker, block), self.reporter)
        return ViewSamples(maker, store, balance)

    @property
    def mode(self) -> TeacherMode:
        """As set; left out, online where a GPU makes the teacher cheap."""
        return self.plan.teacher or ("online" if torch.cuda.is_available() or self._views.on_device else "cached")

    @cached_property
    def held_out(self) -> list[TrainingSample]:
        """Windows of every size around held-out people, and whole frames, with the teacher's answers."""
        photos = self._photo_store.fill(self.frames.held_out)
        makers = held_out_makers(self._maker(1), photos)
        work = [(maker, first) for maker in makers for first in range(0, len(photos), _AT_ONCE)]
        found: list[TrainingSample] = []
        for maker, first in self.reporter.track(work, "held-out views", len(work)):
            images = [maker.image(index) for index in range(first, min(first + _AT_ONCE, len(photos)))]
            found += self._answered(images)
        return found

    @cached_property
    def energies(self) -> Energies:
        """The unit of each loss: mean squares per cell, summed over channels, of the held-out answers."""
        totals, cells, joints = np.zeros(3), 0, len(self.teacher.spec.skeleton.keypoints)
        for sample in self.held_out:
            maps = np.concatenate((sample.heatmaps, sample.pafs))
            totals += mean_squares(maps, joints) * sample.mask.size
            cells += sample.mask.size
        return Energies(*(totals / cells).tolist())

    def probe(self, count: int) -> Iterator[TrainingSample]:
        """So many views with answers: the first ones of a training."""
        maker = self._maker(1)
        return (sample for index in range(count) for sample in self._answered([maker.image(index)]))

    def calibration(self, count: int) -> tuple[Tensor, ...]:
        """So many views as raw pixels (N, 3, H, W), one batch for each size."""
        maker = self._maker(1)
        return _by_size([maker.image(index) for index in range(count)])

    def held_out_images(self, count: int) -> tuple[Tensor, ...]:
        """At most so many of the held-out views, spread over all kinds."""
        chosen = self.held_out[:: max(1, -(-len(self.held_out) // count))]
        return _by_size([sample.image for sample in chosen])

    @cached_property
    def _device_photos(self) -> DevicePhotos:
        """For all trainings of a run: they take gigabytes."""
        return DevicePhotos.of(self.photos, torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    def _maker(self, batch: int) -> ViewMaker:
        return ViewMaker(self.photos, self._views, self.teacher.spec, self.seed, batch)

    @property
    def _views(self) -> Views:
        assert self.plan.views is not None, "made only where the recipe has `training.views`"
        return self.plan.views

    @cached_property
    def _photo_store(self) -> PhotoStore:
        views, multiple = self._views, self.teacher.spec.multiple
        for size in (*views.sizes, views.frame_size):
            if any(side % multiple for side in size):
                raise UserError(f"training.views: sizes must be multiples of {multiple}, got {list(size)}")
        key = fact_key("photos", FORMAT, self.teacher_id, views.find_scale)
        return PhotoStore(
            self.store / f"photos-{key}", Finder(self.ask, self.teacher.spec, views.find_scale), self.reporter
        )

    def _depends(self) -> list[object]:
        """What decides the views and the answers to them, besides the photographs."""
        plan = self.plan.model_dump(mode="json", include={"views", "ensemble"})
        # Another OpenCV may round pixels otherwise, and stored answers are those to pixels that are made anew.
        return [self.teacher_id, plan, self.seed, cv2.__version__]

    def _answers(self, maker: ViewMaker, block: int) -> Maps16:
        first = block * maker.per_block
        images = [maker.image(index) for index in range(first, first + maker.per_block)]
        found = [np.concatenate((sample.heatmaps, sample.pafs)) for sample in self._answered(images)]
        return np.stack(found).astype(np.float16)

    def _answered(self, images: Sequence[np.ndarray]) -> list[TrainingSample]:
        """images: (h, w, 3) of one size."""
        pixels = _by_size(images)[0].contiguous(memory_format=torch.channels_last)
        found = self.ensemble(pixels)
        mask = np.ones(found.heatmaps.shape[2:], np.float32)
        parts = zip(images, found.heatmaps.numpy(), found.pafs.numpy(), strict=True)
        return [TrainingSample(image, heatmaps, pafs, mask) for image, heatmaps, pafs in parts]


def _by_size(images: Sequence[np.ndarray]) -> tuple[Tensor, ...]:
    sizes: dict[tuple[int, ...], list[Tensor]] = {}
    for image in images:
        sizes.setdefault(image.shape, []).append(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))))
    return tuple(torch.stack(of_one_size).float() for of_one_size in sizes.values())
