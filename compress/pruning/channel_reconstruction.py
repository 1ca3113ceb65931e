"""Channels that stay make up for removed ones: every layer refitted by least squares (He et al. 2017).

Two tensors go along: what the whole network computes, and what the narrower one computes up to here. Each layer's
weights become those nearest to its own with which the second gives the layer's part of the first, so every layer makes
up for what was lost before it, as far as a linear map of what is left can. Without it, channels whose weights nearly
cancel no longer do, and one in ten removed makes maps many times as large.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.pruning.channel_graph import read_layout
from compress.pruning.dependency_graph import Removed, remove_channels
from compress.reconstruction.layer_ops import activated, convolved, padded, seen
from compress.reconstruction.layerwise import LARGEST_SYSTEM, keep, places, rows, with_tensors
from compress.reconstruction.least_squares import moments, refitted
from compress.reconstruction.visitor import walk
from teachers.posenet import ConvBlock, InstanceNormBlock, PoseNet, Upsample2xBlock


class Cut(NamedTuple):
    """One tensor of both networks: batches (N, C, H, W), one for each input size."""

    exact: tuple[Tensor, ...]
    found: tuple[Tensor, ...]
    """The same shape; zero in channels that go."""
    stays: Tensor
    """(C,): 1 or 0."""


@torch.no_grad()
def remove_and_reconstruct(network: PoseNet, removed: Removed, batches: Sequence[Tensor]) -> PoseNet:
    """As `remove_channels`, with weights refitted on `batches` of raw pixels (N, 3, H, W), one for each input size."""
    layout = read_layout(network.spec, (batches[0].shape[2], batches[0].shape[3]))
    going = {maker: removed.get(group.name, ()) for group in layout.groups for maker in group.makers}
    images = tuple(seen(network, one) for one in batches)
    fitting = _Fitting({f"{maker}.conv": tuple(indices) for maker, indices in going.items()})
    walk(network, fitting, Cut(images, images, torch.ones(images[0].shape[1])))
    return remove_channels(with_tensors(network, fitting.tensors), removed)


@dataclass
class _Fitting:
    """Arithmetic on `Cut` that refits every convolution as it comes to it."""

    going: dict[str, tuple[int, ...]]
    """Convolution -> the output channels that go."""
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: Cut, last: bool) -> Cut:
        """See `Arithmetic`."""
        exact, found = (tuple(padded(block, one, last) for one in part) for part in (x.exact, x.found))
        wanted = tuple(convolved(conv, one) for one in exact)
        weight, bias = self._fitted(name, conv, found, wanted)
        given = tuple(convolved(conv, one, weight, bias) for one in found)
        stays = x.stays if conv.groups > 1 else torch.ones(conv.out_channels)
        if last:
            stays = stays.clone()
            stays[list(self.going.get(name, ()))] = 0.0
        exact, found = (tuple(activated(block, one, last) for one in part) for part in (wanted, given))
        return Cut(exact, tuple(one * stays[:, None, None] for one in found), stays)

    def max_pool(self, x: Cut, kernel: int, stride: int, pad: int) -> Cut:
        """See `Arithmetic`; padding never wins, and zero stays zero."""
        return _each(lambda one: F.max_pool2d(one, kernel, stride, pad), x)

    def norm(self, name: str, block: InstanceNormBlock, x: Cut) -> Cut:
        """See `Arithmetic`; a norm shifts what is zero, so channels that go are taken out again."""
        return _each(lambda one: one * x.stays[:, None, None], _each(block, x), exact=False)

    def upsample(self, name: str, block: Upsample2xBlock, x: Cut) -> Cut:
        """See `Arithmetic`; zero stays zero."""
        return _each(block, x)

    def join(self, name: str, parts: Sequence[Cut]) -> Cut:
        """See `Arithmetic`."""
        exact, found = (
            tuple(torch.cat(together, dim=1) for together in zip(*part, strict=True))
            for part in ([one.exact for one in parts], [one.found for one in parts])
        )
        return Cut(exact, found, torch.cat([one.stays for one in parts]))

    def add(self, name: str, x: Cut, y: Cut) -> Cut:
        """See `Arithmetic`; the same channels go from both."""
        exact, found = (
            tuple(a + b for a, b in zip(*part, strict=True)) for part in ((x.exact, y.exact), (x.found, y.found))
        )
        return Cut(exact, found, x.stays * y.stays)

    def _fitted(
        self, name: str, conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        weights = rows(conv)
        if weights.shape[-1] > LARGEST_SYSTEM:
            return conv.weight, conv.bias
        columns, outputs = places(conv, found, wanted)
        fitted = refitted(weights, moments(columns, outputs, conv.bias is not None))
        return keep(self.tensors, name, conv, fitted)


def _each(change: Callable[[Tensor], Tensor], x: Cut, exact: bool = True) -> Cut:
    """exact: whether the whole network's tensor is changed, too."""
    return Cut(tuple(map(change, x.exact)) if exact else x.exact, tuple(map(change, x.found)), x.stays)
