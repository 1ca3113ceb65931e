"""Sizes that need no run: parameters, multiply-accumulates, bytes on disk."""

import math
from pathlib import Path

import torch
from torch import nn

from teachers.posenet import InstanceNormBlock, PoseNet
from teachers.spec import PoseNetSpec


def count_parameters(network: PoseNet) -> int:
    """Trainable numbers of the network."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(spec: PoseNetSpec, input_hw: tuple[int, int]) -> int:
    """Multiply-accumulates of the convolutions for one image of the given height and width; no layer has others.

    Counted on a pass of no image at all, so nothing is computed and every layer kind is covered. On torch's meta device
    the first addition imports its compiler, which takes seconds.
    """
    with torch.device("meta"):
        network = PoseNet(spec).eval()
    total = 0

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        kernel = module.kernel_size[0] * module.kernel_size[1]
        total += math.prod(output.shape[1:]) * kernel * module.in_channels // module.groups

    for module in network.to_empty(device="cpu").modules():
        if isinstance(module, InstanceNormBlock):
            module.register_module("norm", nn.Identity())  # torch's refuses to normalise nothing
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.empty(0, 3, *input_hw))
    return total


def size_on_disk(path: Path) -> int:
    """Bytes of one file."""
    return path.stat().st_size
