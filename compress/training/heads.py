"""Heads by least squares: the last layers' weights that give a teacher's maps best, in closed form.

The maps are linear in a head's weights, so the summed squared L2 of equations (1) and (2) of Cao et al. (2016) has one
minimum over them, which takes one pass over the frames and no learning rate. What the layers before do stays.
"""

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compress.reconstruction.least_squares import damped
from compress.training.samples import TrainingSample
from teachers.posenet import Chain, ConvBlock, PoseNet, Stage

RIDGE = 1e-4
"""Of the mean of the inputs' squares: keeps weights where the frames do not determine them."""


@torch.no_grad()
def fit_heads(network: PoseNet, samples: Iterable[TrainingSample]) -> PoseNet:
    """A copy whose last stage's heads are fitted to the samples' maps, each cell counting as its mask says."""
    made: PoseNet = copy.deepcopy(network).eval()
    heads = head_convolutions(made)
    pulls = [_Pull(conv) for conv in heads]
    hooks = [conv.register_forward_pre_hook(pull.take) for conv, pull in zip(heads, pulls, strict=True)]
    try:
        for sample in samples:
            made(torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))[None].float())
            cells = torch.from_numpy(sample.mask).flatten()
            for pull, maps in zip(pulls, (sample.heatmaps, sample.pafs), strict=True):
                pull.add(torch.from_numpy(maps).flatten(1), cells)
    finally:
        for hook in hooks:
            hook.remove()
    for pull in pulls:
        pull.solve()
    return made


def head_convolutions(network: PoseNet) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Of the last stage: heatmaps', PAFs'. ValueError where a head is more than one convolution and nothing after."""
    stage = network.stages[-1]
    assert isinstance(stage, Stage)
    return _last(stage.heatmap), _last(stage.paf)


def _last(chain: nn.Module) -> nn.Conv2d:
    assert isinstance(chain, Chain)
    block = list(chain)[-1]
    if not isinstance(block, ConvBlock) or block.relu or block.conv.groups > 1 or block.conv.bias is None:
        raise ValueError("the last stage does not end in plain convolutions with a bias and without a ReLU")
    return block.conv


class _Pull:
    """Second moments of what a head sees, a constant 1 last, with what it should give."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self._conv = conv
        columns = conv.weight[0].numel() + 1
        self._inputs = torch.zeros(columns, columns, dtype=torch.float64)
        self._targets = torch.zeros(conv.out_channels, columns, dtype=torch.float64)
        self._seen = torch.empty(0)

    def take(self, conv: nn.Module, given: Any) -> None:
        """A forward pre-hook."""
        (self._seen,) = given

    def add(self, maps: Tensor, cells: Tensor) -> None:
        """maps (out, h * w), cells (h * w): how much each counts."""
        conv = self._conv
        columns = F.unfold(self._seen, conv.kernel_size, conv.dilation, conv.padding, conv.stride)[0]  # type: ignore[arg-type]
        seen = torch.cat((columns, torch.ones(1, columns.shape[1])))
        weighted = (seen * cells).T
        self._inputs += (seen @ weighted).double()
        self._targets += (maps @ weighted).double()

    def solve(self) -> None:
        """Puts the weights nearest to the given ones that give the targets best into the convolution."""
        conv = self._conv
        assert conv.bias is not None
        given = torch.cat((conv.weight.flatten(1), conv.bias[:, None]), dim=1).double()
        ridged = self._inputs.clone()
        ridged.diagonal()[:-1] += RIDGE * float(ridged.diagonal()[:-1].mean()) + 1e-12
        ridged.diagonal()[-1] += 1e-9
        missing = self._targets - given @ self._inputs
        fitted = (given + damped(ridged, lambda able: torch.linalg.solve(able, missing.T)).T).float()
        conv.weight.copy_(fitted[:, :-1].reshape(conv.weight.shape))
        conv.bias.copy_(fitted[:, -1])
