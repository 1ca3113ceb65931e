"""Heads by least squares: the minimum that a gradient finds too, and nothing but the heads changes."""

import copy

import numpy as np
import pytest
import torch
from conftest import tiny_spec

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
