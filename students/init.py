"""Weights that nothing is known about: drawn from a seed, whatever torch's own generator is at.

A network begins near silence. Its first layers are drawn for the range of what it is given, so that raw pixels do as
well as normalised ones, every layer keeps the size of what passes through it, and heads are nearly zero.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from teachers.posenet import Chain, ConcatBlock, ConvBlock, InstanceNormBlock, PoseNet, ResidualBlock, Stage
from teachers.spec import InputSpec, PoseNetSpec

HEAD_GAIN = 0.01
"""Root mean square of a head's maps where what it reads has 1: small beside a target's 0.05 to 0.1."""
BODY_GAIN = 0.1
"""Of the last layer of a residual's body: a row of residuals would double what passes with each of them."""


def fresh_network(spec: PoseNetSpec, seed: int) -> PoseNet:
    """A network of Kaiming-normal weights (He et al. 2015, fan in), heads and ends of residuals smaller, biases 0.

    What reads the image is divided by the root mean square of evenly spread pixels as the network is given them. Fan in
    keeps the size of a signal where channels become fewer or more; fan out made 36 times as much of it in SqueezeNet.
    Norms begin with a scale of 1 and no shift. Equal seeds give equal weights.
    """
    with torch.device("meta"):  # torch's own first weights would cost time and move its global generator
        network = PoseNet(spec)
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    gains = _gains(network)
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d):
                std = gains[name] / math.sqrt(module.weight[0].numel())
                module.weight.normal_(0, std, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.InstanceNorm2d):
                module.reset_parameters()
    return network.eval()


def input_rms(convention: InputSpec) -> float:
    """Root mean square of pixels, evenly spread over 0 to 255, as the backbone sees them."""
    middle = 127.5 * convention.scale + convention.offset
    return math.sqrt(middle**2 + (255 * convention.scale) ** 2 / 12)


def _gains(network: PoseNet) -> dict[str, float]:
    """Convolution -> root mean square of what it gives, over that of what it reads."""
    names = {id(module): name for name, module in network.named_modules()}
    gains = {
        names[id(conv)]: gain
        for block in network.modules()
        if isinstance(block, ConvBlock)
        for conv, gain in _block_gains(block)
    }
    for body in (block.body for block in network.modules() if isinstance(block, ResidualBlock)):
        gains |= {names[id(conv)]: gains[names[id(conv)]] * BODY_GAIN for conv in _ends([body])}
    gains |= {names[id(head)]: HEAD_GAIN for head in _ends(_branches(network))}
    rms = input_rms(network.spec.input)
    for conv in _readers(network.backbone.layers):
        gains[names[id(conv)]] /= rms
    return gains


def _block_gains(block: ConvBlock) -> Iterator[tuple[nn.Conv2d, float]]:
    """A ReLU loses half of the mean square; between a depthwise kernel and what follows there is none."""
    if block.depthwise is not None:
        yield block.depthwise, 1.0
    yield block.conv, math.sqrt(2.0) if block.relu else 1.0


def _branches(network: PoseNet) -> list[nn.ModuleList]:
    stages = [stage for stage in network.stages if isinstance(stage, Stage)]
    return [branch for stage in stages for branch in (stage.paf, stage.heatmap)]


def _ends(chains: Sequence[nn.ModuleList]) -> list[nn.Conv2d]:
    """The last convolution of each chain that ends in one."""
    return [chain[-1].conv for chain in chains if len(chain) and isinstance(chain[-1], ConvBlock)]


def _readers(chain: nn.ModuleList) -> list[nn.Conv2d]:
    """The convolutions that read what a chain is given; behind a norm nothing of its size is left."""
    for module in chain:
        if isinstance(module, ConvBlock):
            return [module.conv if module.depthwise is None else module.depthwise]
        if isinstance(module, ConcatBlock):
            return [conv for branch in module.branches if isinstance(branch, Chain) for conv in _readers(branch)]
        if isinstance(module, ResidualBlock):
            return _readers(module.body)
        if isinstance(module, InstanceNormBlock):
            return []
    return []
