"""Weights in units of the signals they join, so that one learning rate fits every one of them.

Adam moves each weight by about the learning rate, whatever its size. In a trained network whose batch norms are folded
away, channels differ in size by factors of a hundred and more, and so do weights: a rate that is right for one destroys
another. After ReLU they also rise and fall together, so that steps of one sign add up, while what tells things apart is
in small differences between channels, held by large weights that nearly cancel.

Here a convolution acts on its inputs less their means, turned and scaled so that none of them predicts another
already (whitened), and a weight is learnt as a multiple of the spread of its output. The network computes the same; its
optimiser sees signals of one size that are independent, as with the input half of K-FAC (Martens and Grosse 2015,
section 4), taken once, before the training. Unlike batch norm this adds no noise of the batch, to which stages that
feed on each other's maps are sensitive.

What is left is how much the loss depends on each: measured along the gradient's signs in openpose-mobilenet-thin cut
to three stages, the step that is best for one tensor alone lay between 3e-6 (depthwise kernels of the first stage, on
whose outputs the next weights nearly cancel) and 0.07 (heads). It goes with one over the gradient's length, so units
are divided by the slopes of the loss (`precondition`), per channel and tensor: Adam's steps then are those of a
diagonal Gauss-Newton method.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.training.masks import Factors, SharedConv, Squares
from teachers.posenet import ConvBlock

_SMALLEST = 1e-3
"""Of the mean spread of a tensor's channels: a channel that is silent for now must be able to come back."""
_NOISE = 1e-3
"""Of a channel's variance, added to all: directions that hardly vary in the samples are not blown up further."""
_MOST = 100.0
"""How many times further than the others a channel may be moved for being flat."""


class WhitenedConv(nn.Module):
    """A convolution whose weight and bias are learnt as multiples of their units, on whitened inputs."""

    unit: Tensor
    bias_unit: Tensor
    mean: Tensor
    whitening: Tensor
    alive: Tensor | None

    def __init__(self, conv: nn.Conv2d, hold_zeros: bool = False) -> None:
        """hold_zeros: weights of the plain convolution that are zero stay so."""
        super().__init__()
        # Not in the checkpoint: it follows from the network that training began with.
        self.register_buffer("alive", (conv.weight.detach() != 0).float() if hold_zeros else None, persistent=False)
        bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().clone()
        self.weight, self.bias = nn.Parameter(conv.weight.detach().clone()), nn.Parameter(bias)
        self.how: dict[str, Any] = {
            "stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation, "groups": conv.groups
        }  # fmt: skip
        self.register_buffer("unit", torch.ones(conv.out_channels))
        self.register_buffer("bias_unit", torch.ones(conv.out_channels))
        self.register_buffer("mean", torch.zeros(conv.in_channels))
        self.register_buffer("whitening", self._as_it_is(conv))
        self.calibrating = False

    def _as_it_is(self, conv: nn.Conv2d) -> Tensor:
        """The whitening that changes nothing: over the channels, or over the taps of each channel's own kernel."""
        if conv.groups == 1:
            return torch.eye(conv.in_channels)
        if conv.groups != conv.in_channels or conv.out_channels != conv.in_channels:
            raise ValueError(f"convolutions in {conv.groups} groups of {conv.in_channels} channels are not supported")
        return torch.eye(conv.weight[0].numel()).expand(conv.in_channels, -1, -1).clone()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> what the plain convolution computes."""
        if self.calibrating:
            self._calibrate(x)
        weight = self.plain_weight()
        return F.conv2d(x, weight, self._plain_bias(weight), **self.how)

    def plain_weight(self) -> Tensor:
        """Of the convolution that computes the same."""
        weight = self._whitened(self.weight, self.whitening) * self.unit[:, None, None, None]
        return weight if self.alive is None else weight * self.alive

    def _plain_bias(self, weight: Tensor) -> Tensor:
        return self.bias * self.bias_unit - self._of_means(weight)

    def _whitened(self, weight: Tensor, whitening: Tensor) -> Tensor:
        if self.how["groups"] == 1:
            return torch.einsum("oikl,ij->ojkl", weight, whitening)
        return torch.bmm(weight.flatten(1)[:, None], whitening).view_as(weight)

    def _of_means(self, weight: Tensor) -> Tensor:
        """(out,): what the means of the inputs add to every output, borders apart."""
        taps = weight.sum(dim=(2, 3))
        return taps @ self.mean if self.how["groups"] == 1 else taps[:, 0] * self.mean

    @torch.no_grad()
    def _calibrate(self, x: Tensor) -> None:
        weight = self.plain_weight()
        bias = self._plain_bias(weight)
        given = _spreads(F.conv2d(x, weight, bias, **self.how))
        self.mean.copy_(x.float().mean(dim=(0, 2, 3)))
        covariance = self._covariance(x.float() - self.mean[:, None, None])
        whitening, back = _roots(covariance)
        fan_in = math.sqrt(self.weight[0].numel())
        self.whitening.copy_(whitening / fan_in)
        self.unit.copy_(given)
        self.bias_unit.copy_(given)
        self.weight.copy_(self._whitened(weight, back * fan_in) / given[:, None, None, None])
        self.bias.copy_((bias + self._of_means(weight)) / given)

    def gradient_scales(self, squares: Squares) -> Factors:
        """Per channel, for the weight and the bias."""
        weight = _scales_of(squares[self.weight].mean(dim=(1, 2, 3)).sqrt(), self.weight.numel())
        return weight, _scales_of(squares[self.bias].sqrt(), self.bias.numel())

    @torch.no_grad()
    def rescale(self, weight: Tensor, bias: Tensor) -> None:
        """Units so many times larger, (out,) each; what is computed stays."""
        self.unit.mul_(weight)
        self.weight.div_(weight[:, None, None, None])
        self.bias_unit.mul_(bias)
        self.bias.div_(bias)

    def _covariance(self, centred: Tensor) -> Tensor:
        """Of the channels, (C, C); where each channel has a kernel of its own, of what its taps see, (C, k*k, k*k)."""
        if self.how["groups"] == 1:
            flat = centred.transpose(0, 1).flatten(1)
            return flat @ flat.T / flat.shape[1]
        kernel, total = self.weight.shape[2:], torch.zeros_like(self.whitening)
        places = 0
        for image in centred:  # one by one: unfolding takes k*k times the memory
            taps = F.unfold(image[:, None], kernel, self.how["dilation"][0])
            total += taps @ taps.transpose(1, 2)
            places += taps.shape[2]
        return total / max(1, places)

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """The convolution that computes the same."""
        out_channels, per_group, kernel, _ = self.weight.shape
        conv = nn.Conv2d(per_group * self.how["groups"], out_channels, kernel, **self.how)
        weight = self.plain_weight()
        conv.weight.copy_(weight)
        assert conv.bias is not None
        conv.bias.copy_(self._plain_bias(weight))
        return conv


def whiten(network: nn.Module, hold_zeros: bool = False) -> None:
    """Puts a `WhitenedConv` in the place of every convolution."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d):
                setattr(parent, name, WhitenedConv(child, hold_zeros))


@torch.no_grad()
def unwhiten(network: nn.Module) -> None:
    """The reverse of `whiten`. A depthwise convolution's bias goes through the 1x1 that follows it, into its bias."""
    for block in [module for module in network.modules() if isinstance(module, ConvBlock)]:
        for name, child in list(block.named_children()):
            if isinstance(child, WhitenedConv | SharedConv):
                setattr(block, name, child.plain())
        if block.depthwise is not None and block.depthwise.bias is not None and block.conv.bias is not None:
            block.conv.bias += block.conv.weight[:, :, 0, 0] @ block.depthwise.bias
            block.depthwise.bias = None


@torch.no_grad()
def precondition(convolutions: Sequence[WhitenedConv | SharedConv], squares: Squares) -> None:
    """Units so that the loss is as steep along every channel, and along every tensor, as along all others.

    squares: of each parameter, the mean squares of the loss's derivatives by it, of its shape. How steep the loss is
    altogether does not matter: over all weights the geometric mean of the factors is 1, and none is above `_MOST`.
    """
    found = [conv.gradient_scales(squares) for conv in convolutions]
    sizes = [parameter.numel() for conv in convolutions for parameter in conv.parameters()]
    means = [float(factors.square().mean()) ** 0.5 for pair in found for factors in pair]
    # A flat tensor has factors of zero here: its step size is unknown, so it stays as it is.
    told = [(size, mean) for size, mean in zip(sizes, means, strict=True) if mean > 0]
    if not told:
        return
    typical = math.exp(sum(size * math.log(mean) for size, mean in told) / sum(size for size, _ in told))
    for conv, pair in zip(convolutions, found, strict=True):
        weight, bias = (torch.where(one > 0, (one / typical).clamp_max(_MOST), torch.ones_like(one)) for one in pair)
        conv.rescale(weight, bias)


def _scales_of(slopes: Tensor, numbers: int) -> Tensor:
    """(out,) factors that give each channel the same slope and the tensor's gradient a length of 1; 0 where it is flat.

    A channel along which the loss hardly changes is moved by at most 10 times what its slope alone would say.
    """
    typical = float(slopes.square().mean().sqrt())
    if typical == 0.0:
        return torch.zeros_like(slopes)
    lengths = slopes.clamp_min(0.1 * typical) * math.sqrt(numbers)
    return lengths.reciprocal()


def _roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """(..., n, n) -> what whitens such signals, and what undoes it.

    It is the correlations whose root is taken, so that signals in other units give the same whitened ones.
    """
    variances = covariance.double().diagonal(dim1=-2, dim2=-1)
    sizes = variances.clamp_min(0.0).sqrt()
    sizes = sizes.clamp_min(max(_SMALLEST * float(sizes.mean()), 1e-12))
    correlations = covariance.double() / sizes[..., :, None] / sizes[..., None, :]
    # A channel that is zero on these images gets unit scale: otherwise it would be scaled up without limit later.
    correlations.diagonal(dim1=-2, dim2=-1).fill_(1.0)
    values, vectors = torch.linalg.eigh(correlations)
    roots = (values.clamp_min(0.0) + _NOISE).sqrt()
    turned = vectors.transpose(-1, -2)
    whitening, back = (vectors * scale[..., None, :] @ turned for scale in (1 / roots, roots))
    return (whitening / sizes[..., None, :]).float(), (back * sizes[..., :, None]).float()


def _spreads(x: Tensor) -> Tensor:
    """(C,) standard deviations of the channels of (N, C, H, W), none next to nothing."""
    spreads = x.float().std(dim=(0, 2, 3))
    return spreads.clamp_min(max(_SMALLEST * float(spreads.mean()), 1e-12))
