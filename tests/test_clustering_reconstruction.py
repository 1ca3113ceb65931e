"""Values that weights share, chosen for what layers give: closer than nearest values, and no longer in the file."""

import numpy as np
import pytest
import torch
from conftest import LICENCE
from test_pruning_channel_reconstruction import difference, pixels
from test_pruning_obs import convolutions, network_of
from torch import Tensor, nn
from training_targets import tiny_targets

from compress.clustering.kmeans import KMeans, SharedWeights, cluster
from compress.clustering.reconstruction import cluster_and_reconstruct
from compress.core.candidate import Candidate
from compress.packing.pack_file import pack
from compress.steps.cluster_weights import ClusterWeights
from compress.steps.context import StepContext
from compress.steps.prune_weights import PruneWeights
from teachers.posenet import PoseNet


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> StepContext:
    return StepContext(0, tiny_targets(tmp_path_factory.mktemp("targets"), flip=False))


def few(conv: nn.Conv2d, weight: Tensor) -> Tensor:
    """Eight values of the weights that are not zero."""
    return torch.from_numpy(np.unique(cluster(weight.numpy(), KMeans(8, 100)).codebook))


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_closer_than_the_nearest_values_and_keeps_zeros(seed: int) -> None:
    """On pictures that it was not fitted on."""
    network = network_of(seed)
    with torch.no_grad():
        for conv in convolutions(network).values():
            if conv.groups == 1:
                conv.weight[conv.weight.abs() < conv.weight.abs().median() / 2] = 0.0
    nearest = PoseNet(network.spec).eval()
    nearest.load_state_dict(network.state_dict())
    with torch.no_grad():
        for conv in convolutions(nearest).values():
            conv.weight.copy_(torch.from_numpy(cluster(conv.weight.numpy(), KMeans(8, 100)).weights()))
    made = cluster_and_reconstruct(network, few, (pixels(seed, 8), pixels(seed + 10, 4)[:, :, :48]))
    assert difference(network, made, pixels(seed + 50)) < 0.7 * difference(network, nearest, pixels(seed + 50))
    given = convolutions(network)
    for name, conv in convolutions(made).items():
        assert 1 < len(SharedWeights.of(conv.weight.detach().numpy()).codebook) <= 8
        assert torch.all(conv.weight[given[name].weight == 0] == 0)


def test_with_values_enough_nothing_changes_to_speak_of() -> None:
    network = network_of(0)

    def many(conv: nn.Conv2d, weight: Tensor) -> Tensor | None:
        return None if conv.groups > 1 else torch.linspace(float(weight.min()), float(weight.max()), 20_000)

    assert difference(network, cluster_and_reconstruct(network, many, (pixels(0),)), pixels(1)) < 1e-3


def test_a_layer_too_wide_to_be_solved_takes_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress.clustering.reconstruction.LARGEST_SYSTEM", 1)
    network = network_of(0)
    made = cluster_and_reconstruct(network, few, (pixels(0),))
    for name, conv in convolutions(network).items():
        wanted = cluster(conv.weight.detach().numpy(), KMeans(8, 100)).weights()
        np.testing.assert_allclose(convolutions(made)[name].weight.detach().numpy(), wanted, rtol=1e-5)


def test_the_step_shares_as_few_values_and_is_the_same_every_time(context: StepContext) -> None:
    start = PruneWeights(sparsity=0.3).apply(Candidate.of(network_of(0), LICENCE), context)
    step = ClusterWeights(bits=3, depthwise_bits=4, reconstruct=True, calibration_frames=4)
    made = step.apply(start, context)
    assert made.id == step.apply(start, context).id != start.id
    assert step.learns and not ClusterWeights(bits=3).learns
    for name, conv in convolutions(made.network).items():
        weight = conv.weight.detach().numpy()
        assert len(np.unique(weight)) <= (16 if conv.groups > 1 else 8), name
        assert conv.groups > 1 or np.mean(weight == 0) >= 0.29
    plain = ClusterWeights(bits=3, depthwise_bits=4).apply(start, context)
    sizes = [len(pack(one.network, LICENCE).data) for one in (made, plain)]
    assert sizes[0] < 1.1 * sizes[1]


def test_small_layers_may_have_more_values(context: StepContext) -> None:
    start = Candidate.of(network_of(0), LICENCE)
    for refit in (False, True):
        step = ClusterWeights(bits=2, small_layer_bits=4, reconstruct=refit, calibration_frames=4)
        most = [
            len(np.unique(conv.weight.detach().numpy()))
            for conv in convolutions(step.apply(start, context).network).values()
            if conv.groups == 1
        ]
        assert max(most) == 16


def test_only_layers_below_the_limit_are_small(monkeypatch: pytest.MonkeyPatch, context: StepContext) -> None:
    network = network_of(0)
    sizes = {name: conv.weight.numel() for name, conv in convolutions(network).items() if conv.groups == 1}
    middle = sorted(sizes.values())[len(sizes) // 2]
    monkeypatch.setattr("compress.steps.cluster_weights._SMALL", middle)
    made = ClusterWeights(bits=2, small_layer_bits=4).apply(Candidate.of(network, LICENCE), context).network
    for name, size in sizes.items():
        values = len(np.unique(convolutions(made)[name].weight.detach().numpy()))
        assert (4 < values <= 16) if size < middle else values <= 4, name
