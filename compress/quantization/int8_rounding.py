"""Rounding to int8: weights with a step for each output channel, biases, and tensors between layers.

Weights go to their nearest multiple, or by GPTQ (Frantar et al. 2022): one column at a time, where the columns that
are still to be rounded make up for the error of those that are. Rows are (G, R, C + 1): groups, output channels, and
inputs with the bias last.
"""

import torch
from torch import Tensor

from compress.core.qparams import LARGEST, LARGEST_PAIR, Int8, QuantParams
from compress.reconstruction.least_squares import Moments, in_columns
from compress.reconstruction.visitor import inputs
from teachers.posenet import PoseNet

_SMALLEST_STEP = 1e-12
_LARGEST_BIAS = 2**30
"""Of a bias's integers, which are in steps of the input's times the weight's; half of what 32 bits hold."""


def steps_of(weights: Tensor, input_scale: float) -> Tensor:
    """(G, R): the smallest with which a row's integers can be kept (`limits`), and its bias fits into 32 bits.

    A channel of next to no weights and a bias would need billions of such steps for its bias.
    """
    sizes = weights[..., :-1].abs()
    two = sizes.topk(min(2, sizes.shape[-1]), dim=-1).values
    largest = torch.maximum(two[..., 0] / LARGEST, two.sum(dim=-1) / LARGEST_PAIR)
    floor = weights[..., -1].abs() / (input_scale * _LARGEST_BIAS)
    # Rounded to single precision, as the artefact has it: integers times steps must come out the same there.
    return torch.maximum(largest, floor).clamp_min(_SMALLEST_STEP).float().double()


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


@torch.no_grad()
def round_biases(network: PoseNet, quantization: Int8) -> None:
    """Puts biases on the steps that the artefact has for them: those of the input times those of the weights."""
    read, modules = inputs(network), dict(network.named_modules())
    for name, steps in quantization.weights.items():
        bias = getattr(modules[name], "bias", None)
        if bias is not None:
            products = torch.tensor(steps) * quantization.grids[read[name]].scale
            bias.copy_(torch.round(bias / products) * products)


def rounded(x: Tensor, grid: QuantParams) -> Tensor:
    """Half to even and cut off at both ends, as ONNX's QuantizeLinear does."""
    return (torch.clamp(torch.round(x / grid.scale) + grid.zero, 0, 255) - grid.zero) * grid.scale
