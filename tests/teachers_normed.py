"""A network with instance norms and an upsampling, as MobileNet v2 teachers have them, small enough for any test."""

import torch
from conftest import tiny_spec

from teachers.layers import Conv, DepthwiseConv, InstanceNorm, Layer, Residual, Upsample2x
from teachers.posenet import PoseNet
from teachers.spec import BackboneSpec, PoseNetSpec, Tap

NORM, PLAIN = InstanceNorm(epsilon=0.001, relu_max=6.0), InstanceNorm(epsilon=0.001, relu=False)


def normed_spec(relu_max: float | None = 6.0, enlarged: bool = True) -> PoseNetSpec:
    """Two strides of 2, one more to stride 8, one to 16, and back; norms after all but the first convolution."""
    norm = NORM.model_copy(update={"relu_max": relu_max})

    def pointwise(channels: int) -> Conv:
        return Conv(channels=channels, kernel=1, pad=(0, 0), relu=False)

    def half(channels: int) -> tuple[Layer, ...]:
        return Conv(channels=channels, stride=2, pad=(0, 1), relu=False), norm

    body = (pointwise(16), norm, DepthwiseConv(relu=False), norm, pointwise(8), PLAIN)
    layers = (Conv(channels=4, stride=2, pad=(0, 1)), *half(6), *half(8), Residual(layers=body), *half(12))
    taps = (Tap(layer=5), Tap(layer=len(layers)))
    whole = BackboneSpec(name="normed", layers=(*layers, Upsample2x()), taps=taps)
    backbone = whole if enlarged else BackboneSpec(name="normed", layers=layers[:6], taps=taps[:1])
    return PoseNetSpec(**{**dict(tiny_spec(2)), "backbone": backbone})


def normed_network(seed: int = 0) -> PoseNet:
    """Random weights, norms' among them."""
    torch.manual_seed(seed)
    made = PoseNet(normed_spec())
    for module in made.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias)
    return made.eval()
