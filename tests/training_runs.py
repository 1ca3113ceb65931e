"""`compress run` of a recipe that trains for a second, in this process or in one that is killed."""

import os
import signal
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
from compress_children import children
from compress_tiny_run import make_photos
from conftest import LICENCE
from onnx import ModelProto
from training_jobs import one_thread
from training_targets import tiny_teacher

from compress.cli.main import run_command
from compress.export.onnx_export import export_all_stages, load_graph
from compress.run import teacher_stages
from compress.training import loop
from compress.training.checkpoint import TrainingState
from teachers.checkpoint import save_model
from teachers.posenet import PoseNet

RECIPE = """\
teacher: {teacher}
data: {{source: {source}, images: 2}}
scales: [0.25]
training:
  data:
    - {{source: {source}}}
  scales: [0.25]
  val_frames: 2
  flip: false
candidates:
  - name: learnt
    steps:
      - {{step: remove_stages, stages: 1}}
      - step: distill
        schedule: {{steps: 8, batch_size: 2, crop: [48, 64], learning_rate: 0.01, ema_decay: 0.5, validate_every: 4}}
        ignore_border: 0
measure: {{latency: false, memory: false}}
objectives: [params, joint_rel_l2]
"""


@dataclass(frozen=True)
class TinyTraining:
    """A recipe, and a finished run of it."""

    folder: Path

    @property
    def recipe(self) -> Path:
        return self.folder / "learn.yaml"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def words(self, out: Path) -> list[str]:
        return ["run", str(self.recipe), "--out", str(out)]


def make_training(folder: Path, patch: pytest.MonkeyPatch) -> TinyTraining:
    """Runs the recipe once, undisturbed."""
    training = TinyTraining(folder)
    save_model(folder / "model", tiny_teacher(), LICENCE)
    source = make_photos(folder / "photos", 6)
    training.recipe.write_text(RECIPE.format(teacher=folder / "model", source=source))
    prepare(patch, folder)
    assert run_command(training.words(training.out)) == 0
    return training


def prepare(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """One thread, a cache of maps below the folder, and each network exported once: torch's exporter takes seconds."""
    one_thread(patch)
    patch.setenv("COMPRESS_CACHE", str(folder / "cache"))
    kept: dict[str, ModelProto] = {}

    def export(network: PoseNet) -> ModelProto:
        from compress.core.candidate import content_id

        found = list((folder / "out/.work").glob("all-stages-*.onnx"))
        if len(network.spec.stages) == 3 and found:
            return load_graph(found[0])
        name = content_id(network)
        if name not in kept:
            kept[name] = export_all_stages(network)
        return kept[name]

    patch.setattr(teacher_stages, "export_all_stages", export)


def killed_at(training: TinyTraining, out: Path, checkpoint: int) -> ForkServerProcess:
    """The run in a process of its own, which dies as by kill -9 when it is about to write its n-th checkpoint."""
    process = children().Process(target=_live, args=(training, out, checkpoint))
    process.start()
    return process


def _live(training: TinyTraining, out: Path, checkpoint: int) -> None:
    prepare(pytest.MonkeyPatch(), training.folder)
    every_step: Any = loop
    every_step._SECONDS_BETWEEN_CHECKPOINTS = -1.0
    state: Any = TrainingState
    save, calls = TrainingState.save, 0

    def counted(self: TrainingState, path: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == checkpoint:
            os.kill(os.getpid(), signal.SIGKILL)
        save(self, path)

    state.save = counted
    os._exit(run_command(training.words(out)))
