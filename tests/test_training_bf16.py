"""bf16, as GPUs train: on a CPU by the same path through accelerate, which tells what is computed in what width."""

from pathlib import Path

import pytest
import torch
from test_export_instance_norms import normed_spec
from training_jobs import PLAIN, one_thread, same, student, tiny_job, tiny_schedule, train, weights

from compress.common.progress import Reporter
from compress.training import engine, loop
from compress.training.loop import Trainer
from compress.training.losses import LossSettings
from compress.training.reparameterization import Reparameterization
from students.init import fresh_network
from teachers.posenet import PoseNet


@pytest.fixture(autouse=True)
def _in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)
    monkeypatch.setattr(engine, "_precision", lambda: "bf16")


@pytest.mark.parametrize(
    "form",
    [Reparameterization(), Reparameterization(branches=True)],
    ids=["normed", "branches"],
)
def test_it_learns_as_in_single_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Reparameterization
) -> None:
    job = tiny_job(tmp_path, reparameterization=form)
    short = train(job, tmp_path / "short")
    monkeypatch.setattr(engine, "_precision", lambda: "no")
    single = train(job, tmp_path / "single")
    assert (short.facts["precision"], single.facts["precision"]) == ("bf16", "no")
    assert not same(weights(short), weights(single))
    assert all(tensor.dtype == torch.float32 for tensor in weights(short).values())
    ours, theirs = (found.facts["validations"][-1] for found in (short, single))
    assert ours["step"] == theirs["step"] == 12
    for what in ("joint_rel_l2", "paf_rel_l2"):
        learnt = single.facts["before"][what] - theirs[what]
        assert abs(ours[what] - theirs[what]) < max(0.2 * abs(learnt), 0.02)


def test_convolutions_compute_in_bf16_and_losses_do_not(tmp_path: Path) -> None:
    trainer = Trainer(tiny_job(tmp_path, reparameterization=Reparameterization()), tmp_path / "run", Reporter())
    widths: dict[str, set[torch.dtype]] = {"network": set(), "loss": set()}
    student_ = trainer._student
    student_.network.register_forward_hook(
        lambda module, given, made: widths["network"].update(maps.dtype for one in made.stages for maps in one)
    )
    student_.loss.register_forward_hook(lambda module, given, made: widths["loss"].add(made.dtype))
    trainer.run()
    assert widths == {"network": {torch.bfloat16}, "loss": {torch.float32}}


@pytest.mark.parametrize("form", [PLAIN, Reparameterization(batch_norm=False, whiten=False)], ids=["balanced", "bare"])
def test_weights_that_come_trained_learn_in_single_precision(tmp_path: Path, form: Reparameterization) -> None:
    """In the process that has just learnt in bf16."""
    assert (
        train(tiny_job(tmp_path, reparameterization=Reparameterization()), tmp_path / "fresh").facts["precision"]
        == "bf16"
    )
    trainer = Trainer(tiny_job(tmp_path, reparameterization=form), tmp_path / "run", Reporter())
    widths: set[torch.dtype] = set()
    trainer._student.network.register_forward_hook(
        lambda module, given, made: widths.update(maps.dtype for one in made.stages for maps in one)
    )
    assert trainer.run().facts["precision"] == "no" and widths == {torch.float32}


def test_a_teachers_features_may_be_hinted_at(tmp_path: Path) -> None:
    job = tiny_job(tmp_path, tiny_schedule(steps=4), loss=LossSettings(hints=0.5), teacher=student(seed=2))
    assert all(torch.isfinite(tensor).all() for tensor in weights(train(job, tmp_path / "run")).values())


def test_a_network_that_normalises_each_image_learns(tmp_path: Path) -> None:
    network: PoseNet = fresh_network(normed_spec(), seed=0)
    job = tiny_job(tmp_path, tiny_schedule(steps=4, crop=(48, 64)), network=network, reparameterization=PLAIN)
    assert not same(weights(train(job, tmp_path / "run")), network.state_dict())


def test_it_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tiny_job(tmp_path), tmp_path / "whole")
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)
    stopped = Trainer(tiny_job(tmp_path), tmp_path / "stopped", Reporter())
    updates = 0
    update = stopped._update

    def few(parts: object) -> torch.Tensor:
        nonlocal updates
        updates += 1
        if updates > 5:
            raise KeyboardInterrupt
        return update(parts)  # type: ignore[arg-type]

    monkeypatch.setattr(stopped, "_update", few)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = Trainer(tiny_job(tmp_path), tmp_path / "stopped", Reporter())
    assert again._step == 5
    assert same(weights(again.run()), weights(whole))
