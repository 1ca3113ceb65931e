"""PoseNet: backbone -> features -> stages, each stage refining the maps of the one before.

Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields" (2016), section 2.1: stage 1 sees
the features, stage t > 1 the concatenation of the PAFs and heatmaps of stage t - 1 with the features.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from teachers.layers import (
    Concat,
    Conv,
    DepthwiseConv,
    InstanceNorm,
    Layer,
    MaxPool,
    ReluMax,
    Residual,
    SeparableConv,
    Upsample2x,
    channels_after,
)
from teachers.spec import IMAGE_CHANNELS, BackboneSpec, PoseNetSpec, StageSpec


class Maps(NamedTuple):
    """The network's output for an image, at `stride`."""

    heatmaps: Tensor
    """(N, K+1, h, w): confidence of each keypoint, background last."""
    pafs: Tensor
    """(N, 2L, h, w): part affinity fields, x and y of each limb."""


class ConvBlock(nn.Module):
    """One `Conv`, `DepthwiseConv` or `SeparableConv` of the spec."""

    def __init__(self, spec: Conv | DepthwiseConv | SeparableConv, in_channels: int) -> None:
        super().__init__()
        before, after = spec.pad
        # Conv2d pads evenly; TensorFlow's SAME does not when the stride is 2, so the difference is padded by hand.
        self.extra_pad = after - before
        if self.extra_pad < 0:
            raise ValueError(f"pad {spec.pad}: more before than after is not supported")
        self.relu = spec.relu
        self.relu_max = None if isinstance(spec, SeparableConv) else spec.relu_max
        self.depthwise: nn.Conv2d | None = None
        if isinstance(spec, SeparableConv):
            self.depthwise = nn.Conv2d(
                in_channels, in_channels, spec.kernel, spec.stride, before, groups=in_channels, bias=False
            )
            self.conv = nn.Conv2d(in_channels, spec.channels, 1)
            return
        channels, groups = (in_channels, in_channels) if isinstance(spec, DepthwiseConv) else (spec.channels, 1)
        self.conv = nn.Conv2d(in_channels, channels, spec.kernel, spec.stride, before, spec.dilation, groups)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, channels, H / stride, W / stride)."""
        if self.extra_pad:
            x = F.pad(x, (0, self.extra_pad, 0, self.extra_pad))
        if self.depthwise is not None:
            x = self.depthwise(x)
        x = self.conv(x)
        return _rectified(x, self.relu_max) if self.relu else x


class InstanceNormBlock(nn.Module):
    """One `InstanceNorm` of the spec."""

    def __init__(self, spec: InstanceNorm, in_channels: int) -> None:
        super().__init__()
        self.relu, self.relu_max = spec.relu, spec.relu_max
        self.norm = nn.InstanceNorm2d(in_channels, spec.epsilon, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape; each image by itself."""
        x = self.norm(x)
        return _rectified(x, self.relu_max) if self.relu else x


class Upsample2xBlock(nn.Module):
    """`Upsample2x`, in operations that every exporter knows: torch's own bilinear rule is another one."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 2H, 2W)."""
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        return F.avg_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2, 1)


def _rectified(x: Tensor, relu_max: ReluMax) -> Tensor:
    return F.relu(x) if relu_max is None else F.hardtanh(x, 0.0, relu_max)


class Chain(nn.ModuleList):
    """Layers one after the other; their modules have the layers' positions for names."""

    def __init__(self, layers: Sequence[Layer], in_channels: int) -> None:
        seen = [in_channels, *channels_after(layers, in_channels)]
        super().__init__(_module(layer, channels) for layer, channels in zip(layers, seen, strict=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what the last layer gives."""
        for layer in self:
            x = layer(x)
        return x


class ResidualBlock(nn.Module):
    """x + body(x)."""

    def __init__(self, spec: Residual, in_channels: int) -> None:
        super().__init__()
        self.body = Chain(spec.layers, in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        found: Tensor = x + self.body(x)
        return found


class ConcatBlock(nn.Module):
    """Several chains side by side."""

    def __init__(self, spec: Concat, in_channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Chain(branch, in_channels) for branch in spec.branches)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the branches' channels in their order."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _module(layer: Layer, in_channels: int) -> nn.Module:
    if isinstance(layer, MaxPool):
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.pad)
    if isinstance(layer, Residual):
        return ResidualBlock(layer, in_channels)
    if isinstance(layer, Concat):
        return ConcatBlock(layer, in_channels)
    if isinstance(layer, InstanceNorm):
        return InstanceNormBlock(layer, in_channels)
    if isinstance(layer, Upsample2x):
        return Upsample2xBlock()
    return ConvBlock(layer, in_channels)


class Backbone(nn.Module):
    """(N, 3, H, W) -> features (N, F, H / stride, W / stride)."""

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.layers = Chain(spec.layers, IMAGE_CHANNELS)
        self.taps = spec.taps

    def forward(self, x: Tensor) -> Tensor:
        """Runs the chain, keeping only what a tap asks for."""
        wanted = {tap.layer for tap in self.taps}
        kept: dict[int, Tensor] = {}
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in wanted:
                kept[index] = x
        features = [F.max_pool2d(kept[t.layer], t.pool) if t.pool > 1 else kept[t.layer] for t in self.taps]
        return torch.cat(features, dim=1) if len(features) > 1 else features[0]


class Stage(nn.Module):
    """Two branches that see the same input, PAFs and heatmaps; a trunk before them if the spec has one."""

    def __init__(self, spec: StageSpec, in_channels: int) -> None:
        super().__init__()
        self.trunk = Chain(spec.trunk, in_channels)
        within = channels_after(spec.trunk, in_channels)[-1] if spec.trunk else in_channels
        self.paf = Chain(spec.paf, within)
        self.heatmap = Chain(spec.heatmap, within)

    def forward(self, x: Tensor) -> Maps:
        """(N, C, h, w) -> Maps at the same h, w."""
        x = self.trunk(x)
        return Maps(heatmaps=self.heatmap(x), pafs=self.paf(x))


class PoseNet(nn.Module):
    """A network built from its spec, with weights as torch initialises them until some are loaded."""

    def __init__(self, spec: PoseNetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = Backbone(spec.backbone)
        self.stages = nn.ModuleList(
            Stage(stage, spec.stage_channels(number)) for number, stage in enumerate(spec.stages)
        )

    def features(self, images: Tensor) -> Tensor:
        """What the backbone makes of images as in `all_stages`: (N, F, H / stride, W / stride)."""
        convention = self.spec.input
        if convention.scale != 1.0 or convention.offset != 0.0:
            images = images * convention.scale + convention.offset
        found: Tensor = self.backbone(images)
        return found

    def refine(self, features: Tensor) -> list[Maps]:
        """Every stage's Maps from the features, first to last."""
        found: list[Maps] = []
        for stage in self.stages:
            x = torch.cat((found[-1].pafs, found[-1].heatmaps, features), dim=1) if found else features
            found.append(stage(x))
        return found

    def all_stages(self, images: Tensor) -> list[Maps]:
        """Every stage's Maps, first to last, from one pass.

        images: (N, 3, H, W), raw pixels 0..255 in `spec.input.channels` order, H and W multiples of `spec.multiple`.
        """
        return self.refine(self.features(images))

    def forward(self, images: Tensor) -> Maps:
        """The last stage's Maps; images as in `all_stages`."""
        return self.all_stages(images)[-1]


def first_stages(network: PoseNet, keep: int) -> PoseNet:
    """A new network of the first `keep` stages, with equal weights and none of the given one's memory."""
    spec = network.spec.model_copy(update={"stages": network.spec.stages[:keep]})
    shorter = PoseNet(spec)
    kept = shorter.state_dict().keys()
    shorter.load_state_dict({name: tensor for name, tensor in network.state_dict().items() if name in kept})
    return shorter.train(network.training)
