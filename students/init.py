"""Weights that nothing is known about: drawn from a seed, whatever torch's own generator is at."""

import math

import torch
from torch import nn

from teachers.posenet import ConvBlock, PoseNet, Stage
from teachers.spec import PoseNetSpec

HEAD_STD = 0.01
"""Of Cao et al.'s Caffe training: maps begin near zero, as most of a target is."""


def fresh_network(spec: PoseNetSpec, seed: int) -> PoseNet:
    """A network of Kaiming-normal weights (He et al. 2015, fan out, ReLU), heads normal of std 0.01, biases 0.

    Norms begin with a scale of 1 and no shift. Equal seeds give equal weights. The fan out of a
    depthwise convolution is that of its one output channel.
    """
    with torch.device("meta"):  # torch's own first weights would cost time and move its global generator
        network = PoseNet(spec)
    network.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    heads = {id(head) for head in _heads(network)}
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.weight[0, 0].numel() * module.out_channels // module.groups
                std = HEAD_STD if id(module) in heads else math.sqrt(2 / fan_out)
                module.weight.normal_(0, std, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.InstanceNorm2d):
                module.reset_parameters()
    return network.eval()


def _heads(network: PoseNet) -> list[nn.Conv2d]:
    """The last convolution of each branch of each stage."""
    stages = [stage for stage in network.stages if isinstance(stage, Stage)]
    ends = [branch[-1] for stage in stages for branch in (stage.paf, stage.heatmap)]
    return [end.conv for end in ends if isinstance(end, ConvBlock)]
