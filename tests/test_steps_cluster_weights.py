"""cluster_weights: codebooks of pruned and of whole networks, and k-means against an independent one."""

from typing import Any

import numpy as np
import pytest
import torch
from conftest import LICENCE
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError
from scipy.cluster.vq import kmeans
from torch import nn

from compress.clustering.kmeans import STARTS, KMeans, SharedWeights, cluster
from compress.core.candidate import Candidate
from compress.steps.cluster_weights import ClusterWeights
from compress.steps.context import StepContext
from compress.steps.prune_weights import PruneWeights
from teachers.posenet import PoseNet

CONTEXT = StepContext(seed=0)
WEIGHTS = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32))


def _shared(network: PoseNet, sparsity: float = 0.0, **settings: Any) -> PoseNet:
    candidate = Candidate.of(network, LICENCE)
    if sparsity:
        candidate = PruneWeights(sparsity=sparsity).apply(candidate, CONTEXT)
    return ClusterWeights(**settings).apply(candidate, CONTEXT).network


def _layers(network: nn.Module, depthwise: bool) -> dict[str, torch.Tensor]:
    return {
        name: module.weight.detach()
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and (module.groups > 1) == depthwise
    }


@pytest.mark.parametrize("bits", [2, 3, 5])
@pytest.mark.parametrize("sparsity", [0.0, 0.4])
def test_each_layer_has_two_to_the_bits_values_at_most_zero_included(tiny: PoseNet, bits: int, sparsity: float) -> None:
    layers = _layers(_shared(tiny, sparsity, bits=bits), depthwise=False)
    assert len(layers) > 5
    for name, weight in layers.items():
        assert 1 < len(weight.unique()) <= 2**bits, name
        zeros = int((weight == 0).sum())
        assert zeros == int(sparsity * weight.numel()), name


def test_depthwise_layers_stay_float_unless_asked_for(tiny: PoseNet) -> None:
    before = _layers(tiny, depthwise=True)
    float_still = _layers(_shared(tiny, 0.5, bits=2), depthwise=True)
    four = _layers(_shared(tiny, 0.5, bits=2, depthwise_bits=2), depthwise=True)
    assert before.keys() == float_still.keys() == four.keys()
    assert before
    for name, weight in before.items():
        assert torch.equal(float_still[name], weight.half().float())
        assert len(four[name].unique()) <= 4 < len(weight.unique())
        assert int((four[name] == 0).sum()) == 0, "depthwise weights are not pruned"


def test_with_32_bits_what_is_not_shared_is_untouched(tiny: PoseNet) -> None:
    exact, half = _shared(tiny, float_bits=32), _shared(tiny, float_bits=16)
    biases = [name for name in tiny.state_dict() if name.endswith("bias")]
    assert biases
    for name in biases:
        assert torch.equal(exact.state_dict()[name], tiny.state_dict()[name])
        assert torch.equal(half.state_dict()[name], tiny.state_dict()[name].half().float())


def test_a_value_too_large_for_fp16_keeps_its_tensor_float(tiny: PoseNet) -> None:
    with torch.no_grad():
        tiny.backbone.layers[0].conv.bias[0] = 1e6  # type: ignore[union-attr, index]
    made = _shared(tiny)
    assert torch.equal(made.backbone.layers[0].conv.bias, tiny.backbone.layers[0].conv.bias)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("start", STARTS)
def test_k_means_agrees_with_scipys(start: Any) -> None:
    weight = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    first = cluster(weight, KMeans(8, 0, start)).codebook
    ours = cluster(weight, KMeans(8, 10_000, start)).codebook
    theirs, _ = kmeans(weight.astype(np.float64), first.astype(np.float64), thresh=1e-12)
    np.testing.assert_allclose(ours, np.sort(theirs), atol=1e-3)


@settings(max_examples=60, deadline=None)
@given(weight=WEIGHTS, count=st.integers(1, 9), iterations=st.integers(0, 20), start=st.sampled_from(list(STARTS)))
def test_every_weight_gets_the_nearest_centroid_and_zeros_stay(
    weight: np.ndarray, count: int, iterations: int, start: Any
) -> None:
    shared = cluster(weight, KMeans(count, iterations, start))
    found = shared.weights()
    assert np.all(found[weight == 0] == 0)
    assert np.array_equal(shared.assignments == 0, weight == 0)
    assert len(shared.codebook) in (0, count)
    alive = weight != 0
    if alive.any():
        best = np.abs(weight[alive, None].astype(np.float64) - shared.codebook[None]).min(axis=1)
        np.testing.assert_allclose(np.abs(weight[alive] - found[alive].astype(np.float64)), best, atol=1e-4)


@given(weight=WEIGHTS)
def test_the_codebook_of_a_shared_weight_is_found_again(weight: np.ndarray) -> None:
    assert np.array_equal(SharedWeights.of(weight).weights(), weight)


@pytest.mark.parametrize(
    "wrong",
    [{"bits": 1}, {"bits": 9}, {"depthwise_bits": 0}, {"prune": 0.3}, {"centroid_init": "linear"}, {"float_bits": 8}],
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ClusterWeights(**wrong)
