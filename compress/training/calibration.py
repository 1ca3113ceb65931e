"""A few of the training frames with the teacher's maps, for steps that look before they cut."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from compress.training.crops import full_frame
from compress.training.engine import main_process_first
from compress.training.samples import TrainingSample
from compress.training.teacher_targets import TeacherTargets


def probe_samples(targets: TeacherTargets, frames: int) -> list[TrainingSample]:
    """At most so many whole frames, spread evenly over the training frames, their scales in turn."""
    with main_process_first():
        targets.prepare()
    if targets.views is not None:
        return list(targets.views.probe(frames))
    entries = targets.filled.entries
    count = min(frames, len(entries))
    chosen = [entries[round(place)] for place in np.linspace(0, len(entries) - 1, count)]
    return [full_frame(views[number % len(views)], targets.teacher.spec) for number, views in enumerate(chosen)]


def images_of(samples: Sequence[TrainingSample]) -> list[Tensor]:
    """(1, 3, H, W) raw pixels of each, as the network takes them."""
    return [torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))[None].float() for sample in samples]
