"""Weights on a grid, chosen so that a layer's outputs stay: least squares first, then rounding one column at a time.

Rounding each weight to its nearest multiple leaves errors that add up over a layer's inputs, which are far from
independent. Here what one weight's rounding spoils is made good by the weights still to be rounded (Frantar et al.
2022, "GPTQ", after LeCun's optimal brain surgeon). The bias is a last column that is never rounded: with it this
contains the bias correction of Nagel et al. (2019), section 4.2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from compress.core.qparams import LARGEST, LARGEST_PAIR

RIDGE = 0.01
"""Of the mean of the inputs' squares: keeps weights where the calibration frames say nothing about them."""
_TOGETHER = 64
"""Columns that are chosen before what they spoil reaches those far away, in one product (GPTQ's lazy updates)."""
_NEXT_TO_NOTHING = 1e-12
_LARGEST_BIAS = 2**30
"""Of a bias's integers, which are in steps of the input's times the weight's; half of what 32 bits hold."""


@dataclass(frozen=True)
class Moments:
    """Second moments of G groups of inputs, a constant 1 last, in double precision."""

    inputs: Tensor
    """(G, C + 1, C + 1)."""
    targets: Tensor
    """(G, R, C + 1): of the outputs that are wanted with the inputs."""


def moments(x: Tensor, y: Tensor, bias: bool) -> Moments:
    """x (G, C, M), y (G, R, M): M places. Without a bias the constant input is 0."""
    constant = torch.full((x.shape[0], 1, x.shape[2]), float(bias), dtype=x.dtype)
    seen = torch.cat((x, constant), dim=1)
    return Moments((seen @ seen.mT).double() / x.shape[2], (y @ seen.mT).double() / x.shape[2])


def refitted(weights: Tensor, found: Moments) -> Tensor:
    """The weights (G, R, C + 1) nearest to the given ones with which the inputs give the targets best."""
    system = ridged(found.inputs)
    missing = found.targets - weights @ found.inputs
    change: Tensor = torch.linalg.solve(system, missing.mT).mT
    return weights + change


def steps_of(weights: Tensor, input_scale: float) -> Tensor:
    """(G, R): the smallest with which a row's integers can be kept (`limits`), and its bias fits into 32 bits.

    A channel of next to no weights and a bias would need billions of such steps for its bias.
    """
    sizes = weights[..., :-1].abs()
    two = sizes.topk(min(2, sizes.shape[-1]), dim=-1).values
    largest = torch.maximum(two[..., 0] / LARGEST, two.sum(dim=-1) / LARGEST_PAIR)
    floor = weights[..., -1].abs() / (input_scale * _LARGEST_BIAS)
    # Rounded to single precision, as the artefact has it: integers times steps must come out the same there.
    return torch.maximum(largest, floor).clamp_min(_NEXT_TO_NOTHING).float().double()


def limits(integers: Tensor) -> Tensor:
    """Of rows (..., C) of integers, rounded or not: how large each may be, so that no two leave 16 bits together.

    The largest of a row keeps its size, the others get what it leaves. Half the range for all, as NNCF has it, cost a
    MobileNet of three stages 0.221 and 0.260 (joints and PAFs, relative L2); this 0.205 and 0.249, no limit 0.205 and
    0.246 (40 photographs, calibrated on 64 others).
    """
    sizes = torch.round(integers.abs())
    largest, place = sizes.max(dim=-1, keepdim=True)
    largest = largest.clamp(LARGEST_PAIR // 2, LARGEST)
    return (LARGEST_PAIR - largest).expand_as(sizes).scatter(-1, place, largest)


def nearest(weights: Tensor, input_scale: float) -> tuple[Tensor, Tensor]:
    """The weights, each at its nearest multiple, and the steps (G, R); biases stay."""
    steps = steps_of(weights, input_scale)
    exact = weights[..., :-1] / steps[..., None]
    most = limits(exact)
    on_grid = torch.clamp(torch.round(exact), -most, most) * steps[..., None]
    return torch.cat((on_grid, weights[..., -1:]), dim=-1), steps


def gptq(weights: Tensor, found: Moments, input_scale: float) -> tuple[Tensor, Tensor]:
    """As `nearest`, but what rounding a column spoils, the columns after it make good, the bias last."""
    steps = steps_of(weights, input_scale)
    all_limits = limits(weights[..., :-1] / steps[..., None])

    def on_grid(exact: Tensor, column: Tensor) -> Tensor:
        most = all_limits[..., column]
        return torch.clamp(torch.round(exact / steps), -most, most) * steps

    return in_columns(weights, found, on_grid), steps


def in_columns(weights: Tensor, found: Moments, chosen: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Weights (G, R, C + 1) whose columns are what `chosen` makes of them, each spoiling as little as the others allow.

    chosen: from a column (G, R) as it would be best now, and its number (), to what it may be. The bias stays free.
    """
    columns = weights.shape[-1] - 1
    # Inputs that carry most are chosen first, while there are many left to make up for them.
    strength = torch.diagonal(found.inputs, dim1=-2, dim2=-1)[..., :columns].mean(dim=0)
    order = torch.cat((torch.argsort(strength, descending=True), torch.tensor([columns])))
    left = weights[..., order].clone()
    inverse = torch.linalg.inv(ridged(found.inputs)[:, order][:, :, order])
    upper = torch.linalg.cholesky(inverse, upper=True)
    for first in range(0, columns, _TOGETHER):
        end = min(first + _TOGETHER, columns)
        shares = torch.empty_like(left[..., first:end])
        for column in range(first, end):
            exact = left[..., column]
            made = chosen(exact, order[column])
            share = (exact - made) / upper[:, column, column, None]
            shares[..., column - first] = share
            left[..., column] = made
            left[..., column + 1 : end] -= share[..., None] * upper[:, None, column, column + 1 : end]
        left[..., end:] -= shares @ upper[:, first:end, end:]
    whole = torch.empty_like(left)
    whole[..., order] = left
    return whole


def ridged(inputs: Tensor) -> Tensor:
    """Inputs that are alike, or silent, have no inverse without it; the constant is one of them where there is none."""
    found = inputs.clone()
    diagonal = torch.diagonal(found, dim1=-2, dim2=-1)
    mean = diagonal[..., :-1].mean(dim=-1, keepdim=True)
    diagonal[..., :-1] += RIDGE * mean + _NEXT_TO_NOTHING
    diagonal[..., -1] += torch.where(diagonal[..., -1] > 0, 1e-9, 1.0)
    return found
