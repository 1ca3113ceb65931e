"""What training leaves as it is: zeros that were pruned, and which weights share a value (Han, Mao and Dally 2015).

A pruned weight gets no gradient, so it stays exactly zero. A layer with shared weights learns its codebook in place of
its weights; which weight takes which value stays (section 3.3 of the paper).
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.clustering.kmeans import SharedWeights

Squares = Mapping[nn.Parameter, Tensor]
"""Of each parameter, the mean squares of the loss's derivatives by it, of its shape."""
Factors = tuple[Tensor, Tensor]
"""By how much a weight's and a bias's units grow."""


class SharedConv(nn.Module):
    """A convolution with weight = unit * codebook[assignments]; pruned weights are zero.

    Autograd adds up the gradients of all weights that share a centroid, which is equation (3) of Han et al. The
    codebook is learnt in units of the layer's own weights, the bias in those of its signals, and on inputs less their
    means, so that moving a centroid moves no mean: as far as compress.training.whitening goes where weights are shared.
    """

    places: Tensor
    unit: Tensor
    bias_unit: Tensor
    mean: Tensor

    def __init__(self, conv: nn.Conv2d, shared: SharedWeights) -> None:
        super().__init__()
        size = conv.weight.detach().square().sum().sqrt() / math.sqrt(max(1, int(conv.weight.count_nonzero())))
        # A power of two: nothing is rounded on the way there and back.
        unit = 2.0 ** round(math.log2(float(size))) if size > 0 else 1.0
        self.codebook = nn.Parameter(torch.from_numpy(shared.codebook) / unit)
        self.bias = nn.Parameter(torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().clone())
        self.register_buffer("unit", torch.tensor(unit))
        self.register_buffer("bias_unit", torch.ones(()))
        self.register_buffer("mean", torch.zeros(conv.in_channels))
        # Not in the checkpoint: it follows from the network that training began with.
        self.register_buffer("places", torch.from_numpy(shared.assignments.reshape(-1)), persistent=False)
        self.shape = conv.weight.shape
        self.how: dict[str, Any] = {
            "stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation, "groups": conv.groups
        }  # fmt: skip
        self.calibrating = False

    def plain_weight(self) -> Tensor:
        """Of the convolution that computes the same, (out, in / groups, kernel, kernel)."""
        values = F.pad(self.codebook * self.unit, (1, 0))
        return values.index_select(0, self.places).view(self.shape)

    def _plain_bias(self, weight: Tensor) -> Tensor:
        return self.bias * self.bias_unit - self._of_means(weight)

    def _of_means(self, weight: Tensor) -> Tensor:
        """(out,): what the means of the inputs add to every output, borders apart."""
        taps = weight.sum(dim=(2, 3))
        return taps @ self.mean if self.how["groups"] == 1 else taps[:, 0] * self.mean

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what the plain convolution computes."""
        weight = self.plain_weight()
        if self.calibrating:
            self._calibrate(x, weight)
        return F.conv2d(x, weight, self._plain_bias(weight), **self.how)

    @torch.no_grad()
    def _calibrate(self, x: Tensor, weight: Tensor) -> None:
        bias = self._plain_bias(weight)
        spread = F.conv2d(x, weight, bias, **self.how).float().std(dim=(0, 2, 3)).mean().clamp_min(1e-12)
        self.mean.copy_(x.float().mean(dim=(0, 2, 3)))
        self.bias_unit.copy_(torch.exp2(torch.log2(spread).round()))
        self.bias.copy_((bias + self._of_means(weight)) / self.bias_unit)

    def gradient_scales(self, squares: Squares) -> Factors:
        """One for all centroids, one for the bias, that give each of the two gradients a length of 1; 0 where flat."""
        lengths = [squares[parameter].sum().sqrt() for parameter in (self.codebook, self.bias)]
        weight, bias = (torch.where(length > 0, 1 / length, torch.zeros(())) for length in lengths)
        return weight, bias

    @torch.no_grad()
    def rescale(self, weight: Tensor, bias: Tensor) -> None:
        """Units about so many times larger: powers of two, so that nothing is rounded; what is computed stays."""
        for parameter, unit, factor in ((self.codebook, self.unit, weight), (self.bias, self.bias_unit, bias)):
            power = torch.exp2(torch.log2(factor).round())
            unit.mul_(power)
            parameter.div_(power)

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """The convolution that computes the same."""
        out_channels, per_group, kernel, _ = self.shape
        conv = nn.Conv2d(per_group * self.how["groups"], out_channels, kernel, **self.how)
        weight = self.plain_weight()
        conv.weight.copy_(weight)
        assert conv.bias is not None
        conv.bias.copy_(self._plain_bias(weight))
        return conv


def learn_codebooks(network: nn.Module, shared: Mapping[str, SharedWeights]) -> None:
    """Puts a `SharedConv` in the place of these convolutions, by the names of their modules."""
    for name, record in shared.items():
        conv = network.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        network.set_submodule(name, SharedConv(conv, record))


def hold_zeros(network: nn.Module) -> None:
    """From now on plain kernels' weights that are zero get no gradient.

    Adam moves what never had a gradient by nothing, and weight decay shrinks zero to zero. Layers that learn on
    whitened inputs have no plain kernel, and hold their zeros themselves.
    """
    plain = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d)]
    for parameter in plain:
        if bool((parameter == 0).any()):
            hold: Callable[[Tensor], Tensor] = partial(_held, weight=parameter)
            parameter.register_hook(hold)  # type: ignore[no-untyped-call] # torch's own lacks types


def _held(gradient: Tensor, weight: Tensor) -> Tensor:
    return gradient * (weight.detach() != 0)


def half_exact(network: nn.Module) -> tuple[str, ...]:
    """Names of the tensors that fp16 has exactly, as `cluster_weights` leaves them."""
    return tuple(name for name, tensor in network.state_dict().items() if torch.equal(tensor.half().float(), tensor))


def as_before(network: nn.Module, half: tuple[str, ...]) -> None:
    """Rounds what fp16 had exactly to it again, and turns minus zero into zero: both take less room when packed."""
    for name, tensor in network.state_dict().items():
        rounded = tensor.half().float() if name in half else tensor
        tensor.copy_((rounded if bool(rounded.isfinite().all()) else tensor) + 0.0)


def zero_share(network: nn.Module) -> float:
    """Which share of all kernels' weights is zero."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim == 4]
    return sum(int((kernel == 0).sum()) for kernel in kernels) / max(1, sum(kernel.numel() for kernel in kernels))
