"""What a convolution block computes, part by part, for passes that look between the parts."""

import torch.nn.functional as F
from torch import Tensor, nn

from teachers.posenet import ConvBlock, PoseNet


def seen(network: PoseNet, images: Tensor) -> Tensor:
    """Raw pixels as the backbone takes them."""
    convention = network.spec.input
    return images * convention.scale + convention.offset


def convolved(conv: nn.Conv2d, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """The convolution of what `padded` gave; with other weights and bias if they are given."""
    if weight is None:
        weight, bias = conv.weight, conv.bias
    return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


def padded(block: ConvBlock, x: Tensor, last: bool) -> Tensor:
    """What the block pads by hand, before its first convolution."""
    first = block.depthwise is None or not last
    return F.pad(x, (0, block.extra_pad, 0, block.extra_pad)) if first and block.extra_pad else x


def activated(block: ConvBlock, x: Tensor, last: bool) -> Tensor:
    """The block's ReLU, after its last convolution."""
    if not (last and block.relu):
        return x
    return F.relu(x) if block.relu_max is None else F.hardtanh(x, 0.0, block.relu_max)
