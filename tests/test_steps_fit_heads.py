"""Heads by least squares: the minimum that a gradient finds too, and nothing but the heads changes."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_spec
from training_targets import tiny_targets

from compress.common.display import shown
from compress.core.notes import HeadsNote
from compress.steps.context import StepContext
from compress.steps.fit_heads import FitHeads
from compress.steps.remove_stages import RemoveStages
from compress.training.heads import fit_heads, head_convolutions
from compress.training.samples import TrainingSample
from teachers.posenet import PoseNet


def samples(network: PoseNet, count: int = 6, seed: int = 0) -> list[TrainingSample]:
    """Noise pictures with the network's maps as targets, and cells that count differently."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        image = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
        with torch.no_grad():
            maps = network(torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float())
        mask = rng.uniform(0.2, 2.0, (8, 12)).astype(np.float32)
        found.append(TrainingSample(image, maps.heatmaps[0].numpy(), maps.pafs[0].numpy(), mask))
    return found


@pytest.fixture
def network() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(tiny_spec(2)).eval()


def test_heads_that_were_changed_are_found_again(network: PoseNet) -> None:
    """The right answer is among those that can be given, so it has to be given."""
    spoilt = copy.deepcopy(network)
    with torch.no_grad():
        for conv in head_convolutions(spoilt):
            conv.weight += 0.1 * torch.randn_like(conv.weight)
            conv.bias += 0.1  # type: ignore[operator]
    made = fit_heads(spoilt, samples(network))
    (fresh,) = samples(network, 1, seed=9)
    image = torch.from_numpy(fresh.image.transpose(2, 0, 1).copy())[None].float()
    with torch.no_grad():
        for found, wanted in zip(made(image), (fresh.heatmaps, fresh.pafs), strict=True):
            assert float((found[0] - torch.from_numpy(wanted)).norm()) < 1e-3 * float(np.linalg.norm(wanted))


def test_no_gradient_is_left(network: PoseNet) -> None:
    """At the minimum of the weighted squares, which autograd sees by itself, up to the ridge."""
    torch.manual_seed(1)
    other = PoseNet(tiny_spec(2)).eval()
    learnt = samples(other)

    def slopes(of: PoseNet) -> float:
        of.requires_grad_()
        total = torch.zeros(())
        for one in learnt:
            maps = of(torch.from_numpy(one.image.transpose(2, 0, 1).copy())[None].float())
            for found, wanted in zip(maps, (one.heatmaps, one.pafs), strict=True):
                total = total + ((found[0] - torch.from_numpy(wanted)).square() * torch.from_numpy(one.mask)).sum()
        weights = [parameter for conv in head_convolutions(of) for parameter in conv.parameters()]
        return float(sum(one.square().sum() for one in torch.autograd.grad(total, weights))) ** 0.5

    made = fit_heads(network, learnt)
    assert slopes(made) < 1e-2 * slopes(copy.deepcopy(network))


def test_only_the_last_heads_change(network: PoseNet) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(1)
    made = fit_heads(network, samples(PoseNet(tiny_spec(2)).eval())).state_dict()
    changed = {name for name, tensor in made.items() if not torch.equal(tensor, before[name])}
    assert changed == {
        f"stages.1.{branch}.1.conv.{part}" for branch in ("paf", "heatmap") for part in ("weight", "bias")
    }
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_heads_that_the_held_out_frames_find_worse_are_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The teacher itself cannot be better than it is; without its last stage it can."""
    targets = tiny_targets(tmp_path)
    context, step = StepContext(0, targets), FitHeads(step="fit_heads")
    with shown():
        same = step.apply(targets.teacher, context)
        other = step.apply(RemoveStages(step="remove_stages", stages=2).apply(targets.teacher, context), context)
    assert "the heads stay" in capsys.readouterr().err
    given, kept = targets.teacher.network.state_dict(), same.network.state_dict()
    (note,), (other_note,) = ([one for one in made.notes if isinstance(one, HeadsNote)] for made in (same, other))
    assert all(torch.equal(tensor, given[name]) for name, tensor in kept.items()) and not note.better
    assert len(same.steps) == 1
    looks = [look.joint_rel_l2 + look.paf_rel_l2 for look in other_note.held_out]
    assert looks[1] < looks[0] and other_note.better
    heads = head_convolutions(other.network)
    assert not torch.equal(heads[0].weight, targets.teacher.network.stages[1].heatmap[-1].conv.weight)  # type: ignore[index,union-attr]
