"""Backbones a teacher can be swapped to: each a chain of layers that ends at stride 8, at any width."""

from collections.abc import Callable
from dataclasses import dataclass

from students.alexnet import alexnet
from students.mobilenet import mobilenet_v1, mobilenet_v2
from students.repvgg import repvgg
from students.squeezenet import squeezenet
from students.vgg import vgg19
from students.zfnet import zfnet
from teachers.common.plugins import extended
from teachers.layers import Conv, Layer
from teachers.spec import BackboneSpec, Tap

STRIDE = 8


@dataclass(frozen=True)
class Backbone:
    """One architecture. Batch norm is never in a spec: networks that ship have it folded into their convolutions."""

    name: str
    layers: Callable[[float], tuple[Layer, ...]]
    """Width multiplier -> the chain, whose last layer lies at stride 8 for input rows that are multiples of 8."""
    widths: bool = True
    """Whether widths other than 1 are taken. All do; one that cannot be scaled has False."""


_BUILT_IN = (
    Backbone("vgg19", vgg19),
    Backbone("alexnet", alexnet),
    Backbone("zfnet", zfnet),
    Backbone("squeezenet-1.1", squeezenet),
    Backbone("mobilenet-v1", mobilenet_v1),
    Backbone("mobilenet-v2", mobilenet_v2),
    Backbone("repvgg", repvgg),
)
BACKBONES: dict[str, Backbone] = extended(
    "compress.backbones",
    {backbone.name: backbone for backbone in _BUILT_IN},
    name=lambda backbone: backbone.name,
    fits=lambda found: isinstance(found, Backbone),
    expected="a students.backbones.Backbone",
)
"""By name. Those of other packages are named by entry points `compress.backbones`."""


def adapted(backbone: Backbone, width: float, features: int) -> BackboneSpec:
    """The backbone and a 1x1 convolution that turns what it gives into `features` channels for the stages."""
    layers = (*backbone.layers(width), Conv(channels=features, kernel=1, pad=(0, 0)))
    name = backbone.name if width == 1 else f"{backbone.name}-{width:g}"
    return BackboneSpec(name=name, layers=layers, taps=(Tap(layer=len(layers) - 1),))
