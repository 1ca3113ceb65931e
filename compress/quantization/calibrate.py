"""Calibration: each layer is refitted to what those before it give in int8, and rounded onto its grids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from compress.core.qparams import Int8, QuantParams
from compress.quantization.int8_rounding import gptq, nearest, round_biases, rounded
from compress.reconstruction.layer_ops import seen
from compress.reconstruction.layerwise import LARGEST_SYSTEM, Both, Layerwise, keep, places, rows, with_tensors
from compress.reconstruction.least_squares import moments, refitted
from compress.reconstruction.visitor import inputs, walk
from teachers.graph import IMAGE
from teachers.posenet import PoseNet

_NARROWEST = 1e-9


@dataclass(frozen=True)
class Fitted:
    """An int8 network: its weights are on the grids of `quantization`."""

    network: PoseNet
    quantization: Int8

    @property
    def int8(self) -> frozenset[str]:
        """The convolutions that are."""
        return frozenset(self.quantization.weights)


@torch.no_grad()
def fit(network: PoseNet, batches: Sequence[Tensor], int8: frozenset[str], refit: bool = True) -> Fitted:
    """Puts the named convolutions on int8; `batches` of raw pixels (N, 3, H, W), one for each input size.

    refit: fits weights to their inputs; False rounds each to its nearest multiple, which is worse, and the baseline.
    """
    numbers = Fitting(inputs(network), int8, refit)
    images = tuple(seen(network, one) for one in batches)
    convention = network.spec.input
    zero = round(-convention.offset / convention.scale)
    if numbers.on_a_grid(IMAGE) and 0 <= zero <= 255:
        # Pixels are integers already: on this grid they stay what they are.
        numbers.grids[IMAGE] = QuantParams(scale=convention.scale, zero=zero)
    walk(network, numbers, numbers.settled(IMAGE, Both(images, images)))
    made = with_tensors(network, numbers.tensors)
    quantization = Int8(grids=numbers.grids, weights=numbers.steps)
    round_biases(made, quantization)
    return Fitted(made, quantization)


@dataclass
class Fitting(Layerwise):
    """Arithmetic on `Both` that finds grids and weights as it goes."""

    read: Mapping[str, str]
    """Convolution -> the tensor that it reads."""
    int8: frozenset[str]
    refit: bool
    alone: bool = False
    """Every layer sees what the float network gives: what is found then holds for each layer alone."""
    grids: dict[str, QuantParams] = field(default_factory=dict)
    steps: dict[str, tuple[float, ...]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def on_a_grid(self, name: str) -> bool:
        """Whether an int8 convolution reads or makes this tensor."""
        return name in self.int8 or any(self.read[one] == name for one in self.int8)

    def settled(self, name: str, x: Both) -> Both:
        """With the second tensor on a grid from its least to its largest value, if one is wanted."""
        if not self.on_a_grid(name):
            return x
        grid = self.grids.setdefault(name, grid_between(*bounds(x.found)))
        return Both(x.exact, x.exact if self.alone else tuple(rounded(one, grid) for one in x.found))

    def fitted(
        self, name: str, conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """See `Layerwise`."""
        if name not in self.int8:
            return conv.weight, conv.bias
        weights, scale = rows(conv), self.grids[self.read[name]].scale
        if self.refit and weights.shape[-1] <= LARGEST_SYSTEM:
            columns, outputs = places(conv, found, wanted)
            seen_here = moments(columns, outputs, conv.bias is not None)
            weights, steps = gptq(refitted(weights, seen_here), seen_here, scale)
        else:
            weights, steps = nearest(weights, scale)
        self.steps[name] = tuple(steps.reshape(conv.out_channels).tolist())
        return keep(self.tensors, name, conv, weights)


def bounds(values: Sequence[Tensor]) -> tuple[float, float]:
    """The least and the largest value of all; zero lies between them, for padding is zero."""
    return min(0.0, *(one.min().item() for one in values)), max(0.0, *(one.max().item() for one in values))


def grid_between(low: float, high: float) -> QuantParams:
    """Whose integers 0 to 255 reach about from `low` to `high`, with zero among its values."""
    scale = max((high - low) / 255, _NARROWEST)
    return QuantParams(scale=scale, zero=min(255, max(0, round(-low / scale))))
