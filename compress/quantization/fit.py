"""Calibration: one pass through the network in which each layer is fitted to what the layers before it really give.

Two tensors go along: what the float network computes, and what the int8 one computes up to here. A layer's weights are
refitted so that from the second they give the first, rounded onto their grids, and the next layer sees the result. So
every layer makes up for what was spoiled before it, as far as a linear map of its inputs can.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.quantization.fake import activated, convolved, padded, round_biases, rounded, seen
from compress.quantization.least_squares import compensated, moments, nearest, refitted
from compress.quantization.record import Grid, Int8
from compress.quantization.walk import IMAGE, inputs, walk
from teachers.posenet import ConvBlock, PoseNet

LARGEST_SYSTEM = 2600
"""Columns up to which a layer is refitted; beyond it, time and memory of the inverse grow out of proportion."""
_MOST_PLACES = 60_000
"""Of the outputs that a layer is fitted on; with more of them every n-th is taken."""
_NARROWEST = 1e-9


@dataclass(frozen=True)
class Fitted:
    """An int8 network: its weights are on the grids of `quantization`."""

    network: PoseNet
    quantization: Int8


class Both(NamedTuple):
    """One tensor of each network: batches (N, C, H, W), one for each input size."""

    exact: tuple[Tensor, ...]
    found: tuple[Tensor, ...]


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
        numbers.grids[IMAGE] = Grid(scale=convention.scale, zero=zero)
    walk(network, numbers, numbers.on_grid(IMAGE, Both(images, images)))
    made = PoseNet(network.spec)
    made.load_state_dict(network.state_dict() | numbers.tensors)
    quantization = Int8(grids=numbers.grids, weights=numbers.steps)
    round_biases(made, quantization)
    return Fitted(made.eval(), quantization)


@dataclass
class Fitting:
    """Arithmetic on `Both` that finds grids and weights as it goes."""

    read: Mapping[str, str]
    """Convolution -> the tensor that it reads."""
    int8: frozenset[str]
    refit: bool
    alone: bool = False
    """Every layer sees what the float network gives: what is found then holds for each layer alone."""
    grids: dict[str, Grid] = field(default_factory=dict)
    steps: dict[str, tuple[float, ...]] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def on_a_grid(self, name: str) -> bool:
        """Whether an int8 convolution reads or makes this tensor."""
        return name in self.int8 or any(self.read[one] == name for one in self.int8)

    def on_grid(self, name: str, x: Both) -> Both:
        """With the second tensor on a grid from its least to its largest value, if one is wanted."""
        if not self.on_a_grid(name):
            return x
        grid = self.grids.setdefault(name, grid_between(*bounds(x.found)))
        return Both(x.exact, x.exact if self.alone else tuple(rounded(one, grid) for one in x.found))

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: Both, last: bool) -> Both:
        """See `Arithmetic`."""
        exact, found = (tuple(padded(block, one, last) for one in part) for part in x)
        wanted = tuple(convolved(conv, one) for one in exact)
        weight, bias = self._fitted(name, conv, found, wanted) if name in self.int8 else (conv.weight, conv.bias)
        given = tuple(convolved(conv, one, weight, bias) for one in found)
        return self.on_grid(name, _each(lambda one: activated(block, one, last), Both(wanted, given)))

    def max_pool(self, x: Both, kernel: int, stride: int, pad: int) -> Both:
        """See `Arithmetic`."""
        return _each(lambda one: F.max_pool2d(one, kernel, stride, pad), x)

    def join(self, name: str, parts: Sequence[Both]) -> Both:
        """See `Arithmetic`."""
        exact, found = (
            tuple(torch.cat(together, dim=1) for together in zip(*part, strict=True))
            for part in zip(*parts, strict=True)
        )
        return self.on_grid(name, Both(exact, found))

    def add(self, name: str, x: Both, y: Both) -> Both:
        """See `Arithmetic`."""
        exact, found = (tuple(a + b for a, b in zip(*part, strict=True)) for part in zip(x, y, strict=True))
        return self.on_grid(name, Both(exact, found))

    def _fitted(
        self, name: str, conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        weights, scale = rows(conv), self.grids[self.read[name]].scale
        if self.refit and weights.shape[-1] <= LARGEST_SYSTEM:
            columns, outputs = places(conv, found, wanted)
            seen_here = moments(columns, outputs, conv.bias is not None)
            weights, steps = compensated(refitted(weights, seen_here), seen_here, scale)
        else:
            weights, steps = nearest(weights, scale)
        out_channels = conv.out_channels
        weight = weights[..., :-1].reshape(out_channels, *conv.weight.shape[1:]).float()
        self.tensors[f"{name}.weight"] = weight
        self.steps[name] = tuple(steps.reshape(out_channels).tolist())
        if conv.bias is None:
            return weight, None
        bias = weights[..., -1].reshape(out_channels).float()
        self.tensors[f"{name}.bias"] = bias
        return weight, bias


def bounds(values: Sequence[Tensor]) -> tuple[float, float]:
    """The least and the largest value of all; zero lies between them, for padding is zero."""
    return min(0.0, *(one.min().item() for one in values)), max(0.0, *(one.max().item() for one in values))


def grid_between(low: float, high: float) -> Grid:
    """Whose integers 0 to 255 reach about from `low` to `high`, with zero among its values."""
    scale = max((high - low) / 255, _NARROWEST)
    return Grid(scale=scale, zero=min(255, max(0, round(-low / scale))))


def _each(change: Callable[[Tensor], Tensor], x: Both) -> Both:
    return Both(*(tuple(change(one) for one in part) for part in x))


def rows(conv: nn.Conv2d) -> Tensor:
    """(G, R, C + 1): a depthwise convolution's channels are groups of their own; the bias is the last column."""
    kernel = conv.weight.detach().double()
    bias = torch.zeros(conv.out_channels).double() if conv.bias is None else conv.bias.detach().double()
    return torch.cat((kernel.flatten(1), bias[:, None]), dim=1).reshape(conv.groups, -1, kernel[0].numel() + 1)


def places(conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What the kernel sees (G, C, M) and what the convolution is to give (G, R, M), without its bias's part."""
    total = sum(one.shape[0] * one.shape[2] * one.shape[3] for one in wanted)
    every = -(-total // _MOST_PLACES)
    columns, outputs = [], []
    for x, y in zip(found, wanted, strict=True):
        patches = F.unfold(x, conv.kernel_size, conv.dilation, conv.padding, conv.stride)  # type: ignore[arg-type]
        columns.append(patches.transpose(0, 1).flatten(1)[:, ::every])
        outputs.append(y.transpose(0, 1).flatten(1)[:, ::every])
    groups = conv.groups
    seen_here, given = torch.cat(columns, dim=1), torch.cat(outputs, dim=1)
    return seen_here.reshape(groups, -1, seen_here.shape[1]), given.reshape(groups, -1, given.shape[1])
