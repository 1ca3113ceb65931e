"""A layer's weights by least squares, free or restricted to some values, so that the layer's outputs stay.

Restricting each weight alone leaves errors that add up over a layer's inputs, which are far from independent. Here the
weights that are still free make up for what each restricted one spoils (Frantar et al. 2022, "GPTQ", after LeCun's
optimal brain surgeon). The bias is a last column that stays free: with it this contains the bias correction of Nagel
et al. (2019), section 4.2.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 0.01
"""Of the mean of the inputs' squares: keeps weights where the calibration frames do not determine them."""
_TOGETHER = 64
"""Columns that are chosen before what they spoil reaches those far away, in one product (GPTQ's lazy updates)."""
_NEXT_TO_NOTHING = 1e-12


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
    change = damped(system, lambda able: torch.linalg.solve(able, missing.mT)).mT
    return weights + change


def in_columns(weights: Tensor, found: Moments, chosen: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Weights (G, R, C + 1) whose columns are what `chosen` makes of them, each spoiling as little as the others allow.

    chosen: from a column (G, R) as it would be best now, and its number (), to what it may be. The bias stays free.
    """
    columns = weights.shape[-1] - 1
    # Inputs that carry most are chosen first, while there are many left to make up for them.
    strength = torch.diagonal(found.inputs, dim1=-2, dim2=-1)[..., :columns].mean(dim=0)
    order = torch.cat((torch.argsort(strength, descending=True), torch.tensor([columns])))
    left = weights[..., order].clone()
    system = ridged(found.inputs)[:, order][:, :, order]
    upper = damped(system, lambda able: torch.linalg.cholesky(torch.linalg.inv(able), upper=True))
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


@contextmanager
def _one_thread() -> Iterator[None]:
    """While it lasts, torch has one thread.

    In torch 2.13 for CPUs, batches of LU factorisations of 200 rows and more are wrong on several: matrices are called
    singular that are not, or the result is another (oneMKL tells of parameter 6 of DLASWP).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def damped(systems: Tensor, solve: Callable[[Tensor], Tensor]) -> Tensor:
    """`solve(systems)`; where they (..., C, C) are singular in double precision, with ever more on the diagonal.

    Few frames leave inputs that say the same, and one input much larger than all others hides the ridge. ValueError for
    numbers that are not finite: no ridge helps there.
    """
    if not torch.isfinite(systems).all():
        raise ValueError("a layer's inputs are no finite numbers: what was trained before has diverged")
    largest = torch.diagonal(systems, dim1=-2, dim2=-1).amax(dim=-1, keepdim=True)
    more = torch.zeros_like(largest)
    for exponent in range(-8, 1):
        try:
            with _one_thread():
                return solve(systems + torch.diag_embed(more.expand(*systems.shape[:-1])))
        except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
            more = largest * 10.0**exponent + _NEXT_TO_NOTHING
    raise ValueError("a layer's inputs say nothing that weights could be fitted to; more calibration frames may help")


def ridged(inputs: Tensor) -> Tensor:
    """Inputs that are alike, or silent, have no inverse without it; the constant is one of them where there is none."""
    found = inputs.clone()
    diagonal = torch.diagonal(found, dim1=-2, dim2=-1)
    mean = diagonal[..., :-1].mean(dim=-1, keepdim=True)
    diagonal[..., :-1] += RIDGE * mean + _NEXT_TO_NOTHING
    diagonal[..., -1] += torch.where(diagonal[..., -1] > 0, 1e-9, 1.0)
    return found
