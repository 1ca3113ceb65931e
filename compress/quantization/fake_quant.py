"""A network that computes in float what its int8 artefact computes in integers: every value lies on the same grids."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.core.qparams import Int8, QuantParams
from compress.quantization.int8_rounding import rounded
from compress.reconstruction.layer_ops import activated, convolved, padded, seen
from compress.reconstruction.visitor import walk
from teachers.graph import IMAGE
from teachers.posenet import ConvBlock, InstanceNormBlock, Maps, PoseNet, Upsample2xBlock


class FakeQuant:
    """Arithmetic on plain tensors (N, C, H, W): whatever has a grid is rounded to it, the rest stays as it is."""

    def __init__(self, grids: Mapping[str, QuantParams], weights: Mapping[str, Tensor] | None = None) -> None:
        """`weights`: of convolutions that compute with others than their own."""
        self.grids, self._weights = grids, weights or {}

    def on_grid(self, name: str, x: Tensor) -> Tensor:
        """The tensor that `name` made, on its grid if it has one."""
        grid = self.grids.get(name)
        return x if grid is None else rounded(x, grid)

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: Tensor, last: bool) -> Tensor:
        """See `Arithmetic`."""
        weight = self._weights.get(name, conv.weight)
        return self.on_grid(name, activated(block, convolved(conv, padded(block, x, last), weight, conv.bias), last))

    def max_pool(self, x: Tensor, kernel: int, stride: int, pad: int) -> Tensor:
        """See `Arithmetic`; a maximum of values on a grid lies on it."""
        return F.max_pool2d(x, kernel, stride, pad)

    def norm(self, name: str, block: InstanceNormBlock, x: Tensor) -> Tensor:
        """See `Arithmetic`; computed in float between two grids."""
        return self.on_grid(name, block(x))

    def upsample(self, name: str, block: Upsample2xBlock, x: Tensor) -> Tensor:
        """See `Arithmetic`; computed in float between two grids."""
        return self.on_grid(name, block(x))

    def join(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        """See `Arithmetic`."""
        return self.on_grid(name, torch.cat(list(parts), dim=1))

    def add(self, name: str, x: Tensor, y: Tensor) -> Tensor:
        """See `Arithmetic`."""
        return self.on_grid(name, x + y)


class FakeQuantized(nn.Module):
    """An int8 network in float, for training, sensitivity and the collapse check; its artefact must give the same."""

    def __init__(self, network: PoseNet, quantization: Int8) -> None:
        """`network`: its weights are multiples of their steps already."""
        super().__init__()
        self.network, self.quantization = network, quantization

    def forward(self, images: Tensor) -> Maps:
        """The last stage's Maps; images as in `PoseNet.all_stages`."""
        numbers = FakeQuant(self.quantization.grids)
        heatmaps, pafs = walk(self.network, numbers, numbers.on_grid(IMAGE, seen(self.network, images)))[-1]
        return Maps(heatmaps, pafs)
