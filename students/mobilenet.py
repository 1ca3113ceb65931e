"""MobileNet v1 (Howard et al. 2017) and v2 (Sandler et al. 2018) at stride 8; batch norm is folded in."""

from students.widths import scaled
from teachers.layers import Conv, DepthwiseConv, Layer, Residual

_V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1))
"""Channels and stride of each pair of a depthwise and a pointwise convolution."""
_V1_DILATED = 6
"""conv5_1, the first after the stride that was taken out."""

_V2 = (
    (1, 16, 1, 1, 1, 1),
    (6, 24, 2, 2, 1, 1),
    (6, 32, 3, 2, 1, 1),
    (6, 64, 4, 1, 1, 2),
    (6, 96, 3, 1, 2, 2),
    (6, 160, 3, 1, 2, 4),
    (6, 320, 1, 1, 4, 4),
)
"""Expansion, channels, blocks, stride of the first block (Sandler et al., table 2), its dilation, theirs."""


def mobilenet_v1(width: float) -> tuple[Layer, ...]:
    """As Osokin (2018, section 3.2) uses it for this very task: up to conv5_5, the stride of conv4_2 taken out and
    conv5_1 dilated by 2 to make up for it. He measured that; dilating the four layers after it too was not measured.
    Plain ReLU, as in the paper's text; 1,605,760 parameters at width 1.
    """
    layers: list[Layer] = [Conv(channels=scaled(32, width), stride=2)]
    for place, (channels, stride) in enumerate(_V1):
        dilation = 2 if place == _V1_DILATED else 1
        layers.append(DepthwiseConv(stride=stride, pad=(dilation, dilation), dilation=dilation))
        layers.append(Conv(channels=scaled(channels, width), kernel=1, pad=(0, 0)))
    return tuple(layers)


def mobilenet_v2(width: float) -> tuple[Layer, ...]:
    """All seventeen blocks, without the last 1x1 convolution to 1280 channels: for dense output the authors take the
    second last map (section 6.3). Strides beyond 8 are 1 and the depthwise convolutions after them are dilated by 2,
    then by 4, as there: every fourth cell is what the network of stride 32 computes. ReLU6; 1,795,936 parameters
    at width 1.
    """
    seen = scaled(32, width)
    layers: list[Layer] = [Conv(channels=seen, stride=2, relu_max=6.0)]
    for expansion, published, blocks, stride, first_dilation, later_dilation in _V2:
        channels = scaled(published, width)
        layers += _bottleneck(expansion * seen if expansion > 1 else 0, channels, stride, first_dilation)
        later = _bottleneck(expansion * channels, channels, 1, later_dilation)
        layers += (blocks - 1) * [Residual(layers=later)]
        seen = channels
    return tuple(layers)


def _bottleneck(expanded: int, channels: int, stride: int, dilation: int) -> tuple[Layer, ...]:
    """1x1 up to `expanded` channels (none if 0), depthwise, 1x1 down to `channels` without ReLU."""
    up = (Conv(channels=expanded, kernel=1, pad=(0, 0), relu_max=6.0),) if expanded else ()
    depthwise = DepthwiseConv(stride=stride, pad=(dilation, dilation), dilation=dilation, relu_max=6.0)
    return (*up, depthwise, Conv(channels=channels, kernel=1, pad=(0, 0), relu=False))
