"""Pruning in rounds with training between, and importance that is seen on training frames."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from conftest import LICENCE, tiny_spec
from torch import nn
from training_jobs import one_thread, student, tiny_schedule
from training_targets import tiny_targets, tiny_teacher

from compress.core.candidate import Candidate
from compress.core.notes import PruningNote, TrainingNote
from compress.pruning.channel_graph import read_layout
from compress.pruning.importance import batch_norm_scale
from compress.pruning.weight_importance import wanda_scores
from compress.steps.base import SettingError, Step
from compress.steps.channel_importance import BY_FRAMES
from compress.steps.context import StepContext
from compress.steps.distill import Distill
from compress.steps.iterative import share_after
from compress.steps.prune_channels import PruneChannels
from compress.steps.prune_weights import PruneWeights, least
from compress.training.masks import zero_share
from compress.training.reparameterization import Reparameterization, ReparameterizedNetwork
from teachers.common.errors import UserError
from teachers.posenet import ConvBlock, PoseNet

BRIEF = Distill(schedule=tiny_schedule(steps=2, validate_every=2), ignore_border=0)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> StepContext:
    return StepContext(0, tiny_targets(tmp_path_factory.mktemp("targets"), flip=False))


def apply(context: StepContext, network: PoseNet | None = None, **settings: Any) -> Candidate:
    step = PruneChannels.model_validate({"round_to": 2, **settings})
    return step.apply(Candidate.of(network or student(), LICENCE), context)


@pytest.mark.parametrize("rounds", [2, 3])
@pytest.mark.parametrize("amount", [{"pruning_ratio": 0.5}, {"target_macs": 0.5}, {"pruning_ratios": {"stages": 0.5}}])
def test_rounds_end_where_one_cut_would(context: StepContext, rounds: int, amount: dict[str, Any]) -> None:
    made = apply(context, iterative_steps=rounds, **amount)
    assert made.spec == apply(context, **amount).spec
    assert made.spec == PruneChannels.model_validate({"round_to": 2, "iterative_steps": rounds, **amount}).check(
        tiny_spec(2)
    )


def test_training_between_the_rounds_is_one_fewer_than_the_rounds(context: StepContext) -> None:
    made = apply(context, target_macs=0.4, iterative_steps=3, allocation="importance", finetune=BRIEF)
    trained = [note for note in made.notes if isinstance(note, TrainingNote)]
    assert [note.place for note in trained] == ["0.finetune-1", "0.finetune-2"]
    (pruning,) = (note for note in made.notes if isinstance(note, PruningNote))
    before, after = pruning.macs
    assert 0.3 * before < after <= 0.4 * before and pruning.iterative_steps == 3
    assert len(made.steps) == 1 and made.steps[0]["finetune"]["schedule"]["steps"] == 2
    untrained = apply(context, target_macs=0.4, iterative_steps=3, allocation="importance")
    assert made.id != untrained.id


def test_each_round_takes_an_equal_share_of_what_is_left() -> None:
    left = [1 - share_after(0.8, done / 4) for done in range(5)]
    ratios = [after / before for before, after in pairwise(left)]
    assert ratios == pytest.approx([ratios[0]] * 4) and left[-1] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "step",
    [
        PruneChannels(pruning_ratio=0.5, iterative_steps=2, round_to=2, finetune=BRIEF),
        PruneWeights(sparsity=0.5, finetune=BRIEF),
    ],
)
def test_what_is_learnt_between_is_checked_before_anything_runs(step: Step) -> None:
    wrong = step.model_copy(update={"finetune": BRIEF.model_copy(update={"ignore_border": 20})})
    with pytest.raises(SettingError) as told:
        wrong.check(tiny_spec())
    assert told.value.field == "finetune.ignore_border"
    assert step.learns and not step.model_copy(update={"finetune": None}).learns
    assert step.model_copy(update={"finetune": None, "reconstruct": True}).learns


@pytest.mark.parametrize("importance", BY_FRAMES)
def test_importance_from_frames_cuts_as_many_and_asks_for_frames(context: StepContext, importance: str) -> None:
    made = apply(context, pruning_ratio=0.5, importance=importance, calibration_frames=2)
    assert made.spec == apply(context, pruning_ratio=0.5).spec
    assert PruneChannels.model_validate({"pruning_ratio": 0.5, "importance": importance}).learns
    assert made.id == apply(context, pruning_ratio=0.5, importance=importance, calibration_frames=2).id


def test_at_the_teacher_itself_taylor_says_nothing_and_what_would_do(context: StepContext) -> None:
    with pytest.raises(UserError, match=r"the network's maps are the targets.*use gauss_newton"):
        apply(context, tiny_teacher(), pruning_ratio=0.5, importance="taylor")
    assert apply(context, tiny_teacher(), pruning_ratio=0.5, importance="gauss_newton").spec != tiny_spec()


def test_the_scale_of_a_batch_norm_is_found_again() -> None:
    """Against the batch norms of the training form, whose scale is a parameter."""
    network, images = student(), torch.rand(4, 3, 64, 80) * 255
    form = ReparameterizedNetwork(network, Reparameterization())
    form.calibrate(images)
    layout = read_layout(network.spec, (64, 80))
    scores = batch_norm_scale(network, layout, [images])
    compared = 0
    for group in layout.groups:
        block = form.network.get_submodule(group.name)
        assert isinstance(block, ConvBlock)
        scale = block.conv.norm.weight.detach().abs()
        torch.testing.assert_close(scores[group.name], scale, rtol=1e-2, atol=1e-4)
        compared += len(group.makers)
    assert compared == len(layout.groups) > 5
    with pytest.raises(ValueError, match="at least one batch"):
        batch_norm_scale(network, layout, [])


@pytest.mark.parametrize("together", [False, True])
def test_the_least_go_and_exactly_so_many(together: bool) -> None:
    scores = {"a": torch.tensor([[3.0, 1.0], [2.0, 8.0]]), "b": torch.tensor([9.0, 7.0])}
    gone = least(scores, 0.5, together)
    wanted = {"a": [[True, True], [True, False]], "b": [False, False]}
    apart = {"a": [[False, True], [True, False]], "b": [False, True]}
    assert {name: mask.tolist() for name, mask in gone.items()} == (wanted if together else apart)
    assert least({}, 0.5, together) == {}


def _zeros(network: PoseNet, depthwise: bool) -> float:
    kernels = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d) and (m.groups > 1) == depthwise]
    return sum(int((one == 0).sum()) for one in kernels) / sum(one.numel() for one in kernels)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"importance": "wanda", "scope": "network", "calibration_frames": 2},
        {"importance": "obs", "scope": "network", "reconstruct": True, "calibration_frames": 2},
    ],
)
def test_weights_are_pruned_in_rounds_and_stay_away(context: StepContext, settings: dict[str, Any]) -> None:
    fast = BRIEF.model_copy(update={"schedule": tiny_schedule(steps=4, learning_rate=0.02, ema_decay=0.0)})
    step = PruneWeights.model_validate({"sparsity": 0.6, "iterative_steps": 2, "finetune": fast, **settings})
    made = step.apply(Candidate.of(student(), LICENCE), context).network
    assert _zeros(made, depthwise=False) == pytest.approx(0.6, abs=0.01)
    assert _zeros(made, depthwise=True) == 0
    kept = PruneWeights.model_validate({"sparsity": 0.6, **settings}).apply(Candidate.of(student(), LICENCE), context)
    assert not torch.equal(
        made.state_dict()["stages.0.paf.0.conv.bias"], kept.network.state_dict()["stages.0.paf.0.conv.bias"]
    )


def test_depthwise_weights_go_where_asked(context: StepContext) -> None:
    step = PruneWeights(sparsity=0.5, depthwise_sparsity=0.25)
    assert _zeros(step.apply(Candidate.of(student(), LICENCE), context).network, True) == pytest.approx(0.25, abs=0.02)


def test_signal_sees_what_a_channel_carries() -> None:
    """Doubling a channel and halving what reads it changes no signal score, but magnitudes."""
    network, images = student(), [torch.rand(1, 3, 64, 80) * 255]
    before = wanda_scores(network, images)
    with torch.no_grad():
        first, second = (network.get_submodule(f"stages.0.paf.{n}.conv") for n in (0, 1))
        first.weight.mul_(2), first.bias.mul_(2), second.weight.mul_(0.5)
    after = wanda_scores(network, images)
    assert before.keys() == after.keys() and len(before) > 5
    for name, score in before.items():
        torch.testing.assert_close(after[name], score)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="sparsity"):
        PruneWeights(sparsity=share)


def test_branches_cannot_hold_zeros() -> None:
    with pytest.raises(ValueError, match="branches"):
        PruneWeights(
            sparsity=0.5, finetune=BRIEF.model_copy(update={"reparameterization": Reparameterization(branches=True)})
        )


def test_zeros_are_counted_over_all_kernels() -> None:
    network = student()
    assert zero_share(network) == 0
    with torch.no_grad():
        network.get_submodule("stages.0.paf.0.conv").weight.zero_()
    assert 0 < zero_share(network) < 1
