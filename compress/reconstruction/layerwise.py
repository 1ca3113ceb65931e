"""One pass through a network in which each layer is fitted to what the layers before it now really give.

Two tensors go along: what the network computes, and what the changed one computes up to here. A layer's new weights are
those with which the second gives the layer's part of the first, and the next layer sees the result. So every layer
makes up for what was spoiled before it, as far as a linear map of its inputs can (He et al. 2017; Frantar et al. 2022).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.reconstruction.layer_ops import activated, convolved, padded, seen
from compress.reconstruction.visitor import walk
from teachers.posenet import ConvBlock, InstanceNormBlock, PoseNet, Upsample2xBlock

LARGEST_SYSTEM = 2600
"""Columns up to which a layer is refitted; beyond it, time and memory of the inverse grow out of proportion."""
_MOST_PLACES = 60_000
"""Of the outputs that a layer is fitted on; with more of them every n-th is taken."""


class Both(NamedTuple):
    """One tensor of each network: batches (N, C, H, W), one for each input size."""

    exact: tuple[Tensor, ...]
    found: tuple[Tensor, ...]


class Layerwise:
    """Arithmetic on `Both`: `fitted` gives the weights of a layer, `settled` its second tensor."""

    def fitted(
        self, name: str, conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Weight and bias with which the padded inputs `found` give about what is `wanted`."""
        return conv.weight, conv.bias

    def settled(self, name: str, x: Both) -> Both:
        """What goes on from the layer or the place where tensors meet."""
        return x

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: Both, last: bool) -> Both:
        """See `Arithmetic`."""
        exact, found = (tuple(padded(block, one, last) for one in part) for part in x)
        wanted = tuple(convolved(conv, one) for one in exact)
        weight, bias = self.fitted(name, conv, found, wanted)
        given = tuple(convolved(conv, one, weight, bias) for one in found)
        return self.settled(name, _each(lambda one: activated(block, one, last), Both(wanted, given)))

    def max_pool(self, x: Both, kernel: int, stride: int, pad: int) -> Both:
        """See `Arithmetic`."""
        return _each(lambda one: F.max_pool2d(one, kernel, stride, pad), x)

    def norm(self, name: str, block: InstanceNormBlock, x: Both) -> Both:
        """See `Arithmetic`; each network by its own mean and deviation."""
        return self.settled(name, _each(block, x))

    def upsample(self, name: str, block: Upsample2xBlock, x: Both) -> Both:
        """See `Arithmetic`."""
        return self.settled(name, _each(block, x))

    def join(self, name: str, parts: Sequence[Both]) -> Both:
        """See `Arithmetic`."""
        exact, found = (
            tuple(torch.cat(together, dim=1) for together in zip(*part, strict=True))
            for part in zip(*parts, strict=True)
        )
        return self.settled(name, Both(exact, found))

    def add(self, name: str, x: Both, y: Both) -> Both:
        """See `Arithmetic`."""
        exact, found = (tuple(a + b for a, b in zip(*part, strict=True)) for part in zip(x, y, strict=True))
        return self.settled(name, Both(exact, found))


def _each(change: Callable[[Tensor], Tensor], x: Both) -> Both:
    return Both(*(tuple(change(one) for one in part) for part in x))


def rows(conv: nn.Conv2d) -> Tensor:
    """(G, R, C + 1): a depthwise convolution's channels are groups of their own; the bias is the last column."""
    kernel = conv.weight.detach().double()
    bias = torch.zeros(conv.out_channels).double() if conv.bias is None else conv.bias.detach().double()
    return torch.cat((kernel.flatten(1), bias[:, None]), dim=1).reshape(conv.groups, -1, kernel[0].numel() + 1)


def as_parameters(conv: nn.Conv2d, fitted: Tensor) -> tuple[Tensor, Tensor | None]:
    """Weight and bias, None where it has none, from what `rows` gave; in single precision."""
    weight = fitted[..., :-1].reshape(conv.weight.shape).float()
    return weight, None if conv.bias is None else fitted[..., -1].reshape(conv.out_channels).float()


def keep(tensors: dict[str, Tensor], name: str, conv: nn.Conv2d, fitted: Tensor) -> tuple[Tensor, Tensor | None]:
    """As `as_parameters`; both are put among the tensors by their names in the network."""
    weight, bias = as_parameters(conv, fitted)
    tensors[f"{name}.weight"] = weight
    if bias is not None:
        tensors[f"{name}.bias"] = bias
    return weight, bias


def passed(network: PoseNet, arithmetic: Layerwise, batches: Sequence[Tensor]) -> None:
    """Leads both tensors through the network; batches of raw pixels (N, 3, H, W), one for each input size."""
    images = tuple(seen(network, one) for one in batches)
    walk(network, arithmetic, Both(images, images))


def with_tensors(network: PoseNet, tensors: Mapping[str, Tensor]) -> PoseNet:
    """A copy, in evaluation mode, with these in place of its own."""
    made = PoseNet(network.spec)
    made.load_state_dict(network.state_dict() | dict(tensors))
    return made.eval()


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
