"""Weights in units of the signals they join, so that one learning rate fits every one of them.

Adam moves each weight by about the learning rate, whatever its size. In a trained network whose batch norms are folded
away, channels differ in size by factors of a hundred and more, and so do weights: a rate that is right for one destroys
another. Here a weight between channels of size a (in) and b (out) is learnt as a multiple of b / (a sqrt(fan in)), a
bias as a multiple of b. The network computes the same; its optimiser sees numbers of one size. Unlike batch norm this
adds no noise of the batch, to which stages that feed on each other's maps are sensitive.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SMALLEST = 1e-2
"""Of the mean size of the tensor's channels: a channel that is silent for now must be able to come back."""


class BalancedConv(nn.Module):
    """A convolution whose weight and bias are learnt as multiples of `unit` and `bias_unit`."""

    unit: Tensor
    bias_unit: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach().clone())
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach().clone())
        self.register_buffer("unit", torch.ones_like(conv.weight))
        self.register_buffer("bias_unit", torch.ones(conv.out_channels))
        self.how: dict[str, Any] = {
            "stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation, "groups": conv.groups
        }  # fmt: skip
        self.calibrating = False

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what the plain convolution computes."""
        bias = None if self.bias is None else self.bias * self.bias_unit
        made = F.conv2d(x, self.weight * self.unit, bias, **self.how)
        if self.calibrating:
            self._calibrate(x, made)
        return made

    @torch.no_grad()
    def _calibrate(self, x: Tensor, made: Tensor) -> None:
        seen, given = _sizes(x), _sizes(made)
        grouped = self.how["groups"] > 1
        joined = given[:, None] / (seen[:, None] if grouped else seen[None, :])
        unit = (joined / math.sqrt(self.weight[0].numel()))[:, :, None, None].expand_as(self.weight)
        self.weight.copy_(self.weight * self.unit / unit)
        self.unit.copy_(unit)
        if self.bias is not None:
            self.bias.copy_(self.bias * self.bias_unit / given)
        self.bias_unit.copy_(given)

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """The convolution that computes the same."""
        out_channels, per_group, kernel, _ = self.weight.shape
        conv = nn.Conv2d(
            per_group * self.how["groups"], out_channels, kernel, bias=self.bias is not None, **self.how
        )  # fmt: skip
        conv.weight.copy_(self.weight * self.unit)
        if self.bias is not None and conv.bias is not None:
            conv.bias.copy_(self.bias * self.bias_unit)
        return conv


def balance(network: nn.Module) -> None:
    """Puts a `BalancedConv` in the place of every convolution."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, BalancedConv(child))


def unbalance(network: nn.Module) -> None:
    """The reverse of `balance`."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BalancedConv):
                setattr(parent, name, child.plain())


def _sizes(x: Tensor) -> Tensor:
    """(C,) root mean squares of the channels of (N, C, H, W), none next to nothing."""
    sizes = x.float().square().mean(dim=(0, 2, 3)).sqrt()
    return sizes.clamp_min(max(_SMALLEST * float(sizes.mean()), 1e-12))
