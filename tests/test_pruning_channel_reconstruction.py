"""Refitting after channels went: what can be made up for is, and what ships is the pruned network all the same."""

import pytest
import torch
from conftest import tiny_spec
from torch import Tensor

from compress.pruning.channel_reconstruction import remove_and_reconstruct
from compress.pruning.dependency_graph import remove_channels
from compress.reconstruction.layer_ops import seen
from teachers.posenet import ConvBlock, PoseNet

GROUP = "backbone.layers.2"


def pixels(seed: int, count: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(count, 3, 8, 12, generator=generator) * 255
    return torch.nn.functional.interpolate(rough, size=(64, 96), mode="bilinear")


def difference(one: PoseNet, other: PoseNet, images: Tensor) -> float:
    with torch.no_grad():
        pairs = list(zip(one(images), other(images), strict=True))
    return float(sum((a - b).square().sum() for a, b in pairs) / sum(a.square().sum() for a, _ in pairs)) ** 0.5


def test_a_channel_that_another_one_repeats_is_not_missed() -> None:
    """Channel 1 is twice channel 0 after the ReLU: whatever read it can read the other."""
    torch.manual_seed(0)
    network = PoseNet(tiny_spec(2)).eval()
    block = network.get_submodule(GROUP)
    assert isinstance(block, ConvBlock) and block.conv.bias is not None
    with torch.no_grad():
        block.conv.weight[1] = 2 * block.conv.weight[0]
        block.conv.bias[1] = 2 * block.conv.bias[0]
        assert float(network.backbone(seen(network, pixels(0))).abs().max()) > 0
    made = remove_and_reconstruct(network, {GROUP: [1]}, (pixels(0), pixels(1)[:, :, :48]))
    assert difference(network, made, pixels(2)) < 0.02
    assert difference(network, remove_channels(network, {GROUP: [1]}), pixels(2)) > 0.05


@pytest.mark.parametrize("seed", range(4))
def test_it_comes_closer_than_removing_alone(seed: int) -> None:
    """On pictures that it was not fitted on, with channels gone in backbone and stages."""
    torch.manual_seed(seed)
    network = PoseNet(tiny_spec(2)).eval()
    removed = {GROUP: [0, 3], "stages.0.paf.0": [2, 5], "stages.1.heatmap.0": [1]}
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    made, plain = remove_and_reconstruct(network, removed, (pixels(seed, 8),)), remove_channels(network, removed)
    assert made.spec == plain.spec
    assert difference(network, made, pixels(seed + 50)) < difference(network, plain, pixels(seed + 50))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_nothing_removed_changes_next_to_nothing() -> None:
    torch.manual_seed(0)
    network = PoseNet(tiny_spec(2)).eval()
    assert difference(network, remove_and_reconstruct(network, {}, (pixels(0),)), pixels(1)) < 1e-4
