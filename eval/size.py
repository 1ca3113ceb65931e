"""Sizes that need no run: parameters, multiply-accumulates, bytes on disk."""

from pathlib import Path

import torch
from torch import nn

from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec


def count_parameters(network: PoseNet) -> int:
    """Trainable numbers of the network."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(spec: PoseNetSpec, input_hw: tuple[int, int]) -> int:
    """Multiply-accumulates of convolutions and linear layers for one image of the given height and width.

    Counted on a shapes-only pass (torch's meta device), so no memory is touched and every layer kind is covered.
    """
    with torch.device("meta"):
        network = PoseNet(spec).eval()
        total = 0

        def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
            nonlocal total
            if isinstance(module, nn.Conv2d):
                kernel = module.kernel_size[0] * module.kernel_size[1]
                total += output.numel() * kernel * module.in_channels // module.groups
            elif isinstance(module, nn.Linear):
                total += output.numel() * module.in_features

        for module in network.modules():
            module.register_forward_hook(count)
        with torch.inference_mode():
            network(torch.empty(1, 3, *input_hw))
    return total


def size_on_disk(path: Path) -> int:
    """Bytes of one file."""
    return path.stat().st_size
