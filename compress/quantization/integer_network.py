"""An int8 network computed as the runtime computes it: sums of integers, exact, and one multiplication back to 8 bits.

In float the same sums come out a little off, now and then on the other side of a half, and a network of many stages
makes much of such a step: maps of the fake-quantised network and of the artefact may differ as much as each differs
from the float network, though both are right. So an artefact is proved against this. ONNX Runtime 1.32 on x86 gave
these very integers, and those of `saturating` where weights overflow and nothing forbids it (saturation.py).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.core.qparams import Int8, Quantization, QuantParams
from compress.export.exporters.base import Int8Maps
from compress.quantization.fake_quant import FakeQuantized
from compress.quantization.saturation import saturated_sums
from compress.reconstruction.layer_ops import activated, convolved, padded, seen
from compress.reconstruction.visitor import walk
from teachers.graph import IMAGE
from teachers.posenet import ConvBlock, InstanceNormBlock, Maps, PoseNet, Upsample2xBlock


class Number(NamedTuple):
    """A tensor: integers minus their zero if it has a grid, else plain values."""

    values: Tensor
    grid: QuantParams | None

    def plain(self) -> Tensor:
        """The values in float32."""
        return self.values.float() if self.grid is None else self.values.float() * self.grid.scale


class IntegerNetwork(nn.Module):
    """Slower than `FakeQuantized`, which is the same network but for the sums."""

    def __init__(self, network: PoseNet, quantization: Int8, saturating: bool = False) -> None:
        """saturating: as x86 CPUs without VNNI add, were they let."""
        super().__init__()
        self.network, self.quantization, self._saturating = network, quantization, saturating

    def forward(self, images: Tensor) -> Maps:
        """The last stage's Maps; images as in `PoseNet.all_stages`."""
        numbers = _Integers(self.quantization, self._saturating)
        image = numbers.on_grid(IMAGE, seen(self.network, images))
        heatmaps, pafs = walk(self.network, numbers, image)[-1]
        return Maps(heatmaps.plain(), pafs.plain())


def computing(network: PoseNet, quantization: Quantization | None) -> nn.Module:
    """What gives a candidate's maps in torch: its network, on its grids if it has any."""
    return IntegerNetwork(network, quantization).eval() if isinstance(quantization, Int8) else network


def int8_maps(network: PoseNet, quantization: Quantization | None) -> Int8Maps | None:
    """What an int8 artefact is compared with; None for a network in another precision."""
    if not isinstance(quantization, Int8):
        return None
    return Int8Maps(IntegerNetwork(network, quantization).eval(), FakeQuantized(network, quantization).eval())


class _Integers:
    """Arithmetic as `Number`s have it."""

    def __init__(self, quantization: Int8, saturating: bool) -> None:
        self._quantization, self._saturating = quantization, saturating

    def on_grid(self, name: str, x: Tensor) -> Number:
        grid = self._quantization.grids.get(name)
        return Number(x, None) if grid is None else _cut(x.float() / grid.scale, grid)

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: Number, last: bool) -> Number:
        steps, grid = self._quantization.weights.get(name), self._quantization.grids.get(name)
        if steps is None or x.grid is None or grid is None:
            return self.on_grid(name, activated(block, convolved(conv, padded(block, x.plain(), last)), last))
        step = torch.tensor(steps)
        weight = torch.round(conv.weight / step[:, None, None, None])
        bias = None if conv.bias is None else torch.round(conv.bias / (step * x.grid.scale)).double()
        read = padded(block, x.values.double(), last)
        sums = convolved(conv, read, weight.double(), bias)
        if self._saturating:
            sums = saturated_sums(conv, weight.double(), read, x.grid.zero, sums)
        factor = step * torch.tensor(x.grid.scale) / torch.tensor(grid.scale)
        found = sums.float() * factor[:, None, None]
        if last and block.relu:
            relu_max = float("inf") if block.relu_max is None else block.relu_max / grid.scale
            found = found.clamp(0.0, relu_max)
        return _cut(found, grid)

    def max_pool(self, x: Number, kernel: int, stride: int, pad: int) -> Number:
        return Number(F.max_pool2d(x.values, kernel, stride, pad), x.grid)

    def norm(self, name: str, block: InstanceNormBlock, x: Number) -> Number:
        return self.on_grid(name, block(x.plain()))

    def upsample(self, name: str, block: Upsample2xBlock, x: Number) -> Number:
        return self.on_grid(name, block(x.plain()))

    def join(self, name: str, parts: Sequence[Number]) -> Number:
        return self.on_grid(name, torch.cat([part.plain() for part in parts], dim=1))

    def add(self, name: str, x: Number, y: Number) -> Number:
        return self.on_grid(name, x.plain() + y.plain())


def _cut(x: Tensor, grid: QuantParams) -> Number:
    return Number(torch.clamp(torch.round(x), -grid.zero, 255 - grid.zero), grid)
