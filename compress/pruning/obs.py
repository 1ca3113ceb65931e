"""Weights that stay make up for removed ones: every layer refitted by least squares, zeros held.

For each output the best weights with these zeros, exactly: the surgeon's update of LeCun et al. (1990) and Hassibi and
Stork (1993) for all that goes at once, on what the layers before really give.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from compress.pruning.weight_importance import Scores
from compress.reconstruction.layerwise import LARGEST_SYSTEM, Layerwise, keep, passed, places, rows, with_tensors
from compress.reconstruction.least_squares import Moments, damped, moments, ridged
from teachers.posenet import PoseNet

_SILENT = 1e-12
_TOGETHER = 2**25
"""Numbers of the systems that are solved at once, 256 MiB."""


@torch.no_grad()
def zero_and_reconstruct(network: PoseNet, gone: Mapping[str, Tensor], batches: Sequence[Tensor]) -> PoseNet:
    """A copy without the weights where `gone`, by the convolution's name, of its weight's shape, is True.

    batches: raw pixels (N, 3, H, W) to refit on, one for each input size. Layers of which nothing goes make up for
    those before them; the zeros that they have stay.
    """
    fitting = _Zeroing(gone)
    passed(network, fitting, batches)
    return with_tensors(network, fitting.tensors)


@torch.no_grad()
def obs_scores(network: PoseNet, batches: Sequence[Tensor]) -> Scores:
    """What a layer's output would lose without the weight, were the layer's other weights refitted; of its spread.

    The root of w^2 / [H^-1]_jj (Hassibi and Stork 1993, equation (5), H of the layer's squared error as in Frantar and
    Alistarh 2022) over the standard deviation of the output. What others can replace scores low, however large it
    is. Weights that are zero score 0, and are taken to stay so.
    """
    judging = _Judging()
    passed(network, judging, batches)
    return judging.scores


@dataclass
class _Zeroing(Layerwise):
    gone: Mapping[str, Tensor]
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def fitted(
        self, name: str, conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """See `Layerwise`."""
        weights, zero = rows(conv), zeros_of(conv, self.gone.get(name))
        if weights.shape[-1] > LARGEST_SYSTEM:
            weights = weights.masked_fill(zero, 0.0)
        else:
            columns, outputs = places(conv, found, wanted)
            weights = refitted_with_zeros(weights, zero, moments(columns, outputs, conv.bias is not None))
        return keep(self.tensors, name, conv, weights)


@dataclass
class _Judging(Layerwise):
    scores: dict[str, Tensor] = field(default_factory=dict)

    def fitted(
        self, name: str, conv: nn.Conv2d, found: Sequence[Tensor], wanted: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """See `Layerwise`; the weights stay."""
        weights, zero = rows(conv), zeros_of(conv)
        columns, outputs = places(conv, found, wanted)
        system = ridged(moments(columns, outputs, conv.bias is not None).inputs)
        if weights.shape[-1] > LARGEST_SYSTEM:  # as if no weight could make up for another
            freedom = torch.diagonal(system, dim1=-2, dim2=-1).reciprocal()[:, None].expand_as(weights)
        else:
            freedom = _inverse_diagonals(system, zero)
        lost = weights.square() / freedom / outputs.double().var(dim=-1).clamp_min(_SILENT)[..., None]
        self.scores[name] = lost.sqrt()[..., :-1].reshape(conv.weight.shape).float()
        return conv.weight, conv.bias


def zeros_of(conv: nn.Conv2d, gone: Tensor | None = None) -> Tensor:
    """(G, R, C + 1), as `rows` has them: where weights are zero already or go now. A bias never does."""
    zero = conv.weight == 0
    if gone is not None:
        zero = zero | gone
    held = torch.cat((zero.flatten(1), torch.zeros(conv.out_channels, 1, dtype=torch.bool)), dim=1)
    return held.view(conv.groups, -1, held.shape[1])


def refitted_with_zeros(weights: Tensor, zero: Tensor, found: Moments) -> Tensor:
    """The weights (G, R, C) nearest to the given ones, zero where `zero` is, that give the targets best."""
    start = weights.masked_fill(zero, 0.0)
    missing = (found.targets - start @ found.inputs).masked_fill(zero, 0.0)
    parts = [
        damped(systems, lambda able, right=missing[group, some]: torch.linalg.solve(able, right))  # type: ignore[misc]
        for group, some, systems in _systems(ridged(found.inputs), zero)
    ]
    return start + torch.cat(parts).view_as(weights).masked_fill(zero, 0.0)


def _inverse_diagonals(system: Tensor, zero: Tensor) -> Tensor:
    """(G, R, C): how freely each row's weights can move, if its other ones that are not zero make up for it."""
    if not zero.any():
        return torch.diagonal(damped(system, torch.linalg.inv), dim1=-2, dim2=-1)[:, None].expand(zero.shape)
    parts = [
        torch.diagonal(damped(systems, torch.linalg.inv), dim1=-2, dim2=-1) for _, _, systems in _systems(system, zero)
    ]
    return torch.cat(parts).view(zero.shape)


def _systems(system: Tensor, zero: Tensor) -> Iterator[tuple[int, slice, Tensor]]:
    """Systems (G, C, C) without what each row holds at zero, some rows at a time."""
    groups, count, size = zero.shape
    at_once = max(1, _TOGETHER // (size * size))
    for group in range(groups):
        for first in range(0, count, at_once):
            held = zero[group, first : first + at_once]
            # Rows and columns of what is held are those of the identity, which solves them apart from all others.
            systems = system[group].masked_fill(held[:, :, None] | held[:, None, :], 0.0)
            torch.diagonal(systems, dim1=-2, dim2=-1).masked_fill_(held, 1.0)
            yield group, slice(first, first + at_once), systems
