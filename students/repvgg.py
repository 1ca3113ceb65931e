"""A chain of 3x3 convolutions and nothing else, in the manner of RepVGG (Ding et al. 2021).

Such a chain has the most operations per second on a CPU: every runtime computes a 3x3 convolution of stride 1 by
Winograd's method, nothing is read twice as in a residual, and no depthwise layer waits for memory. RepVGG trains with
1x1 and identity branches beside each 3x3 and folds them in; what ships, and what stands here, is the plain chain.
"""

from collections.abc import Iterable

from students.widths import scaled
from teachers.layers import Conv, Layer

_GROUPS = ((32, 1, 2), (64, 2, 2), (128, 7, 2))
"""Channels, layers and stride of the first layer. RepVGG-A0 has 14 layers of 192 at stride 16; at stride 8 those alone
would cost 9.8 GMACs at 368x368, three times the whole MobileNet v1. Seven of 128 cost 2.0."""


def repvgg(width: float) -> tuple[Layer, ...]:
    """1.02 M parameters at width 1. There are no published weights of it: it starts from the parent's, or fresh."""
    return conv3x3_chain((scaled(channels, width), depth, stride) for channels, depth, stride in _GROUPS)


def conv3x3_chain(groups: Iterable[tuple[int, int, int]]) -> tuple[Layer, ...]:
    """3x3 convolutions in groups of (channels, layers, stride of the first layer)."""
    layers: list[Layer] = []
    for channels, depth, stride in groups:
        layers.append(Conv(channels=channels, stride=stride))
        layers.extend((depth - 1) * [Conv(channels=channels)])
    return tuple(layers)
