"""A training that was stopped, killed or damaged: the same call goes on to the same bits, or says why it cannot."""

import random
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import LICENCE
from safetensors.torch import load_file
from training_jobs import PLAIN, Fate, one_thread, same, start, student, tiny_job, tiny_schedule, train, weights
from training_targets import tiny_teacher

from compress.common.progress import Reporter
from compress.common.time_limit import TimeIsUp, TimeLimit
from compress.core.candidate import Candidate
from compress.steps.cluster_weights import ClusterWeights
from compress.steps.context import StepContext
from compress.steps.prune_weights import PruneWeights
from compress.training import loop
from compress.training.job import TrainingJob
from compress.training.loop import CHECKPOINT, Trainer
from compress.training.losses import LossSettings
from compress.training.reparameterization import Reparameterization
from teachers.common.errors import UserError
from teachers.posenet import PoseNet


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs and maps that all trainings here may learn from."""
    folder = tmp_path_factory.mktemp("targets")
    torch.set_num_threads(1)
    tiny_job(folder)
    return folder


class StopError(Exception):
    """Somebody pulls the plug."""


def stopped_after(trainer: Trainer, steps: int) -> None:
    """Runs so many steps, each with its checkpoint, then stops in the middle of the next one."""
    update, done = trainer._update, [0]

    def counted(parts: Any) -> torch.Tensor:
        if done[0] == steps:
            raise StopError
        done[0] += 1
        return update(parts)

    trainer._update = counted  # type: ignore[method-assign]
    with pytest.raises(StopError):
        trainer.run()


def small() -> PoseNet:
    """A student with zeros and shared values."""
    pruned = PruneWeights(sparsity=0.4).apply(Candidate.of(student(), LICENCE), StepContext(0))
    return ClusterWeights(bits=3).apply(pruned, StepContext(0)).network


VARIANTS: dict[str, dict[str, Any]] = {
    "batch norm": {},
    "branches": {"reparameterization": Reparameterization(branches=True)},
    "plain": {"reparameterization": PLAIN},
    "accumulated": {"schedule": tiny_schedule(gradient_accumulation=2)},
    "zeros held": {"reparameterization": Reparameterization(preserve="sparsity"), "network": small()},
    "shared values": {
        "reparameterization": Reparameterization(batch_norm=False, preserve="clusters"),
        "network": small(),
    },
    "hints": {"loss": LossSettings(hints=0.5), "teacher": tiny_teacher()},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_stopped_anywhere_it_goes_on_to_the_same_bits(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    job = tiny_job(shared, **VARIANTS[variant])
    undisturbed = train(job, tmp_path / "undisturbed")
    for steps in (0, 1, 3, 6):  # each stop is one more call on the same folder, so steps add up to 10
        stopped_after(Trainer(job, tmp_path / "stopped", Reporter()), steps)
    trained = train(job, tmp_path / "stopped")
    assert same(weights(trained), weights(undisturbed))
    for fact in ("steps", "best_step", "before", "best", "losses", "validations"):
        assert trained.facts[fact] == undisturbed.facts[fact], fact
    after = train(job, tmp_path / "stopped")
    assert same(weights(after), weights(undisturbed)) and after.facts["images_per_s"] is None


def test_a_checkpoint_now_and_then_is_enough(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps after the last checkpoint are done again, from it."""
    job = tiny_job(shared)
    undisturbed = train(job, tmp_path / "undisturbed")
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    stopped_after(Trainer(job, tmp_path / "a", Reporter()), 5)
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 1e9)
    before = (tmp_path / "a" / CHECKPOINT).read_bytes()
    stopped_after(Trainer(job, tmp_path / "a", Reporter()), 3)
    assert (tmp_path / "a" / CHECKPOINT).read_bytes() == before
    assert same(weights(train(job, tmp_path / "a")), weights(undisturbed))


def test_a_time_limit_stops_it_and_the_same_call_goes_on_to_the_same_bits(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = tiny_job(shared)
    undisturbed = train(job, tmp_path / "undisturbed")
    asked = iter([False, False, False, True])
    monkeypatch.setattr(TimeLimit, "over", lambda self: self.seconds is not None and next(asked))
    with pytest.raises(TimeIsUp, match=r"training stopped at step 4 of \d+, and is kept"):
        train(replace(job, limit=TimeLimit(1.0)), tmp_path / "stopped")
    assert same(weights(train(job, tmp_path / "stopped")), weights(undisturbed))


def test_killed_at_any_write_the_same_call_goes_on_to_the_same_bits(shared: Path, tmp_path: Path) -> None:
    wanted, result = weights(train(tiny_job(shared), tmp_path)), tmp_path / "result"
    copy = _copied(shared, tmp_path / "killed")
    kills = 0
    for flush in (1, 3, 2, None):
        process = start(copy, result, Fate(flush))
        process.join(60)
        kills += process.exitcode == -9
        assert (copy / "training" / CHECKPOINT).exists() == (flush is None or kills > 1)
    assert kills == 3 and process.exitcode == 0
    assert same(load_file(result), wanted)


def test_killed_at_random_moments_the_same_call_goes_on_to_the_same_bits(shared: Path, tmp_path: Path) -> None:
    schedule = tiny_schedule(steps=40)
    wanted, result = weights(train(tiny_job(shared, schedule), tmp_path)), tmp_path / "result"
    copy = _copied(shared, tmp_path / "killed")
    draw, kills, limit = random.Random(0), 0, time.monotonic() + 60
    while not result.exists() and time.monotonic() < limit:
        process = start(copy, result, schedule=schedule)
        _wait_for_a_new_checkpoint(copy / "training" / CHECKPOINT, process)
        if kills < 2:
            time.sleep(draw.uniform(0, 0.05))
            process.kill()
        process.join(60)
        kills += process.exitcode == -9
    assert kills > 1
    assert same(load_file(result), wanted)


def _wait_for_a_new_checkpoint(path: Path, process: Any) -> None:
    before = path.stat().st_ino if path.exists() else None
    while process.is_alive() and (not path.exists() or path.stat().st_ino == before):
        time.sleep(0.002)


def _copied(shared: Path, folder: Path) -> Path:
    """The same photographs, so that frames are held out alike; maps of its own."""
    shutil.copytree(shared / "photos", folder / "photos")
    return folder


def checkpoint_of(job: TrainingJob, folder: Path, steps: int = 3) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        stopped_after(Trainer(job, folder, Reporter()), steps)
    return folder / CHECKPOINT


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_cut_checkpoint_is_told_and_left_alone(shared: Path, tmp_path: Path, share: float) -> None:
    path = checkpoint_of(tiny_job(shared), tmp_path)
    cut = path.read_bytes()[: int(share * path.stat().st_size)]
    path.write_bytes(cut)
    with pytest.raises(UserError, match=r"checkpoint\.safetensors: not a whole checkpoint .* remove it to begin"):
        train(tiny_job(shared), tmp_path)
    assert path.read_bytes() == cut


@pytest.mark.parametrize("other", ["fewer stages", "another form", "hints"])
def test_a_checkpoint_of_another_network_is_told_and_left_alone(shared: Path, tmp_path: Path, other: str) -> None:
    path = checkpoint_of(tiny_job(shared), tmp_path)
    whole = path.read_bytes()
    job = {
        "fewer stages": tiny_job(shared, network=student(stages=1), ship_stages=1),
        "another form": tiny_job(shared, reparameterization=PLAIN),
        "hints": tiny_job(shared, **VARIANTS["hints"]),
    }[other]
    with pytest.raises(UserError, match=r"checkpoint\.safetensors: is of another network .*; remove it"):
        train(job, tmp_path)
    assert path.read_bytes() == whole
