"""Something to learn from, in milliseconds: the tiny network as teacher, photographs of nobody, one scale."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from compress_tiny_run import make_photos
from conftest import LICENCE, tiny_spec

from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.training.frames import DataPart, TrainingPlan
from compress.training.target_cache import Array, TeacherFn
from compress.training.teacher_targets import TeacherTargets
from teachers.posenet import PoseNet


def tiny_teacher() -> PoseNet:
    """Three stages whose maps are as large as those of a trained network, so that somebody is seen."""
    torch.manual_seed(0)
    network = PoseNet(tiny_spec()).eval()
    with torch.no_grad():
        for stage in network.stages:
            for branch in (stage.paf, stage.heatmap):
                branch[-1].conv.weight *= 20
    return network


def asking(network: PoseNet, asked: list[int] | None = None) -> Callable[[], TeacherFn]:
    """Answers with the network's maps; each question is noted in `asked`."""

    def ask(image: Array) -> tuple[Array, Array]:
        if asked is not None:
            asked.append(1)
        with torch.inference_mode():
            maps = network(torch.from_numpy(image))
        return np.asarray(maps.heatmaps.numpy()), np.asarray(maps.pafs.numpy())

    return lambda: ask


def tiny_targets(folder: Path, photos: int = 6, **plan: object) -> TeacherTargets:
    """TeacherTargets whose photographs and maps lie below the folder."""
    if not (folder / "photos").exists():
        make_photos(folder / "photos", photos)
    teacher = tiny_teacher()
    data = (DataPart(source=str(folder / "photos")),)
    settings = {"data": data, "scales": (0.25,), "val_frames": 2, **plan}
    return TeacherTargets(
        teacher=Candidate.of(teacher, LICENCE),
        plan=TrainingPlan.model_validate(settings),
        ask=asking(teacher),
        store=folder / "targets",
        seed=0,
        reporter=Reporter(),
    )
