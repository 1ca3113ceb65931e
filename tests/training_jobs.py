"""Trainings that take a second or less, in this process or in one that may be killed."""

import os
import signal
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import torch
from compress_children import children
from conftest import tiny_spec
from safetensors.torch import save_file
from training_targets import tiny_targets

from compress.common.progress import Reporter
from compress.training import loop
from compress.training.augmentation import Augmentation
from compress.training.job import Trained, TrainingJob
from compress.training.loop import Trainer
from compress.training.losses import LossSettings
from compress.training.reparameterization import Reparameterization
from compress.training.schedule import Schedule
from teachers.posenet import PoseNet

CROP = (48, 64)
PLAIN = Reparameterization(batch_norm=False)


def student(seed: int = 1, stages: int = 2) -> PoseNet:
    """Random weights."""
    torch.manual_seed(seed)
    return PoseNet(tiny_spec(stages)).eval()


def tiny_schedule(**changes: Any) -> Schedule:
    return Schedule(**{"steps": 12, "batch_size": 4, "crop": CROP, "validate_every": 4, "ema_decay": 0.9, **changes})


def tiny_job(folder: Path, schedule: Schedule | None = None, **changes: Any) -> TrainingJob:
    """A student of two stages learns the tiny teacher's maps; everything is kept below the folder."""
    targets = tiny_targets(folder, flip=False)
    schedule = schedule or tiny_schedule()
    job = TrainingJob(
        network=student(),
        samples=targets.samples(schedule.crop, Augmentation.none()),
        held_out=targets.held_out,
        energies=targets.energies,
        schedule=schedule,
        loss=LossSettings(),
        reparameterization=Reparameterization(),
        seed=0,
        ship_stages=2,
    )
    return replace(job, **changes)


def train(job: TrainingJob, folder: Path) -> Trained:
    return Trainer(job, folder, Reporter()).run()


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    return trained.network.state_dict()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], start: dict[str, torch.Tensor]) -> float:
    """How far two trainings ended from each other, over how far one of them came from `start`.

    The order of a sum's terms differs between CPUs, and Adam moves a weight without a slope by the sum's rounding: the
    furthest weight tells little, all of them together tell a different training by a factor of 10,000.
    """
    assert one.keys() == other.keys() == start.keys() and len(one) > 10
    flat = [torch.cat([given[name].double().flatten() for name in sorted(given)]) for given in (one, other, start)]
    return float((flat[0] - flat[1]).norm() / (flat[1] - flat[2]).norm())


def one_thread(patch: pytest.MonkeyPatch) -> None:
    """A second thread on a busy machine costs far more than it gives; a training takes as many as it sees cores."""
    torch.set_num_threads(1)
    patch.setattr(os, "sched_getaffinity", lambda process: {0})


@dataclass(frozen=True)
class Fate:
    """What befalls a process that trains."""

    at_flush: int | None = None
    """It is killed, as by kill -9, when it is about to flush its n-th checkpoint to disk, counted from 1."""


def start(folder: Path, result: Path, fate: Fate | None = None, **changes: Any) -> ForkServerProcess:
    """A process that trains `tiny_job`, keeps a checkpoint of every step, and leaves its weights in a file."""
    process = children().Process(target=_live, args=(folder, result, fate or Fate(), changes))
    process.start()
    return process


def _live(folder: Path, result: Path, fate: Fate, changes: dict[str, Any]) -> None:
    one_thread(pytest.MonkeyPatch())
    every_step: Any = loop
    every_step._SECONDS_BETWEEN_CHECKPOINTS = -1.0
    system: Any = os
    flush, calls = os.fsync, 0

    def fsync(file: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == fate.at_flush:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(file)

    job = tiny_job(folder, **changes)
    system.fsync = fsync
    save_file(weights(train(job, folder / "training")), result)
