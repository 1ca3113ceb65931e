"""An int8 network in the operators that PyTorch's exporters know: quantise, dequantise, and float ones between them.

ExecuTorch and coremltools read such pairs as int8 kernels. The numbers are those of the candidate, not found again:
each tensor is rounded where `graph_writer` rounds it. Tensors are int8 here, by 128 lower than the grids' uint8, which
is what XNNPACK has kernels for; the values are the same.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.core.qparams import Int8, QuantParams
from compress.export.exporters.base import ExportRequest, TwoOutputs
from compress.reconstruction.layer_ops import activated, convolved, padded, seen
from compress.reconstruction.visitor import walk
from teachers.graph import IMAGE
from teachers.posenet import ConvBlock, InstanceNormBlock, PoseNet, Upsample2xBlock

_SHIFT = 128
_LOWEST, _HIGHEST = -128, 127


def traceable(network: PoseNet, request: ExportRequest) -> nn.Module:
    """What a converter by way of torch.export takes: the network, with its int8 numbers if it has any."""
    if isinstance(request.quantization, Int8):
        return QdqNetwork(network, request.quantization).eval()
    return TwoOutputs(network).eval()


class QdqNetwork(nn.Module):
    """To be traced, not to be computed with: `IntegerNetwork` is what it has to give."""

    def __init__(self, network: PoseNet, quantization: Int8) -> None:
        super().__init__()
        from torch.ao.quantization.fx import _decomposed  # noqa: F401, PLC0415  (registers the operators)

        self.network, self._grids = network, quantization.grids
        for name, steps in quantization.weights.items():
            weight = network.get_submodule(name).get_parameter("weight").detach()
            step = torch.tensor(steps)
            self.register_buffer(_key(name), torch.round(weight / step[:, None, None, None]).to(torch.int8))
            self.register_buffer(f"{_key(name)}_step", step)
            self.register_buffer(f"{_key(name)}_zero", torch.zeros(len(steps), dtype=torch.int64))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(1, 3, H, W) raw pixels -> heatmaps (1, K+1, h, w) and PAFs (1, 2L, h, w)."""
        numbers = _Operators(self, self._grids)
        pixels = numbers.on_grid(IMAGE, seen(self.network, image))
        heatmaps, pafs = walk(self.network, numbers, pixels)[-1]
        return heatmaps.plain(), pafs.plain()

    def weight(self, name: str, conv: nn.Conv2d) -> Tensor:
        """Of a convolution, (O, C, kh, kw)."""
        key = _key(name)
        if not hasattr(self, key):
            return conv.weight
        on = (self.get_buffer(f"{key}_step"), self.get_buffer(f"{key}_zero"), 0, -_HIGHEST, _HIGHEST, torch.int8)
        found: Tensor = torch.ops.quantized_decomposed.dequantize_per_channel(self.get_buffer(key), *on)
        return found


class _Number(NamedTuple):
    """A tensor: int8 if it has a grid, else plain values."""

    values: Tensor
    grid: QuantParams | None

    def plain(self) -> Tensor:
        """In float32, by an operator for this reader alone: ExecuTorch cannot cut a graph where readers share one."""
        if self.grid is None:
            return self.values
        found: Tensor = torch.ops.quantized_decomposed.dequantize_per_tensor(self.values, *_on(self.grid))
        return found


class _Operators:
    """Arithmetic on `_Number`s."""

    def __init__(self, owner: QdqNetwork, grids: Mapping[str, QuantParams]) -> None:
        self._owner, self._grids = owner, grids

    def on_grid(self, name: str, x: Tensor) -> _Number:
        """The tensor that `name` made, on its grid if it has one."""
        return _rounded(x, self._grids.get(name))

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: _Number, last: bool) -> _Number:
        """See `Arithmetic`."""
        plain = x.plain()
        read = padded(block, plain, last)
        if read is not plain:  # zero is on every grid; without the pair, the convolution would run in float
            read = _rounded(read, x.grid).plain()
        weight = self._owner.weight(name, conv)
        return self.on_grid(name, activated(block, convolved(conv, read, weight, conv.bias), last))

    def max_pool(self, x: _Number, kernel: int, stride: int, pad: int) -> _Number:
        """See `Arithmetic`. On its input's grid, as in `graph_writer`."""
        return _rounded(F.max_pool2d(x.plain(), kernel, stride, pad), x.grid)

    def norm(self, name: str, block: InstanceNormBlock, x: _Number) -> _Number:
        """See `Arithmetic`."""
        return self.on_grid(name, block(x.plain()))

    def upsample(self, name: str, block: Upsample2xBlock, x: _Number) -> _Number:
        """See `Arithmetic`."""
        return self.on_grid(name, block(x.plain()))

    def join(self, name: str, parts: Sequence[_Number]) -> _Number:
        """See `Arithmetic`. Each part goes onto the joint grid first: XNNPACK joins only what lies on one."""
        grid = self._grids.get(name)
        same = [_rounded(part.plain(), grid).plain() for part in parts]
        return self.on_grid(name, torch.cat(same, dim=1))

    def add(self, name: str, x: _Number, y: _Number) -> _Number:
        """See `Arithmetic`."""
        return self.on_grid(name, x.plain() + y.plain())


def _rounded(x: Tensor, grid: QuantParams | None) -> _Number:
    if grid is None:
        return _Number(x, None)
    return _Number(torch.ops.quantized_decomposed.quantize_per_tensor(x, *_on(grid)), grid)


def _on(grid: QuantParams) -> tuple[float, int, int, int, torch.dtype]:
    return grid.scale, grid.zero - _SHIFT, _LOWEST, _HIGHEST, torch.int8


def _key(name: str) -> str:
    return f"int8_{name.replace('.', '_')}"
