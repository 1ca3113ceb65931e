"""Copies a parent's weights into a new network, layer by layer, and counts them."""

import torch
from torch import Tensor, nn

from students.channel_map import ChannelMap, chains, choose, identity, importance, nothing, shifted, some
from teachers.posenet import ConcatBlock, ConvBlock, InstanceNormBlock, ResidualBlock

_MAKERS = (ConvBlock, ResidualBlock, ConcatBlock)
"""Modules that choose how many channels they give, or hold some that do."""


class WeightTransfer:
    """The layers that have inherited. What is not inherited stays as it was."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        """By the id of a parameter: how many of its numbers were inherited."""

    def chain(
        self, old: nn.ModuleList, new: nn.ModuleList, seen: ChannelMap, last: ChannelMap | None = None
    ) -> list[ChannelMap]:
        """What the channels after each layer stand for, given what the chain sees; the last ones for `last`."""
        choosing = [place for place, module in enumerate(new) if _chooses(module)]
        found: list[ChannelMap] = []
        for place, module in enumerate(new):
            wanted = last if choosing and place == choosing[-1] else None
            if place < len(old) and _alike(old[place], module) and some(seen):
                seen = self._layer(old[place], module, seen, wanted)
            else:
                seen = nothing(_width(module, len(seen)))
            found.append(seen)
        return found

    def _layer(self, old: nn.Module, new: nn.Module, seen: ChannelMap, wanted: ChannelMap | None) -> ChannelMap:
        if isinstance(old, ConvBlock) and isinstance(new, ConvBlock):
            return self._conv(old, new, seen, wanted)
        if isinstance(old, ResidualBlock) and isinstance(new, ResidualBlock):
            # Input and output are added, so they stand for the same channels.
            self.chain(old.body, new.body, seen, last=seen)
            return seen
        if isinstance(old, ConcatBlock) and isinstance(new, ConcatBlock):
            return self._concat(old, new, seen, wanted)
        if isinstance(old, InstanceNormBlock) and isinstance(new, InstanceNormBlock):
            self._norm(old.norm, new.norm, seen)
        return seen  # a norm, a pool, an enlargement

    def _conv(self, old: ConvBlock, new: ConvBlock, seen: ChannelMap, wanted: ChannelMap | None) -> ChannelMap:
        if not _chooses(new):
            self._copy(old.conv, new.conv, seen, identity(1))
            return seen
        if old.depthwise is not None and new.depthwise is not None:
            self._copy(old.depthwise, new.depthwise, seen, identity(1))
        kept = choose(importance(nn.ModuleList([old])), new.conv.out_channels) if wanted is None else wanted
        self._copy(old.conv, new.conv, kept, seen)
        return kept

    def _concat(self, old: ConcatBlock, new: ConcatBlock, seen: ChannelMap, wanted: ChannelMap | None) -> ChannelMap:
        """Each branch keeps to itself: a channel that would have to come from another branch is fresh."""
        found: list[ChannelMap] = []
        old_start = new_start = 0
        for parent, branch in zip(chains(old), chains(new), strict=True):
            old_end = old_start + len(importance(parent))
            new_end = new_start + width(branch, len(seen))
            last: ChannelMap | None = None
            if wanted is not None:
                part = wanted[new_start:new_end]
                last = torch.where((part >= old_start) & (part < old_end), part - old_start, -1)
            found.append(shifted(self.chain(parent, branch, seen, last)[-1], old_start))
            old_start, new_start = old_end, new_end
        return torch.cat(found)

    def _copy(self, old: nn.Conv2d, new: nn.Conv2d, kept: ChannelMap, seen: ChannelMap) -> None:
        """kept: what each output channel stands for, (out,); seen: each input channel of a filter, (in / groups,)."""
        rows, columns = (kept >= 0).nonzero().flatten(), (seen >= 0).nonzero().flatten()
        weight = old.weight.detach().to(new.weight)
        new.weight[rows] = 0.0  # channels that the parent lacks have no effect
        new.weight[rows[:, None], columns] = weight[kept[rows]][:, seen[columns]]
        self._count(new.weight, len(rows) * len(columns) * weight[0, 0].numel())
        if old.bias is not None and new.bias is not None:
            new.bias[rows] = old.bias.detach().to(new.bias)[kept[rows]]
            self._count(new.bias, len(rows))

    def _norm(self, old: nn.InstanceNorm2d, new: nn.InstanceNorm2d, seen: ChannelMap) -> None:
        rows = (seen >= 0).nonzero().flatten()
        for name in ("weight", "bias"):
            getattr(new, name)[rows] = getattr(old, name).detach()[seen[rows]]
            self._count(getattr(new, name), len(rows))

    def _count(self, parameter: Tensor, numbers: int) -> None:
        self.counts[id(parameter)] = self.counts.get(id(parameter), 0) + numbers


def _chooses(module: nn.Module) -> bool:
    """Whether what comes out of it can stand for other channels than what goes in."""
    return isinstance(module, ConcatBlock) or (isinstance(module, ConvBlock) and module.conv.groups == 1)


def _alike(old: nn.Module, new: nn.Module) -> bool:
    """Whether the kinds and kernels are the same, so that weights of the one mean something in the other."""
    if isinstance(old, ConvBlock) and isinstance(new, ConvBlock):
        return _kernels(old) == _kernels(new) and _chooses(old) == _chooses(new)
    if isinstance(old, ResidualBlock) and isinstance(new, ResidualBlock):
        return len(old.body) == len(new.body)
    if isinstance(old, ConcatBlock) and isinstance(new, ConcatBlock):
        ours, theirs = chains(old), chains(new)
        same = [len(branch) for branch in ours] == [len(branch) for branch in theirs]
        return same and all(any(isinstance(m, _MAKERS) for m in branch) for branch in ours)
    return type(old) is type(new)


def _kernels(block: ConvBlock) -> tuple[int, ...]:
    return tuple(conv.kernel_size[0] for conv in (block.depthwise, block.conv) if conv is not None)


def _width(module: nn.Module, seen: int) -> int:
    if isinstance(module, ConvBlock):
        return module.conv.out_channels
    if isinstance(module, ConcatBlock):
        return sum(width(branch, seen) for branch in chains(module))
    return seen


def width(chain: nn.ModuleList, seen: int) -> int:
    """The channels after a chain that sees `seen` of them."""
    for module in chain:
        seen = _width(module, seen)
    return seen
