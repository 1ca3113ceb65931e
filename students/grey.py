"""A fresh backbone under trained stages: it begins with the parent's response to a grey image, and little else.

Trained stages amplify whatever fresh features contain. On a frame of the sample video the joints of this project's
teacher have a root mean square of 0.04. For features of 0 its stages gave up to 2.4, around those of grey 0.03 to 0.14.
"""

import torch
from torch import Tensor

from students.channel_map import ChannelMap
from teachers.posenet import ConvBlock, PoseNet, Stage
from teachers.spec import IMAGE_CHANNELS

_SAYS_LITTLE = 0.03
"""What the last layer of the backbone is multiplied by."""
_CELLS = 32
"""Height and width of the grey image in the largest cells of the network; its middle sees no border."""


@torch.no_grad()
def begin_as_grey(parent: PoseNet, network: PoseNet, features: ChannelMap) -> None:
    """Sets the last layer of a fresh backbone, and the biases of inherited layers that see fewer features than before.

    features: which of the parent's features each of the network's stands for.
    """
    taps = network.spec.backbone.taps
    end = network.backbone.layers[taps[0].layer]
    if len(taps) != 1 or not isinstance(end, ConvBlock) or end.conv.bias is None:
        return
    grey = _features_of_grey(parent)
    known = features >= 0
    end.conv.weight *= _SAYS_LITTLE
    end.conv.bias[known] = grey[features[known]]
    for old, new in zip(parent.stages, network.stages, strict=False):
        assert isinstance(old, Stage) and isinstance(new, Stage)
        for before, after in zip(_readers(old), _readers(new), strict=False):
            _make_up(before, after, grey, end.conv.bias)


def _features_of_grey(parent: PoseNet) -> Tensor:
    """(F,), rounded, so that sums of other processors and threads give the same network."""
    side = _CELLS * parent.spec.multiple
    found = parent.features(torch.full((1, IMAGE_CHANNELS, side, side), 127.5))
    middle: Tensor = found[0, :, found.shape[2] // 2, found.shape[3] // 2]
    return torch.round(middle, decimals=2)


def _readers(stage: Stage) -> list[ConvBlock]:
    """The blocks that see what the stage is given, the features last."""
    firsts = [chain[0] for chain in ([stage.trunk] if len(stage.trunk) else [stage.paf, stage.heatmap])]
    return [block for block in firsts if isinstance(block, ConvBlock)]


def _make_up(old: ConvBlock, new: ConvBlock, grey: Tensor, begun: Tensor) -> None:
    """What the features that are gone said of grey goes into the bias, as far as the outputs are the same ones."""
    if new.conv.bias is not None and old.conv.out_channels == new.conv.out_channels and len(begun) < len(grey):
        gone = _response(old, grey) - _response(new, begun)
        new.conv.bias.add_(torch.round(gone, decimals=2))


def _response(block: ConvBlock, features: Tensor) -> Tensor:
    """(out,): what even features add to the block's sums, away from the border."""
    weights = block.conv.weight.sum(dim=(2, 3))
    if block.depthwise is not None:
        weights = weights * block.depthwise.weight.sum(dim=(1, 2, 3))
    found: Tensor = weights[:, -len(features) :] @ features
    return found
