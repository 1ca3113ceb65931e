"""What x86 CPUs without VNNI make of int8 sums: products are added two by two in 16 bits, which end at 32767.

An arithmetic model of `pmaddubsw` as ONNX Runtime 1.32 uses it (AVX2): a convolution's inputs are laid out cell by
cell with the channels innermost, neighbours meet, and their sums are added up in 32 bits. It gave the runtime's own
integers, bit by bit. Depthwise kernels are multiplied in 16 and added in 32 bits there, so nothing overflows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.core.qparams import Int8, pairs_fit
from teachers.posenet import PoseNet

_LOWEST, _HIGHEST = -(2**15), 2**15 - 1


def overflowing_channels(network: PoseNet, quantization: Int8) -> int:
    """How many output channels have two weights whose products with some input would not fit into 16 bits together."""
    found = 0
    for name, steps in quantization.weights.items():
        weight = network.get_submodule(name).get_parameter("weight").detach()
        found += int((~pairs_fit(_integers(weight, steps).numpy())).sum())
    return found


def saturated_sums(conv: nn.Conv2d, weight: Tensor, x: Tensor, zero: int, sums: Tensor) -> Tensor:
    """The sums (N, O, H, W) as such a CPU has them.

    weight: integers (O, C, kh, kw); x: the convolution's inputs (N, C, h, w), integers minus their `zero`, before its
    own padding; sums: the exact ones, kept for channels that cannot overflow.
    """
    unsafe = torch.nonzero(torch.from_numpy(~pairs_fit(weight.numpy().astype("int32"))))[:, 0].tolist()
    if not unsafe or conv.groups == conv.in_channels > 1:
        return sums
    inputs, found = _laid_out(conv, x + zero, zero), sums.clone()
    per_group = conv.out_channels // conv.groups
    for channel in unsafe:
        group = inputs[:, channel // per_group]
        kernel = _in_pairs(weight[channel].permute(1, 2, 0).reshape(1, -1, 1))
        products = group * kernel
        halves = products.sum(dim=2)
        lost = (halves - halves.clamp(_LOWEST, _HIGHEST)).sum(dim=1)
        found[:, channel] -= lost.reshape(found[:, channel].shape)
    return found


def _laid_out(conv: nn.Conv2d, x: Tensor, zero: int) -> Tensor:
    """(N, G, K/2, 2, cells): each output cell's inputs, place by place, channels innermost, in pairs; 0 fills up."""
    pad = int(conv.padding[0])
    columns = F.unfold(
        F.pad(x, (pad, pad, pad, pad), value=float(zero)),
        conv.kernel_size,
        dilation=conv.dilation,
        stride=conv.stride,
    )
    images, _, cells = columns.shape
    grouped = columns.reshape(images * conv.groups, conv.in_channels // conv.groups, -1, cells)
    return _in_pairs(grouped.transpose(1, 2).flatten(1, 2)).reshape(images, conv.groups, -1, 2, cells)


def _in_pairs(values: Tensor) -> Tensor:
    """(A, K, B) -> (A, K/2, 2, B)."""
    even = F.pad(values, (0, 0, 0, values.shape[1] % 2))
    return even.reshape(even.shape[0], -1, 2, even.shape[2])


def _integers(weight: Tensor, steps: tuple[float, ...]) -> Tensor:
    return torch.round(weight / torch.tensor(steps)[:, None, None, None]).to(torch.int32)
