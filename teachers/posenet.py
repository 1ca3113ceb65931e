"""PoseNet: backbone -> features -> stages, each stage refining the maps of the one before.

Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields" (2016), section 2.1: stage 1 sees
the features, stage t > 1 the concatenation of the PAFs and heatmaps of stage t - 1 with the features.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from teachers.spec import BackboneSpec, Conv, Layer, MaxPool, PoseNetSpec, SeparableConv, StageSpec


class Maps(NamedTuple):
    """What the network says about an image, at `stride`."""

    heatmaps: Tensor
    """(N, K+1, h, w): confidence of each keypoint, background last."""
    pafs: Tensor
    """(N, 2L, h, w): part affinity fields, x and y of each limb."""


class ConvBlock(nn.Module):
    """One `Conv` or `SeparableConv` of the spec."""

    def __init__(self, spec: Conv | SeparableConv, in_channels: int) -> None:
        super().__init__()
        before, after = spec.pad
        # Conv2d pads evenly; TensorFlow's SAME does not when the stride is 2, so the difference is padded by hand.
        self.extra_pad = after - before
        self.relu = spec.relu
        if self.extra_pad < 0:
            raise ValueError(f"pad {spec.pad}: more before than after is not supported")
        self.depthwise: nn.Conv2d | None = None
        if isinstance(spec, SeparableConv):
            self.depthwise = nn.Conv2d(
                in_channels, in_channels, spec.kernel, spec.stride, before, groups=in_channels, bias=False
            )
            self.conv = nn.Conv2d(in_channels, spec.channels, 1)
        else:
            self.conv = nn.Conv2d(in_channels, spec.channels, spec.kernel, spec.stride, before)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, channels, H / stride, W / stride)."""
        if self.extra_pad:
            x = F.pad(x, (0, self.extra_pad, 0, self.extra_pad))
        if self.depthwise is not None:
            x = self.depthwise(x)
        x = self.conv(x)
        return F.relu(x) if self.relu else x


def build_chain(layers: tuple[Layer, ...], in_channels: int) -> tuple[nn.ModuleList, list[int]]:
    """The modules of a chain of layers and the channels that each gives."""
    modules = nn.ModuleList()
    channels: list[int] = []
    for layer in layers:
        if isinstance(layer, MaxPool):
            modules.append(nn.MaxPool2d(layer.kernel, layer.stride))
        else:
            modules.append(ConvBlock(layer, in_channels))
            in_channels = layer.channels
        channels.append(in_channels)
    return modules, channels


class Backbone(nn.Module):
    """(N, 3, H, W) -> features (N, F, H / stride, W / stride)."""

    def __init__(self, spec: BackboneSpec) -> None:
        super().__init__()
        self.layers, channels = build_chain(spec.layers, 3)
        self.taps = spec.taps
        self.out_channels = sum(channels[tap.layer] for tap in spec.taps)

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
    """Two branches that see the same input: PAFs and heatmaps."""

    def __init__(self, spec: StageSpec, in_channels: int) -> None:
        super().__init__()
        self.paf, _ = build_chain(spec.paf, in_channels)
        self.heatmap, _ = build_chain(spec.heatmap, in_channels)

    def forward(self, x: Tensor) -> Maps:
        """(N, C, h, w) -> Maps at the same h, w."""
        pafs = heatmaps = x
        for layer in self.paf:
            pafs = layer(pafs)
        for layer in self.heatmap:
            heatmaps = layer(heatmaps)
        return Maps(heatmaps, pafs)


class PoseNet(nn.Module):
    """A network built from its spec, with weights as torch initialises them until some are loaded."""

    def __init__(self, spec: PoseNetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = Backbone(spec.backbone)
        features = self.backbone.out_channels
        maps = spec.skeleton.heatmap_channels + spec.skeleton.paf_channels
        self.stages = nn.ModuleList(
            Stage(stage, features if number == 0 else features + maps) for number, stage in enumerate(spec.stages)
        )

    def all_stages(self, images: Tensor) -> list[Maps]:
        """Every stage's Maps, first to last, from one pass.

        images: (N, 3, H, W), raw pixels 0..255 in `spec.input.channels` order, H and W multiples of the stride.
        """
        convention = self.spec.input
        if convention.scale != 1.0 or convention.offset != 0.0:
            images = images * convention.scale + convention.offset
        features = self.backbone(images)
        found: list[Maps] = []
        for stage in self.stages:
            x = torch.cat((found[-1].pafs, found[-1].heatmaps, features), dim=1) if found else features
            found.append(stage(x))
        return found

    def forward(self, images: Tensor) -> Maps:
        """The last stage's Maps; images as in `all_stages`."""
        return self.all_stages(images)[-1]
