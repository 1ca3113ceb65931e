"""By what channels are divided before a network is put on grids, so that one step serves all channels of a tensor.

Nagel et al. (2019), section 4.1, with ranges measured on frames instead of those of the weights: what makes a folded
MobileNet fail in int8 are channels that are a hundred times larger than their neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.reconstruction.cross_layer_equalization import scalable, scale_channels
from compress.reconstruction.layer_ops import activated, convolved, padded, seen
from compress.reconstruction.visitor import walk
from teachers.graph import IMAGE
from teachers.layers import Conv, Layer, SeparableConv
from teachers.posenet import ConvBlock, InstanceNormBlock, PoseNet, Upsample2xBlock
from teachers.spec import PoseNetSpec

_BALANCE = 0.5
"""Of what evens out a tensor's channels, how much: 1 leaves none of them larger, and the weights after them uneven."""
_FEATURES_OVER_MAPS = 2.0
"""How far the equalized features reach; maps, which they are joined with on one grid, reach about 1."""
_SMALLEST = 1e-3
"""Of a tensor's largest channel: a silent channel is no reason for a scale without bounds."""


def without_pointless_layers(spec: PoseNetSpec) -> PoseNetSpec:
    """The spec in which depthwise kernels of one cell, which only scale channels, are part of what follows."""
    stages = tuple(
        stage.model_copy(
            update={part: tuple(map(_plain, getattr(stage, part))) for part in ("trunk", "paf", "heatmap")}
        )
        for stage in spec.stages
    )
    backbone = spec.backbone.model_copy(update={"layers": tuple(map(_plain, spec.backbone.layers))})
    return spec.model_copy(update={"stages": stages, "backbone": backbone})


def _plain(layer: Layer) -> Layer:
    if isinstance(layer, SeparableConv) and layer.kernel == 1 and layer.stride == 1 and layer.pad == (0, 0):
        return Conv(channels=layer.channels, kernel=1, pad=(0, 0), relu=layer.relu)
    return layer


@torch.no_grad()
def folded(network: PoseNet) -> PoseNet:
    """A network that computes the same with the spec of `without_pointless_layers`.

    Three of its kind in a row, rounded each, cost the teacher of this project 2.7 in relative L2 in place of 0.75.
    """
    made = PoseNet(without_pointless_layers(network.spec))
    given, tensors = network.state_dict(), {}
    for name in made.state_dict():
        scaling = f"{name.removesuffix('conv.weight')}depthwise.weight"
        tensor = given[name]
        if name.endswith("conv.weight") and scaling in given and scaling not in made.state_dict():
            tensor = (tensor.double() * given[scaling].double().reshape(1, -1, 1, 1)).float()
        tensors[name] = tensor
    made.load_state_dict(tensors)
    return made.eval()


@torch.no_grad()
def equalize(network: PoseNet, batches: Sequence[Tensor]) -> PoseNet:
    """A network that computes the same, whose tensors have channels of more equal ranges on these frames."""
    ranges = _Ranges({}, {}, set())
    for batch in batches:
        walk(network, ranges, _Named(IMAGE, seen(network, batch)))
    return scale_channels(network, {name: _scale(ranges, name) for name in scalable(network)})


class _Named(NamedTuple):
    """A tensor and what made it."""

    maker: str
    values: Tensor


@dataclass(frozen=True)
class _Ranges:
    """Arithmetic that takes down the reach of every convolution's channels, and which layers read them."""

    largest: dict[str, Tensor]
    readers: dict[str, nn.Conv2d]
    joined: set[str]

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: _Named, last: bool) -> _Named:
        self.readers[x.maker] = conv
        y = activated(block, convolved(conv, padded(block, x.values, last)), last)
        reach = y.abs().amax(dim=(0, 2, 3))
        self.largest[name] = torch.maximum(reach, self.largest.get(name, reach))
        return _Named(name, y)

    def max_pool(self, x: _Named, kernel: int, stride: int, pad: int) -> _Named:
        return _Named(x.maker, F.max_pool2d(x.values, kernel, stride, pad))

    def norm(self, name: str, block: InstanceNormBlock, x: _Named) -> _Named:
        return _Named(name, block(x.values))

    def upsample(self, name: str, block: Upsample2xBlock, x: _Named) -> _Named:
        return _Named(x.maker, block(x.values))

    def join(self, name: str, parts: Sequence[_Named]) -> _Named:
        self.joined.update(part.maker for part in parts)
        return _Named(name, torch.cat([part.values for part in parts], dim=1))

    def add(self, name: str, x: _Named, y: _Named) -> _Named:
        self.joined.update((x.maker, y.maker))
        return _Named(name, x.values + y.values)


def _scale(ranges: _Ranges, name: str) -> Tensor:
    reach = ranges.largest[name].double()
    reach = reach.clamp_min(_SMALLEST * float(reach.max()) + 1e-12)
    if name in ranges.joined or name not in ranges.readers:
        return reach / _FEATURES_OVER_MAPS
    reader = ranges.readers[name]
    if reader.groups > 1:
        return reach  # a depthwise kernel has a step for each channel: what it takes on costs nothing
    weights = reader.weight.detach().double().abs().amax(dim=(0, 2, 3)).clamp_min(1e-9)
    return reach**_BALANCE / weights ** (1 - _BALANCE)
