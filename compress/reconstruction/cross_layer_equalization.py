"""Channel scales that cancel out: what a channel is divided by, the next convolution multiplies by.

A ReLU lets a positive factor through, so a network has many sets of weights that compute the same. Among them are some
that one number per tensor can tell apart: where every channel of a tensor has about the same range, eight bits suffice
for all of them (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section
4.1). The scales are given; what they are measured by is the caller's choice.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from teachers.posenet import Backbone, Chain, ConcatBlock, ConvBlock, InstanceNormBlock, PoseNet, ResidualBlock, Stage

Scales = Mapping[str, Tensor]
"""Name of a convolution in the network -> (C,), above zero: what each of its output channels is divided by."""


def scale_channels(network: PoseNet, scales: Scales) -> PoseNet:
    """A network that computes the same maps with its inner channels divided by `scales`; names left out stay.

    ValueError for a scale that is not above zero, and for a convolution that is not among `scalable(network)`.
    """
    free = scalable(network)
    for name, scale in scales.items():
        if name not in free:
            raise ValueError(f"scales: {name} is no convolution whose channels may be scaled")
        if not bool((scale > 0).all()):
            raise ValueError(f"scales: those of {name} are not all above zero")
    found = copy.deepcopy(network)
    _scale(found, scales)
    return found


def scalable(network: PoseNet) -> tuple[str, ...]:
    """Names of the convolutions whose output channels may be scaled.

    The others' may not: maps have a meaning, a ReLU with an upper limit cuts off at a number, and what is added to a
    residual's input must be of its size.
    """
    return tuple(_scale(copy.deepcopy(network), {}))


@torch.no_grad()
def _scale(network: PoseNet, scales: Scales) -> list[str]:
    walk = _Walk({module: name for name, module in network.named_modules()}, scales)
    features = walk.backbone(network.backbone)
    maps = network.spec.skeleton
    before = torch.ones(2 * len(maps.limbs) + len(maps.keypoints) + 1, dtype=torch.float64)
    for number, stage in enumerate(network.stages):
        assert isinstance(stage, Stage)
        walk.stage(stage, torch.cat((before, features)) if number else features)
    return walk.free


@dataclass
class _Walk:
    """Goes through a network in the order of its data and rewrites its weights.

    Everywhere `seen` (C,) is what the channels of the tensor at hand were divided by.
    """

    names: Mapping[nn.Module, str]
    scales: Scales
    free: list[str] = field(default_factory=list)

    def backbone(self, backbone: Backbone) -> Tensor:
        first = next(module for module in backbone.modules() if isinstance(module, nn.Conv2d))
        seen = torch.ones(first.in_channels, dtype=torch.float64)
        after = self.each(list(backbone.layers), seen)
        return torch.cat([after[tap.layer] for tap in backbone.taps])

    def stage(self, stage: Stage, seen: Tensor) -> None:
        seen = self.chain(stage.trunk, seen)
        for branch in (stage.paf, stage.heatmap):
            assert isinstance(branch, Chain)
            ones = torch.ones(_out_channels(branch), dtype=torch.float64)
            self.chain(branch, seen, ones)

    def chain(self, chain: Chain, seen: Tensor, wanted: Tensor | None = None) -> Tensor:
        """`wanted`: what the last layer's channels have to be divided by; None leaves that open."""
        return [seen, *self.each(list(chain), seen, wanted)][-1]

    def each(self, layers: Sequence[nn.Module], seen: Tensor, wanted: Tensor | None = None) -> list[Tensor]:
        """What the channels after each layer were divided by; for the last one `wanted`."""
        after: list[Tensor] = []
        for index, layer in enumerate(layers):
            normed = index + 1 < len(layers) and isinstance(layers[index + 1], InstanceNormBlock)
            # A norm undoes what is scaled before it, all but its epsilon; so nothing is.
            asked = torch.ones(_out_channels(layer), dtype=torch.float64) if normed else None
            seen = self.layer(layer, seen, wanted if index == len(layers) - 1 else asked)
            after.append(seen)
        return after

    def layer(self, layer: nn.Module, seen: Tensor, wanted: Tensor | None = None) -> Tensor:
        if isinstance(layer, ConvBlock):
            return self.block(layer, seen, wanted)
        if isinstance(layer, ResidualBlock):
            return self.chain(layer.body, seen, seen)
        if isinstance(layer, ConcatBlock):
            parts = [self.chain(branch, seen) for branch in layer.branches if isinstance(branch, Chain)]
            return torch.cat(parts)
        if isinstance(layer, InstanceNormBlock):
            return self.norm(layer, seen, wanted)
        return seen  # pooling, enlarging

    def block(self, block: ConvBlock, seen: Tensor, wanted: Tensor | None) -> Tensor:
        if block.depthwise is not None:
            seen = self.convolution(block.depthwise, seen, None)
        if block.relu_max is not None:
            wanted = torch.ones(block.conv.out_channels, dtype=torch.float64)
        return self.convolution(block.conv, seen, wanted)

    def norm(self, block: InstanceNormBlock, seen: Tensor, wanted: Tensor | None) -> Tensor:
        ones = torch.ones_like(seen)
        if not torch.equal(seen, ones):
            raise ValueError("scales: the channels of a residual or a concatenation cannot be scaled before a norm")
        if wanted is None or block.relu_max is not None:
            return ones
        block.norm.weight.copy_(block.norm.weight.double() / wanted)
        block.norm.bias.copy_(block.norm.bias.double() / wanted)
        return wanted

    def convolution(self, conv: nn.Conv2d, seen: Tensor, wanted: Tensor | None) -> Tensor:
        if wanted is None:
            name = self.names[conv]
            self.free.append(name)
            wanted = torch.ones(conv.out_channels).double() if name not in self.scales else self.scales[name].double()
        factor = 1.0 / wanted[:, None, None, None]
        factor = factor * (seen[:, None, None, None] if conv.groups > 1 else seen[None, :, None, None])
        conv.weight.copy_(conv.weight.double() * factor)
        if conv.bias is not None:
            conv.bias.copy_(conv.bias.double() / wanted)
        return wanted


def _out_channels(part: nn.Module) -> int:
    last = [module for module in part.modules() if isinstance(module, nn.Conv2d)][-1]
    return last.out_channels
