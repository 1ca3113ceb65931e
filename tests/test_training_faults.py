"""What befalls a long training: too little memory, a loss that is no number, a full disk, another beginning."""

import errno
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from compress_tiny_run import make_photos
from conftest import LICENCE
from training_jobs import PLAIN, apart, one_thread, same, student, tiny_schedule, weights
from training_views import script, view_targets

from compress.common.differences import differences, recipe_differences
from compress.common.display import shown
from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.run.load_candidate import saved_candidate
from compress.steps.context import StepContext
from compress.steps.distill import Distill
from compress.training import checkpoint, loop
from compress.training.ensemble import TeacherEnsemble
from compress.training.job import TrainingJob
from compress.training.loop import BEST, CHECKPOINT, Trainer
from compress.training.losses import LossSettings
from compress.training.student import Student
from teachers.common.errors import UserError
from teachers.posenet import Maps


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)
    script(monkeypatch)


def view_job(folder: Path, **changes: Any) -> TrainingJob:
    """A student of two stages learns from views, which the teacher answers online."""
    targets, views = view_targets(folder)
    schedule = tiny_schedule(**{"steps": 4, "validate_every": 4, **changes})
    return TrainingJob(
        network=student(),
        samples=views.samples(schedule.batch_size),
        held_out=targets.held_out[:1],
        energies=targets.energies,
        schedule=schedule,
        loss=LossSettings(),
        reparameterization=PLAIN,
        seed=0,
        ship_stages=2,
        answers=targets.answers(0.0),
        licence=LICENCE,
    )


def run(job: TrainingJob, folder: Path) -> Any:
    return Trainer(job, folder, Reporter()).run()


def short_of_memory(patch: pytest.MonkeyPatch, allowed: Callable[[int, int], bool]) -> list[int]:
    """Forward passes of more images than a device holds fail; the sizes of those that do not."""
    forward, sizes, calls = Student.forward, [], [0]

    def limited(self: Student, batch: Any, features: Any = None) -> torch.Tensor:
        calls[0] += 1
        if self.training and not allowed(len(batch.images), calls[0]):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        sizes.append(len(batch.images))
        return forward(self, batch, features)

    patch.setattr(Student, "forward", limited)
    return sizes


@pytest.mark.parametrize("parts", [1, 2])
def test_a_device_without_memory_halves_the_batch_once_and_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], parts: int
) -> None:
    job = view_job(tmp_path, gradient_accumulation=parts)
    whole = weights(run(job, tmp_path / "whole"))
    # The memory is gone in the middle: the second part of a step fails, whose first part has left gradients.
    sizes = short_of_memory(monkeypatch, lambda images, call: images <= 2 // parts or call < 8 + 1 + parts)
    with shown():
        halved = weights(run(job, tmp_path / "halved"))
    said = capsys.readouterr().err
    assert f"ran out of memory; batches go through in parts of {2 // parts} from now on" in said
    assert said.count("ran out of memory") == 1 and sizes[-1] == 2 // parts
    assert apart(halved, whole, student().state_dict()) < 1e-4


def test_memory_that_does_not_suffice_for_half_a_batch_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = view_job(tmp_path)
    short_of_memory(monkeypatch, lambda images, call: images <= 1 or call < 9)
    with pytest.raises(UserError, match=r"step \d: cpu has not enough memory for 2 images at a time; .*batch_size"):
        run(job, tmp_path / "run")


def test_other_errors_of_a_step_are_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> torch.Tensor:
        raise RuntimeError("shapes do not fit")

    job = replace(view_job(tmp_path), reparameterization=replace_batch_norm())
    monkeypatch.setattr(Student, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run(job, tmp_path / "run")


def replace_batch_norm() -> Any:
    """Without units, whose slopes take forward passes before the first step."""
    return PLAIN.model_copy(update={"whiten": False})


def poison(patch: pytest.MonkeyPatch, clean: int) -> None:
    """The teacher's answers hold a NaN after so many batches."""
    answer, calls = TeacherEnsemble.forward, [0]

    def forward(self: TeacherEnsemble, images: torch.Tensor) -> Maps:
        calls[0] += 1
        maps: Maps = answer(self, images)
        return maps if calls[0] <= clean else Maps(maps.heatmaps * float("nan"), maps.pafs)

    patch.setattr(TeacherEnsemble, "forward", forward)


def test_a_loss_that_is_no_number_names_its_step_and_keeps_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    job = view_job(tmp_path, learning_rate=3e-3, steps=12, validate_every=3)
    poison(monkeypatch, 8 + 7)
    folder = tmp_path / "run"
    with pytest.raises(
        UserError, match=r"the loss of step 7 is nan.* The best weights, of step \d, are kept in"
    ) as told:
        run(job, folder)
    assert str(folder / BEST) in str(told.value)
    kept = checkpoint.load_state(folder / CHECKPOINT)
    assert kept is not None and kept.step == 7
    assert all(torch.isfinite(tensor).all() for tensor in kept.tensors["student"].values())
    assert len(saved_candidate(str(folder / BEST)).spec.stages) == 2


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    job, folder = view_job(tmp_path), tmp_path / "run"
    undisturbed = weights(run(job, tmp_path / "undisturbed"))
    write, writes = checkpoint.write_bytes, [0]

    def full(path: Path, data: bytes) -> None:
        writes[0] += 1
        if writes[0] == 4:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(checkpoint, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        run(job, folder)
    kept = checkpoint.load_state(folder / CHECKPOINT)
    assert kept is not None and kept.step == 3 and [path.name for path in folder.iterdir()] == [CHECKPOINT]
    assert same(weights(run(job, folder)), undisturbed)


def test_a_training_whose_photographs_changed_is_refused_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    step = Distill(schedule=tiny_schedule(steps=6), reparameterization=PLAIN, ignore_border=0)
    candidate = Candidate.of(student(), LICENCE)

    def context(photos: int) -> StepContext:
        if photos != 6:
            shutil.rmtree(tmp_path / "photos")
            make_photos(tmp_path / "photos", photos)
        return StepContext(0, view_targets(tmp_path)[0], tmp_path / "work", building="learnt")

    update, done = Trainer._update, [0]

    def killed(self: Trainer, parts: Any) -> torch.Tensor:
        done[0] += 1
        if done[0] > 2:
            raise KeyboardInterrupt
        return update(self, parts)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", killed)
        with pytest.raises(KeyboardInterrupt):
            step.apply(candidate, context(6))
    with pytest.raises(
        UserError, match=r"holds learnt's training, stopped at step 2 of 6; .*changed: the photographs\."
    ):
        step.apply(candidate, context(8))
    assert len(list((tmp_path / "work").glob("training-*"))) == 1


def test_what_differs_between_recipes_is_named_by_its_path() -> None:
    before = "a: {b: [1, 2]}\nc: text\nd: 1\n"
    assert recipe_differences(before, before) == ""
    assert (
        recipe_differences(before, "a: {b: [1, 3]}\nc: text\ne: 1\n")
        == "a.b.1: 2 -> 3, d: 1 -> nothing, e: nothing -> 1"
    )
    many = {str(number): number for number in range(9)}
    assert differences(many, dict.fromkeys(many, 0)).endswith("5: 5 -> 0 and 3 more")
    assert re.fullmatch(r"a: \[1, 2\] -> \[1\]", differences({"a": [1, 2]}, {"a": [1]}))
