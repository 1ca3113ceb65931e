"""The training loop: it learns, keeps the best, gives the same twice, and is never lost."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny_spec
from training_jobs import (
    CROP,
    PLAIN,
    apart,
    one_thread,
    same,
    student,
    tiny_job,
    tiny_schedule,
    train,
    weights,
)
from training_targets import tiny_teacher

from compress.steps.distill import deepened
from compress.training import loop
from compress.training.loop import CHECKPOINT
from compress.training.losses import LossSettings
from compress.training.reparameterization import Reparameterization
from compress.training.samples import TrainingSample
from compress.training.schedule import Schedule
from compress.training.student import AveragedWeights
from compress.training.validation import validate
from eval.oks import OksCounts
from students.init import fresh_network
from teachers.common.errors import UserError
from teachers.posenet import PoseNet, first_stages

CPU = torch.device("cpu")
FORMS = {
    "batch norm": Reparameterization(),
    "branches": Reparameterization(branches=True),
    "plain": PLAIN,
}


RUINOUS = {"batch norm": 0.1, "branches": 0.1, "plain": 0.01}
"""Learning rates at which nothing gets better, and nothing becomes infinite."""


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


def test_a_random_student_learns_the_teacher(shared: Path, tmp_path: Path) -> None:
    schedule = tiny_schedule(steps=120, validate_every=40, learning_rate=1e-2, ema_decay=0.9)
    job = tiny_job(shared, schedule)
    trained = train(job, tmp_path)
    before, best = trained.facts["before"], trained.facts["best"]
    assert [look["step"] for look in trained.facts["validations"]] == [0, 40, 80, 120]
    assert best["paf_rel_l2"] < 0.85 * before["paf_rel_l2"] and best["joint_rel_l2"] < 0.85 * before["joint_rel_l2"]
    again = validate(trained.network, job.held_out, CPU)
    assert (again.joint_rel_l2, again.paf_rel_l2) == (best["joint_rel_l2"], best["paf_rel_l2"])
    losses = [point["loss"] for point in trained.facts["losses"]]
    assert len(losses) == 120 and np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])
    assert trained.facts["steps"] == 120 and trained.facts["images_per_s"] > 0 and trained.facts["processes"] == 1


def test_the_best_by_validation_is_kept(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores are made up: the second of four looks is the best, and what it looked at is what comes out."""
    looked: list[dict[str, torch.Tensor]] = []

    def made_up(network: Any, samples: Any, device: Any) -> Any:
        looked.append(network.state_dict())
        found = validate(network, samples, device)
        return replace(found, paf_rel_l2=[3.0, 1.0, 2.0, 1.5][len(looked) - 1], joint_rel_l2=0.0)

    monkeypatch.setattr(loop, "validate", made_up)
    trained = train(tiny_job(shared), tmp_path)
    assert len(looked) == 4 and trained.facts["best_step"] == 4
    assert same(weights(trained), looked[1]) and not same(weights(trained), looked[3])


def test_it_ends_early_where_nothing_gets_better_and_stays_ended(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores are made up: better once, then never again."""
    scores = iter([3.0, 1.0, 2.0, 2.0, 0.5])

    def made_up(network: Any, samples: Any, device: Any) -> Any:
        found = validate(network, samples, device)
        return replace(found, paf_rel_l2=next(scores), joint_rel_l2=0.0, people=OksCounts(0, 0, 0.0))

    monkeypatch.setattr(loop, "validate", made_up)
    job = tiny_job(shared, tiny_schedule(steps=40, validate_every=4, patience=2))
    trained = train(job, tmp_path)
    assert trained.facts["steps"] == 12 and trained.facts["best_step"] == 4
    again = train(job, tmp_path)
    assert again.facts["steps"] == 12 and same(weights(again), weights(trained))
    assert next(scores) == 0.5


@pytest.mark.parametrize("form", FORMS)
def test_a_student_that_nothing_makes_better_comes_back_as_it_was(shared: Path, tmp_path: Path, form: str) -> None:
    """The teacher itself is as good as can be; its weights survive the way into the training form and back."""
    job = replace(
        tiny_job(shared, tiny_schedule(steps=4, learning_rate=RUINOUS[form])), network=tiny_teacher(), ship_stages=3
    )
    trained = train(replace(job, reparameterization=FORMS[form]), tmp_path)
    assert trained.facts["best_step"] == 0 and trained.facts["best"] == trained.facts["before"]
    image = torch.rand(1, 3, *CROP) * 255
    with torch.no_grad():
        for ours, theirs in zip(trained.network(image), tiny_teacher()(image), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_seed_gives_the_same_and_another_another(shared: Path, tmp_path: Path, form: str) -> None:
    job = replace(tiny_job(shared, tiny_schedule(steps=4)), reparameterization=FORMS[form])
    one, two = (weights(train(job, tmp_path / name)) for name in "ab")
    assert same(one, two)
    assert not same(one, weights(train(replace(job, seed=1), tmp_path / "c")))
    assert not same(one, weights(train(replace(job, network=student(2)), tmp_path / "d")))


class Poisoned:
    """Samples of which one, from some call on, holds a NaN."""

    def __init__(self, samples: Any, first: int) -> None:
        self._samples, self._first = samples, first
        self.calls = 0

    def __len__(self) -> int:
        return len(self._samples)

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        self.calls += 1
        found = self._samples.sample(index, rng)
        if self.calls <= self._first:
            return found
        return found._replace(pafs=np.full_like(found.pafs, np.nan))


def test_a_loss_that_is_no_number_stops_it_and_names_the_step(shared: Path, tmp_path: Path) -> None:
    job = tiny_job(shared, tiny_schedule(learning_rate=0.01), reparameterization=PLAIN)
    job = replace(job, samples=Poisoned(job.samples, first=32 + 8 * 4 + 5 * 4 + 2))
    with pytest.raises(UserError, match=r"training diverged: the loss of step 5 is nan at a learning rate of .*lower"):
        train(job, tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_learning_rate_that_diverges(shared: Path, tmp_path: Path) -> None:
    schedule = tiny_schedule(steps=200, learning_rate=10, warmup=0, max_grad_norm=1e6, validate_every=1000)
    with pytest.raises(UserError, match=r"training diverged: the loss of step \d+ is (nan|inf) at a learning rate of"):
        train(tiny_job(shared, schedule, reparameterization=PLAIN), tmp_path)


def test_the_average_is_the_recursion_that_it_says() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.BatchNorm2d(3))
    schedule, average = Schedule(steps=50, ema_decay=0.8), AveragedWeights(module)
    wanted = {name: tensor.numpy().astype(np.float64).copy() for name, tensor in module.state_dict().items()}
    for step in range(50):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        module(torch.randn(4, 2, 3, 3))
        memory = min(0.8, (1 + step) / (10 + step))
        assert schedule.memory(step) == pytest.approx(memory)
        average.update(module, schedule.memory(step))
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                wanted[name] = memory * wanted[name] + (1 - memory) * tensor.numpy()
    assert len(wanted) == 7
    for name, tensor in average.tensors.items():
        assert np.allclose(tensor.numpy(), wanted[name], rtol=1e-4, atol=1e-6), name


def test_the_rate_rises_to_its_peak_and_falls_to_a_hundredth() -> None:
    schedule = Schedule(steps=1000, learning_rate=2e-3, warmup=0.1)
    rates = np.array([schedule.rate(step) for step in range(1000)])
    assert np.allclose(np.diff(rates[:100]), 2e-5) and rates[0] == pytest.approx(2e-5)
    assert rates[99] == rates.max() == pytest.approx(2e-3) and rates[-1] == pytest.approx(2e-5, rel=1e-3)
    assert (np.diff(rates[100:]) < 0).all() and rates[550] == pytest.approx((2e-3 + 2e-5) / 2, rel=1e-2)
    assert Schedule(steps=1, warmup=0).rate(0) == Schedule(steps=1, warmup=0.5).rate(0) == 1e-3
    assert Schedule(steps=2, warmup=0.5).rate(0) == 1e-3


def test_batches_in_parts_learn_what_whole_ones_do(shared: Path, tmp_path: Path) -> None:
    """Batch norm sees the parts, so without it only."""
    results = [
        weights(
            train(
                tiny_job(shared, tiny_schedule(steps=4, gradient_accumulation=parts), reparameterization=PLAIN),
                tmp_path / str(parts),
            )
        )
        for parts in (1, 2, 4)
    ]
    before = student().state_dict()
    assert len(results) == 3 and all(apart(other, results[0], before) < 1e-4 for other in results[1:])
    halved = weights(
        train(tiny_job(shared, tiny_schedule(steps=4, batch_size=2), reparameterization=PLAIN), tmp_path / "half")
    )
    assert apart(halved, results[0], before) > 1e-2, "another batch is another training"


def test_further_stages_help_and_are_gone(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    job = tiny_job(shared, reparameterization=PLAIN)
    deep = replace(job, network=deepened(job.network, 2, tiny_teacher(), 0))
    assert len(deep.network.spec.stages) == 4
    looked = validate
    monkeypatch.setattr(
        loop,
        "validate",
        lambda network, samples, device: (seen.append(len(network.spec.stages)), looked(network, samples, device))[1],
    )
    trained, alone = train(deep, tmp_path / "deep"), train(job, tmp_path / "alone")
    assert seen == [2] * 8
    assert trained.network.spec == job.network.spec and not same(weights(trained), weights(alone))
    # The first two stages begin alike, so that the first look is the same.
    assert trained.facts["before"] == pytest.approx(alone.facts["before"], rel=1e-6)
    assert same(first_stages(deep.network, 2).state_dict(), job.network.state_dict())


def test_further_stages_that_fit_nowhere_begin_near_silence() -> None:
    """With a teacher of other shapes nothing is inherited; torch's own weights said 0.1 to 0.3 there."""
    plan = tiny_spec(1)
    deep = deepened(fresh_network(plan, 0), 3, PoseNet(tiny_spec(1)), 0)
    image = torch.randint(0, 256, (1, 3, 64, 80), generator=torch.Generator().manual_seed(0)).float()
    with torch.inference_mode():
        told = [float(part.square().mean().sqrt()) for maps in deep.all_stages(image)[1:] for part in maps]
    assert len(told) == 6 and all(0 < one < 0.04 for one in told), told


def test_a_batch_that_cannot_be_dealt_out_evenly(shared: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"schedule\.batch_size: must be a multiple of .*, 3 x 1, got 4"):
        train(tiny_job(shared, tiny_schedule(gradient_accumulation=3)), tmp_path)


def test_what_it_was_given_stays_as_it_was(shared: Path, tmp_path: Path) -> None:
    job = tiny_job(shared, loss=LossSettings(hints=0.5), teacher=tiny_teacher())
    before = [{n: t.clone() for n, t in net.state_dict().items()} for net in (job.network, job.teacher) if net]
    train(job, tmp_path)
    assert len(before) == 2
    assert same(before[0], job.network.state_dict()) and same(before[1], job.teacher.state_dict())  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["hints", "cwd", "pkd"])
def test_losses_on_features_pull_them_to_the_teachers(name: str, shared: Path, tmp_path: Path) -> None:
    schedule = tiny_schedule(steps=40, learning_rate=1e-2)
    only = dict.fromkeys(("joints", "background", "pafs"), 0.0)
    job = tiny_job(shared, schedule, loss=LossSettings(**only, **{name: 1.0}), teacher=tiny_teacher())
    losses = [point["loss"] for point in train(job, tmp_path).facts["losses"]]
    assert len(losses) == 40 and losses[-1] < (0.7 if name == "pkd" else 0.5) * losses[0]


@pytest.fixture
def order(shared: Path) -> Iterator[Any]:
    from compress.training.batches import Order

    yield lambda **how: Order(tiny_job(shared).samples, 4, 0, **how)


def test_processes_and_parts_share_a_batch(order: Any) -> None:
    whole = order().batch_of(7, 0)
    shared_out = [
        order(rank=rank, world=2, parts=2).batch_of(7, part).images[0] for part in range(2) for rank in range(2)
    ]
    assert len(whole.images) == len(shared_out) == 4
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(whole.images, shared_out, strict=True))


def test_every_frame_is_seen_once_an_epoch(order: Any) -> None:
    seen: list[int] = []

    class Noting:
        def __len__(self) -> int:
            return 7

        def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
            seen.append(index)
            return TrainingSample(
                np.zeros((8, 8, 3), np.uint8), *(np.zeros((1, 1, 1), np.float32),) * 2, np.zeros((1, 1))
            )

    from compress.training.batches import Order

    for _ in Order(Noting(), 7, 0).from_step(0, 4, threads=1):
        pass
    epochs = [seen[start : start + 7] for start in range(0, 28, 7)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(7))] * 4
    assert len({tuple(epoch) for epoch in epochs}) == 4
