"""Structural reparameterization: a network is trained with batch norms and branches that are folded away afterwards.

Batch norm makes training from scratch possible and takes no time once it is folded into its convolution. RepVGG (Ding
et al. 2021, section 3.3) goes on from there: a 3x3 convolution is trained beside a 1x1 one and a plain path, each with
a batch norm of its own, and ships as one 3x3 convolution that computes the same.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from compress.clustering.kmeans import shared_layers
from compress.quantization.fake_quant import FakeQuantized
from compress.training.masks import SharedConv, as_before, half_exact, hold_zeros, learn_codebooks
from compress.training.whitening import WhitenedConv, unwhiten, whiten
from teachers.common.frozen import Frozen
from teachers.posenet import ConvBlock, Maps, PoseNet

EPSILON = 1e-5


class Reparameterization(Frozen):
    """What is added for the time of training."""

    batch_norm: Annotated[
        bool, Field(description="Batch norm after every convolution but the heads', folded away afterwards.")
    ] = True
    whiten: Annotated[
        bool,
        Field(
            description="Without batch norm: weights are learnt in units of the signals they join, so that one "
            "learning rate fits all. For networks that come trained; batch norm is for fresh ones."
        ),
    ] = True
    branches: Annotated[
        bool, Field(description="1x1 and plain paths beside the 3x3 convolutions, folded away afterwards; slower.")
    ] = False
    preserve: Annotated[
        Literal["sparsity", "clusters"] | None,
        Field(
            description="What training may not undo: weights that are zero (sparsity), or besides which weights share "
            "a value and what fp16 has exactly (clusters), so that the network packs to the same size."
        ),
    ] = None

    @model_validator(mode="after")
    def _can_be_kept(self) -> "Reparameterization":
        if self.preserve is not None and self.branches:
            raise ValueError("branches: what they fold into has no zeros; leave `preserve` or `branches` out")
        if self.preserve == "clusters" and self.batch_norm:
            raise ValueError(
                "batch_norm: would scale each channel, and shared values apart; preserve: clusters needs false"
            )
        return self


class NormedConv(nn.Module):
    """A convolution with batch norm and maybe branches, in the place of one that has a bias.

    Made from a convolution, it computes the same until the first training step moves its numbers: the statistics are
    those of the images given to `calibrate`, scale and shift undo them, and the branches begin with a scale of zero.

    The kernels are brought to the size of freshly drawn ones, which the scale undoes as well. It matters to the
    optimiser: Adam moves every weight by about the learning rate, and a published first convolution on pixels 0..255
    has weights a hundred times smaller than the others, of which one step would leave nothing.
    """

    def __init__(self, conv: nn.Conv2d, branches: bool) -> None:
        super().__init__()
        self.conv = copy.deepcopy(conv)
        if conv.bias is None:
            raise ValueError("a convolution without bias has no place for the folded shift")
        self.shift, self.size = conv.bias.detach().clone(), _sizes(conv)
        with torch.no_grad():
            self.conv.weight /= self.size[:, None, None, None]
        self.conv.bias = None
        self.norm = nn.BatchNorm2d(conv.out_channels, EPSILON)
        dense = conv.groups == 1 and conv.kernel_size[0] > 1
        self.small: nn.Conv2d | None = None
        self.small_norm: nn.BatchNorm2d | None = None
        self.plain_norm: nn.BatchNorm2d | None = None
        if branches and dense and _centred(conv):
            # Without a stride of its own: a strided 1x1 convolution of a 3-channel image in channels-last memory
            # corrupts the heap in torch 2.13's backward pass on CPUs.
            self.small = nn.Conv2d(conv.in_channels, conv.out_channels, 1, bias=False)
            self.small_norm = _silent(conv.out_channels)
            if conv.in_channels == conv.out_channels and conv.stride[0] == 1:
                self.plain_norm = _silent(conv.out_channels)
        self.calibrating = False

    def forward(self, x: Tensor) -> Tensor:
        """What the folded convolution computes."""
        made = self.conv(x)
        if self.calibrating:
            self._calibrate(made, x)
        found: Tensor = self.norm(made)
        if self.small is not None and self.small_norm is not None:
            found = found + self.small_norm(self.small(self._seen_by_small(x)))
        if self.plain_norm is not None:
            found = found + self.plain_norm(x)
        return found

    def _seen_by_small(self, x: Tensor) -> Tensor:
        stride = self.conv.stride[0]
        return x if stride == 1 else x[:, :, ::stride, ::stride]

    def _calibrate(self, made: Tensor, x: Tensor) -> None:
        with torch.no_grad():
            mean, variance = _set_statistics(self.norm, made)
            size, shift = self.size.to(made.device), self.shift.to(made.device)
            self.norm.weight.copy_(size * (variance + EPSILON).sqrt())
            self.norm.bias.copy_(size * mean + shift)
            if self.small is not None and self.small_norm is not None:
                _set_statistics(self.small_norm, self.small(self._seen_by_small(x)))
            if self.plain_norm is not None:
                _set_statistics(self.plain_norm, x)

    def folded(self) -> nn.Conv2d:
        """One convolution with bias that computes what this does in evaluation."""
        kernel, bias = _fold(self.conv.weight, self.norm)
        if self.small is not None and self.small_norm is not None:
            small, small_bias = _fold(self.small.weight, self.small_norm)
            kernel, bias = kernel + _centre(small, self.conv.kernel_size[0]), bias + small_bias
        if self.plain_norm is not None:
            plain, plain_bias = _fold(_identity(self.conv).to(kernel), self.plain_norm)
            kernel, bias = kernel + plain, bias + plain_bias
        conv = copy.deepcopy(self.conv)
        with torch.no_grad():
            conv.weight.copy_(kernel)
        conv.bias = nn.Parameter(bias.detach().clone())
        return conv


def _silent(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels, EPSILON)
    nn.init.zeros_(norm.weight)
    return norm


def _centred(conv: nn.Conv2d) -> bool:
    """Whether a 1x1 convolution at the window's middle sees the same places: padding of half the window."""
    half = conv.dilation[0] * (conv.kernel_size[0] - 1) // 2
    return conv.kernel_size[0] % 2 == 1 and conv.padding[0] == half


def _set_statistics(norm: nn.BatchNorm2d, values: Tensor) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(values.mean(dim=(0, 2, 3)))
    norm.running_var.copy_(values.var(dim=(0, 2, 3), correction=0))
    return norm.running_mean, norm.running_var


def _fold(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    # In double precision: a folded network is compared with the network that was trained, and ships.
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return (kernel.double() * scale[:, None, None, None]).to(kernel.dtype), bias.to(kernel.dtype)


def _centre(kernel: Tensor, size: int) -> Tensor:
    half = (size - 1) // 2
    return F.pad(kernel, (half, half, half, half))


def _identity(conv: nn.Conv2d) -> Tensor:
    kernel = torch.zeros_like(conv.weight)
    half = (conv.kernel_size[0] - 1) // 2
    channels = torch.arange(conv.out_channels)
    kernel[channels, channels, half, half] = 1.0
    return kernel


def _sizes(conv: nn.Conv2d) -> Tensor:
    """Per output channel, its kernel's root mean square over that of a fresh one; 1 where the kernel is all zero.

    Fresh kernels are those of He et al. 2015, equation (10).
    """
    fan_in = conv.weight[0].numel()
    size = conv.weight.detach().square().mean(dim=(1, 2, 3)).sqrt() / math.sqrt(2.0 / fan_in)
    return torch.where(size > 0, size, torch.ones_like(size))


@torch.no_grad()
def _even_out(block: ConvBlock) -> None:
    """Moves the sizes of depthwise kernels into the pointwise convolution that follows; what is computed stays."""
    if block.depthwise is not None:
        sizes = _sizes(block.depthwise)
        block.depthwise.weight /= sizes[:, None, None, None]
        block.conv.weight *= sizes[None, :, None, None]


class Outputs(NamedTuple):
    """What a loss may look at."""

    features: Tensor
    """(N, F, h, w), the backbone's."""
    stages: list[Maps]


class TrainingNetwork(nn.Module, ABC):
    """A network as it is trained."""

    @abstractmethod
    def forward(self, images: Tensor) -> Outputs:
        """Images (N, 3, H, W) as `PoseNet.all_stages` takes them."""

    @abstractmethod
    def calibrate(self, images: Tensor) -> None:
        """Sets what it adds to the network by these images, so that it computes what the network did."""

    def preconditioned(self) -> Sequence[WhitenedConv | SharedConv]:
        """The convolutions whose weights are learnt in units of their own; none if nothing is said."""
        return ()

    @abstractmethod
    def folded(self) -> PoseNet | FakeQuantized:
        """The network that ships, in evaluation mode."""


class ReparameterizedNetwork(TrainingNetwork):
    """A network as it is trained. `folded()` is the network that ships."""

    def __init__(self, network: PoseNet, settings: Reparameterization) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self._preserve, self._half = settings.preserve, half_exact(network) if settings.preserve == "clusters" else ()
        if settings.preserve == "clusters":
            learn_codebooks(self.network, shared_layers(network))
        if settings.batch_norm:
            for block in _blocks(self.network):
                if block.relu:  # a head ends without ReLU; its output is a map, not to be normalised
                    _even_out(block)
                    block.conv = NormedConv(block.conv, settings.branches)  # type: ignore[assignment]
        elif settings.whiten:
            whiten(self.network, settings.preserve is not None)
        if settings.preserve is not None:
            hold_zeros(self.network)

    def forward(self, images: Tensor) -> Outputs:
        """Images (N, 3, H, W) as `PoseNet.all_stages` takes them."""
        features = self.network.features(images)
        return Outputs(features, self.network.refine(features))

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Sets every batch norm so that the network computes what it did before it had any."""
        told = [module for module in self.modules() if isinstance(module, NormedConv | WhitenedConv | SharedConv)]
        self.eval()
        for module in told:
            module.calibrating = True
        self(images)
        for module in told:
            module.calibrating = False

    def preconditioned(self) -> list[WhitenedConv | SharedConv]:
        """The convolutions whose weights have units."""
        return [module for module in self.modules() if isinstance(module, WhitenedConv | SharedConv)]

    def folded(self) -> PoseNet:
        """The network of the spec, in evaluation mode, with batch norms and branches folded into its convolutions."""
        network = copy.deepcopy(self.network).cpu()
        for block in _blocks(network):
            if isinstance(block.conv, NormedConv):
                block.conv = block.conv.folded()
        unwhiten(network)
        plain = PoseNet(network.spec)
        plain.load_state_dict(network.state_dict())
        if self._preserve is not None:
            as_before(plain, self._half)
        return plain.eval()


def _blocks(network: PoseNet) -> Sequence[ConvBlock]:
    return [module for module in network.modules() if isinstance(module, ConvBlock)]
