"""VGG-19 (Simonyan, Zisserman 2014) up to its tenth convolution, conv4_2, as Cao et al. (2016) cut it: stride 8."""

from students.widths import scaled
from teachers.layers import Conv, Layer, MaxPool

_BLOCKS = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512))


def vgg19(width: float) -> tuple[Layer, ...]:
    """Ten 3x3 convolutions and three pools between them; 5.866 M parameters at width 1."""
    layers: list[Layer] = []
    for block in _BLOCKS:
        if layers:
            layers.append(MaxPool())
        layers.extend(Conv(channels=scaled(channels, width)) for channels in block)
    return tuple(layers)
