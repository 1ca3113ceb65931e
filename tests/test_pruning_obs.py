"""Weights that go, the others making up for them: against brute force, and what training and packing count on."""

import numpy as np
import pytest
import torch
from conftest import LICENCE, tiny_spec
from numpy.typing import NDArray
from test_pruning_channel_reconstruction import difference, pixels
from torch import nn

from compress.core.candidate import Candidate
from compress.pruning.obs import obs_scores, zero_and_reconstruct
from compress.steps.prune_weights import least, without
from teachers.posenet import ConvBlock, PoseNet

POINT = "backbone.layers.3.conv"


def network_of(seed: int) -> PoseNet:
    torch.manual_seed(seed)
    return PoseNet(tiny_spec(2)).eval()


def convolutions(network: PoseNet) -> dict[str, nn.Conv2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}


def noise() -> torch.Tensor:
    """Pictures in which no channel can say what another says."""
    return torch.rand(6, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255


def inputs_of(network: PoseNet, name: str, images: torch.Tensor) -> NDArray[np.float64]:
    """What a 1x1 convolution reads at every place, a constant 1 last: (places, C + 1)."""
    seen: list[torch.Tensor] = []
    hook = network.get_submodule(name).register_forward_hook(lambda module, given, made: seen.append(given[0]))
    with torch.no_grad():
        network(images)
    hook.remove()
    x = seen[0].permute(0, 2, 3, 1).flatten(0, 2).double()
    return np.asarray(torch.cat((x, torch.ones(len(x), 1)), dim=1).numpy())


@pytest.mark.parametrize("held", [False, True])
def test_a_score_is_what_the_best_others_cannot_make_up_for(monkeypatch: pytest.MonkeyPatch, held: bool) -> None:
    """Against numpy's least squares over the inputs that are left, for every weight of a layer."""
    monkeypatch.setattr("compress.reconstruction.least_squares.RIDGE", 1e-9)
    network = network_of(0)
    conv = convolutions(network)[POINT]
    assert conv.kernel_size == (1, 1) and conv.groups == 1
    if held:
        with torch.no_grad():
            conv.weight[:, 1] = 0.0
            conv.weight[0, 2] = 0.0
    scores = obs_scores(network, (noise(),))[POINT][:, :, 0, 0]
    x = inputs_of(network, POINT, noise())
    weight = np.asarray(conv.weight.detach()[:, :, 0, 0].double().numpy())
    bias = 0.0 if conv.bias is None else conv.bias.detach().double().numpy()
    y = x[:, :-1] @ weight.T + bias
    compared = 0
    for row, column in np.argwhere(weight != 0):
        stays = np.append((weight[row] != 0) & (np.arange(weight.shape[1]) != column), True)
        best, *_ = np.linalg.lstsq(x[:, stays], y[:, row], rcond=None)
        lost = np.square(x[:, stays] @ best - y[:, row]).mean() / y[:, row].var(ddof=1)
        assert float(scores[row, column]) == pytest.approx(np.sqrt(lost), rel=0.02, abs=2e-4)
        compared += lost > 1e-6
    assert compared > 10
    assert torch.all(scores[conv.weight[:, :, 0, 0] == 0] == 0)


def test_what_another_input_says_as_well_scores_low_however_large_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress.reconstruction.least_squares.RIDGE", 1e-9)
    network = network_of(0)
    block, reader = (network.get_submodule(name) for name in ("backbone.layers.2", "backbone.layers.3"))
    assert isinstance(block, ConvBlock) and isinstance(reader, ConvBlock)
    assert block.conv.bias is not None and reader.depthwise is not None
    alone = obs_scores(network, (noise(),))[POINT][:, 3, 0, 0]
    with torch.no_grad():
        for conv, factor in ((block.conv, 2.0), (reader.depthwise, 1.0)):
            conv.weight[1] = factor * conv.weight[3]
        block.conv.bias[1] = 2 * block.conv.bias[3]
        reader.conv.weight[:, 3] *= 5
    repeated = obs_scores(network, (noise(),))[POINT][:, 3, 0, 0]
    assert repeated.median() < alone.median() / 10


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_closer_than_zeros_alone_and_keeps_all_of_them(seed: int) -> None:
    """On pictures that it was not fitted on; zeros that were there before stay as well."""
    network = network_of(seed)
    convs = convolutions(network)
    with torch.no_grad():
        convs[POINT].weight[:, 0] = 0.0
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    looked = (pixels(seed, 8), pixels(seed + 10, 4)[:, :, :48])
    scores = {name: score for name, score in obs_scores(network, looked).items() if convs[name].groups == 1}
    gone = least(scores, 0.4, together=True)
    made, plain = zero_and_reconstruct(network, gone, looked), without(network, gone)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert difference(network, made, pixels(seed + 50)) < 0.7 * difference(network, plain, pixels(seed + 50))
    for name, where in gone.items():
        assert torch.all(convolutions(made)[name].weight[where] == 0)
    assert torch.all(convolutions(made)[POINT].weight[:, 0] == 0)
    assert Candidate.of(made, LICENCE).id == Candidate.of(zero_and_reconstruct(network, gone, looked), LICENCE).id


def test_nothing_gone_changes_next_to_nothing() -> None:
    network = network_of(0)
    assert difference(network, zero_and_reconstruct(network, {}, (pixels(0),)), pixels(1)) < 1e-4


def test_a_layer_too_wide_to_be_solved_is_judged_and_cut_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress.pruning.obs.LARGEST_SYSTEM", 4)
    network = network_of(0)
    scores = obs_scores(network, (pixels(0),))
    gone = least({POINT: scores[POINT]}, 0.5, together=False)
    made = zero_and_reconstruct(network, gone, (pixels(0),))
    kept = ~gone[POINT]
    assert torch.equal(convolutions(made)[POINT].weight[kept], convolutions(network)[POINT].weight[kept])
    assert torch.all(convolutions(made)[POINT].weight[gone[POINT]] == 0)
