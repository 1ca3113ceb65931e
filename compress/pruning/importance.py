"""How much each channel matters: one score per channel of every group. Higher matters more.

Images are (N, 3, H, W), raw pixels 0..255.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from compress.pruning.channel_graph import Group, Layout
from teachers.posenet import Maps, PoseNet

_AT_THE_TARGETS = 1e-4
"""Squared relative L2: 1% of the teacher's maps."""
Scores = dict[str, Tensor]
"""For each group, by name, the score of its channels, (width,)."""


def magnitude(network: PoseNet, layout: Layout) -> Scores:
    """L2 norm of the filters and biases that make a channel, over all makers of its group.

    Li et al. 2017, "Pruning Filters for Efficient ConvNets", section 3.1, with the L2 norm in place of L1; summed over
    what is coupled as in Fang et al. 2023, "DepGraph", equation 5. A channel that is always zero scores zero.
    """
    return {group.name: _per_channel(network, group, torch.square).sqrt() for group in layout.groups}


def product(network: PoseNet, layout: Layout) -> Scores:
    """`magnitude` times the L2 norm of all weights that read the channel.

    A ReLU lets a channel's filter be doubled and its readers halved without a change of the maps. Folding batch norm
    does such things to published networks; it moves `magnitude` and leaves this product alone. Between maker and reader
    may lie a depthwise filter, whose norm multiplies.
    """
    made, read = magnitude(network, layout), {maker: torch.zeros(width) for maker, width in layout.widths.items()}
    for convolution in layout.convolutions:
        if convolution.makes is None:
            continue
        strength = _weight(network, convolution.name).square().sum((0, 2, 3))
        for passed in convolution.after:
            strength = strength * _weight(network, passed).square().sum((1, 2, 3))
        parts = torch.split(strength, [layout.widths[maker] for maker in convolution.reads])
        for maker, part in zip(convolution.reads, parts, strict=True):
            read[maker] += part
    return {
        group.name: made[group.name] * torch.stack([read[maker] for maker in group.makers]).sum(0).sqrt()
        for group in layout.groups
    }


def random(layout: Layout, seed: int) -> Scores:
    """Scores drawn evenly from 0..1: what every other measure must beat."""
    generator = torch.Generator().manual_seed(seed)
    return {group.name: torch.rand(group.width, generator=generator) for group in layout.groups}


def batch_norm_scale(network: PoseNet, layout: Layout, images: Iterable[Tensor]) -> Scores:
    """The scale that a batch norm after the convolution would have (Liu et al. 2017, "Network Slimming", section 3).

    A spec has no batch norm, and published networks come with theirs folded away. What one gives has the deviation
    that is its scale, so the scale is found again as the deviation, over images and cells, of what the convolution
    makes before its ReLU. Makers of a group count together, as in `magnitude`.
    """
    sums = {maker: torch.zeros(3, width, dtype=torch.float64) for maker, width in layout.widths.items()}

    def note(maker: str, made: Tensor) -> None:
        values = made.detach().double().transpose(0, 1).reshape(made.shape[1], -1)
        count = torch.full((made.shape[1],), values.shape[1], dtype=torch.float64)
        sums[maker] += torch.stack([count, values.sum(1), values.square().sum(1)])

    makers = [maker for group in layout.groups for maker in group.makers]
    hooks = [
        network.get_submodule(f"{maker}.conv").register_forward_hook(
            lambda _, given, made, maker=maker: note(maker, made)
        )
        for maker in makers
    ]
    try:
        with torch.no_grad():
            for batch in images:
                network(batch)
    finally:
        for hook in hooks:
            hook.remove()
    if not makers or not bool(sums[makers[0]][0].any()):
        raise ValueError("importance by batch norm needs at least one batch of images")
    variance = {maker: (sums[maker][2] / sums[maker][0] - (sums[maker][1] / sums[maker][0]) ** 2) for maker in makers}
    return {
        group.name: torch.stack([variance[maker] for maker in group.makers]).sum(0).clamp_min(0).sqrt().float()
        for group in layout.groups
    }


class Batch(NamedTuple):
    """Images and the maps that a teacher gives of them."""

    images: Tensor
    """(N, 3, H, W), raw pixels 0..255."""
    targets: Maps


def taylor(network: PoseNet, layout: Layout, batches: Iterable[Batch]) -> Scores:
    """First-order Taylor expansion of the teacher-relative loss: mean over batches of (sum of gradient x weight)^2.

    Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning", equation 8, for the filters and biases
    that make a channel. ValueError without batches, and where the network's maps are the targets: it is at the loss's
    minimum, so its first order is zero; `gauss_newton` is of second order.
    """
    losses: list[float] = []

    def noted() -> Iterator[Tensor]:
        for batch in batches:
            loss = _relative_loss(network(batch.images), batch.targets)
            losses.append(float(loss.detach()))
            yield loss

    scores = _mean_of_squares(network, layout, noted())
    # Targets are kept in half precision, so the teacher itself has a loss of about 1e-7 and gradients that are noise.
    if sum(losses) / len(losses) < _AT_THE_TARGETS:
        raise ValueError("the network's maps are the targets, so its gradients are zero")
    return scores


def gauss_newton(network: PoseNet, layout: Layout, images: Iterable[Tensor], seed: int, probes: int = 4) -> Scores:
    """How much the maps change, to first order, when a channel goes: E ||J w||^2 / ||maps||^2, without targets.

    J w is the maps' derivative along the channel's weights. Its squared norm is the Gauss-Newton term of the loss in
    `taylor` where that loss is zero; it is estimated by projecting the maps on `probes` random signs for each image
    batch (Hutchinson 1990). images: (N, 3, H, W), raw pixels 0..255.
    """
    generator = torch.Generator().manual_seed(seed)

    def projections() -> Iterator[Tensor]:
        for batch in images:
            for _ in range(probes):
                yield torch.stack([_projected(values, generator) for values in network(batch)]).sum()

    return _mean_of_squares(network, layout, projections())


def _relative_loss(maps: Maps, targets: Maps) -> Tensor:
    """Squared teacher-relative L2 of the heatmaps plus that of the PAFs."""
    terms = [((ours - theirs) ** 2).sum() / (theirs**2).sum() for ours, theirs in zip(maps, targets, strict=True)]
    return torch.stack(terms).sum()


def _projected(values: Tensor, generator: torch.Generator) -> Tensor:
    signs = torch.randint(0, 2, values.shape, generator=generator).to(values) * 2 - 1
    found: Tensor = (values * signs).sum() / values.detach().norm()
    return found


def _mean_of_squares(network: PoseNet, layout: Layout, losses: Iterable[Tensor]) -> Scores:
    """Mean over the losses of (sum of gradient x weight)^2, per channel; leaves no gradient in the network."""
    totals = {group.name: torch.zeros(group.width) for group in layout.groups}
    parameters = list(network.parameters())
    count = 0
    for loss in losses:
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        products: dict[Tensor, Tensor] = {
            weight: torch.zeros_like(weight) if gradient is None else weight * gradient
            for weight, gradient in zip(parameters, gradients, strict=True)
        }
        for group in layout.groups:
            totals[group.name] += _per_channel(network, group, products.__getitem__) ** 2
        count += 1
    if not count:
        raise ValueError("importance by gradients needs at least one batch of images")
    return {name: total / count for name, total in totals.items()}


def _weight(network: PoseNet, name: str) -> Tensor:
    """(out, in / groups, kernel, kernel)"""
    module = network.get_submodule(name)
    assert isinstance(module, nn.Conv2d)
    weight: Tensor = module.weight.detach()
    return weight


def _per_channel(network: PoseNet, group: Group, value: Callable[[Tensor], Tensor]) -> Tensor:
    """The value summed over all weights that make a channel: (width,)."""
    total = torch.zeros(group.width)
    for maker in group.makers:
        convolution = network.get_submodule(f"{maker}.conv")
        for parameter in convolution.parameters():  # weight (width, in, kernel, kernel) and bias (width,)
            total += value(parameter).detach().reshape(group.width, -1).sum(1)
    return total
