"""How much each single weight matters: a score per weight of every convolution. Higher matters more."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from teachers.posenet import PoseNet

Scores = dict[str, Tensor]
"""By the convolution's name, of its weight's shape."""


def magnitude_scores(network: PoseNet) -> Scores:
    """The weight's size (Han et al. 2015, "Learning both Weights and Connections", section 3.1)."""
    return {name: conv.weight.detach().abs() for name, conv in _convolutions(network).items()}


def wanda_scores(network: PoseNet, images: Sequence[Tensor]) -> Scores:
    """The weight's size times that of the channel it reads, over that of the channel it makes.

    Published networks have their batch norms folded in, and channels a hundred times larger than others: a weight's own
    size then means little. Sizes are root mean squares over the images, (1, 3, H, W) each. The first factor is that of
    Wanda (Sun et al. 2023); the second makes scores of different channels and layers comparable.
    """
    read: dict[str, Tensor] = {}
    made: dict[str, Tensor] = {}

    def note(name: str, given: Tensor, found: Tensor) -> None:
        read[name] = read.get(name, torch.zeros(())) + given.square().mean(dim=(0, 2, 3))
        made[name] = made.get(name, torch.zeros(())) + found.square().mean(dim=(0, 2, 3))

    convolutions = _convolutions(network)
    hooks = [
        conv.register_forward_hook(lambda _, given, found, name=name: note(name, given[0], found))
        for name, conv in convolutions.items()
    ]
    try:
        with torch.inference_mode():
            for image in images:
                network(image)
    finally:
        for hook in hooks:
            hook.remove()
    scores = {}
    for name, conv in convolutions.items():
        sizes = read[name].sqrt()
        sizes = sizes[:, None] if conv.groups > 1 else sizes[None, :]
        ratio = sizes / made[name].sqrt().clamp_min(1e-12)[:, None]
        scores[name] = (conv.weight.detach().abs() * ratio[:, :, None, None]).clone()
    return scores


def _convolutions(network: PoseNet) -> dict[str, nn.Conv2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
