"""Which of the parent's channels each channel of a new network stands for."""

import torch
from torch import Tensor, nn

from teachers.posenet import ConcatBlock, ConvBlock, ResidualBlock

ChannelMap = Tensor
"""(channels,) whole numbers: the parent's channel that each of the new ones stands for, or -1 for none."""


def identity(channels: int) -> ChannelMap:
    """Each stands for the parent's channel of the same place."""
    return torch.arange(channels)


def nothing(channels: int) -> ChannelMap:
    """None of them stands for any of the parent's."""
    return torch.full((channels,), -1)


def some(choice: ChannelMap) -> bool:
    """Whether any channel stands for one of the parent's."""
    return bool((choice >= 0).any())


def shifted(choice: ChannelMap, by: int) -> ChannelMap:
    """The same channels where `by` others come before them."""
    return torch.where(choice >= 0, choice + by, choice)


def choose(strength: Tensor, channels: int) -> ChannelMap:
    """The strongest of the parent's channels, in the parent's order; all of them and some for nothing if it has less.

    strength: (parent's channels,). Of equally strong channels the first is taken.
    """
    if channels >= len(strength):
        return torch.cat([identity(len(strength)), nothing(channels - len(strength))])
    strongest = torch.sort(strength, descending=True, stable=True).indices[:channels]
    return strongest.sort().values


def importance(chain: nn.ModuleList) -> Tensor:
    """How strong each channel is that a chain gives: the mean absolute weight of its filter, (channels,).

    That is Li et al.'s L1 norm over the filter's size, so that filters of different layers can be compared.
    ValueError if the chain has no convolution.
    """
    for module in reversed(chain):
        if isinstance(module, ConvBlock):
            return module.conv.weight.detach().cpu().abs().mean(dim=(1, 2, 3))
        if isinstance(module, ResidualBlock):
            return importance(module.body)
        if isinstance(module, ConcatBlock):
            return torch.cat([importance(branch) for branch in chains(module)])
    raise ValueError("a chain without convolutions has no filters to compare")


def chains(block: ConcatBlock) -> list[nn.ModuleList]:
    """The branches of a concatenation."""
    return [branch for branch in block.branches if isinstance(branch, nn.ModuleList)]
