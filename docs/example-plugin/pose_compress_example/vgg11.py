"""VGG-11 (Simonyan, Zisserman 2014, network A) up to its sixth convolution, at stride 8."""

from students.backbones import Backbone
from students.widths import scaled
from teachers.layers import Conv, Layer, MaxPool

_BLOCKS = ((64,), (128,), (256, 256), (512, 512))


def vgg11(width: float) -> tuple[Layer, ...]:
    """Six 3x3 convolutions and three pools between them."""
    layers: list[Layer] = []
    for block in _BLOCKS:
        if layers:
            layers.append(MaxPool())
        layers.extend(Conv(channels=scaled(channels, width)) for channels in block)
    return tuple(layers)


VGG11 = Backbone("vgg11", vgg11)
