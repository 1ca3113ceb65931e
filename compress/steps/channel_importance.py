"""The names by which a recipe chooses what decides which channels stay."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from compress.pruning.channel_graph import Layout
from compress.pruning.importance import (
    Batch,
    Scores,
    batch_norm_scale,
    gauss_newton,
    magnitude,
    product,
    random,
    taylor,
)
from compress.training.calibration import images_of, probe_samples
from compress.training.samples import TrainingSample
from teachers.common.errors import UserError
from teachers.posenet import Maps, PoseNet

if TYPE_CHECKING:
    from compress.steps.context import StepContext


@dataclass(frozen=True)
class Asked:
    """What a score may look at. The frames are read when they are asked for."""

    network: PoseNet
    layout: Layout
    context: "StepContext"
    frames: int

    @cached_property
    def samples(self) -> list[TrainingSample]:
        """Training frames with the teacher's maps."""
        return probe_samples(self.context.targets, self.frames)

    @property
    def batches(self) -> list[Batch]:
        """The same as tensors, one frame each."""
        maps = [Maps(torch.from_numpy(one.heatmaps)[None], torch.from_numpy(one.pafs)[None]) for one in self.samples]
        return [Batch(image, targets) for image, targets in zip(images_of(self.samples), maps, strict=True)]


def _taylor(asked: Asked) -> Scores:
    try:
        return taylor(asked.network, asked.layout, asked.batches)
    except ValueError as error:
        raise UserError(f"importance: taylor: {error}; use gauss_newton") from error


IMPORTANCE: Mapping[str, Callable[[Asked], Scores]] = {
    "weight_norm_product": lambda asked: product(asked.network, asked.layout),
    "magnitude": lambda asked: magnitude(asked.network, asked.layout),
    "taylor": _taylor,
    "gauss_newton": lambda asked: gauss_newton(
        asked.network, asked.layout, images_of(asked.samples), asked.context.seed
    ),
    "batch_norm": lambda asked: batch_norm_scale(asked.network, asked.layout, images_of(asked.samples)),
    "random": lambda asked: random(asked.layout, asked.context.seed),
}
BY_FRAMES = ("taylor", "gauss_newton", "batch_norm")
"""Those that look at training frames."""
