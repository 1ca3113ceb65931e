"""One way through a network for everything that computes it in fewer bits: the fake-quantised network, its artefact.

Both follow this walk with arithmetic of their own, so neither can round where the other does not. Every convolution and
every place where tensors meet has a name; a convolution's is that of its module.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from torch import nn

from teachers.posenet import (
    Backbone,
    Chain,
    ConcatBlock,
    ConvBlock,
    InstanceNormBlock,
    PoseNet,
    ResidualBlock,
    Stage,
    Upsample2xBlock,
)

IMAGE = "image"
T = TypeVar("T")


class Arithmetic(Protocol[T]):
    """What a walk computes with; T is its tensor."""

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: T, last: bool) -> T:
        """A convolution of a block. `last`: with the block's ReLU, where it has one; the first one pads unevenly."""

    def max_pool(self, x: T, kernel: int, stride: int, pad: int) -> T:
        """The largest of each window."""

    def norm(self, name: str, block: InstanceNormBlock, x: T) -> T:
        """An instance norm, each image by itself, with the block's ReLU, where it has one."""

    def upsample(self, name: str, block: Upsample2xBlock, x: T) -> T:
        """Twice the rows and columns; every value is a mean of up to four that were there."""

    def join(self, name: str, parts: Sequence[T]) -> T:
        """The parts' channels one after the other."""

    def add(self, name: str, x: T, y: T) -> T:
        """The sum of two tensors of one shape."""


def walk(network: PoseNet, arithmetic: Arithmetic[T], image: T) -> list[tuple[T, T]]:
    """Every stage's (heatmaps, pafs), from the image as the backbone sees it."""
    return _Walk(network, arithmetic).stages(image)


def stage_input(number: int) -> str:
    """The name of what stage `number` sees, counted from 0."""
    return f"stages.{number}.input"


FEATURES = "features"


def inputs(network: PoseNet) -> Mapping[str, str]:
    """Convolution -> the tensor that it reads, by the name of what made it; pools change nothing about a grid."""
    reading = _Reading({}, set())
    walk(network, reading, IMAGE)
    return reading.found


def before_norms(network: PoseNet) -> frozenset[str]:
    """The convolutions whose output an instance norm reads: it enlarges what rounding leaves of a weak channel."""
    reading = _Reading({}, set())
    walk(network, reading, IMAGE)
    return frozenset(reading.normed & reading.found.keys())


class _Reading:
    """Arithmetic whose tensors are the names of what made them."""

    def __init__(self, found: dict[str, str], normed: set[str]) -> None:
        self.found, self.normed = found, normed

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: str, last: bool) -> str:
        self.found[name] = x
        return name

    def max_pool(self, x: str, kernel: int, stride: int, pad: int) -> str:
        return x

    def norm(self, name: str, block: InstanceNormBlock, x: str) -> str:
        self.normed.add(x)
        return name

    def upsample(self, name: str, block: Upsample2xBlock, x: str) -> str:
        return name

    def join(self, name: str, parts: Sequence[str]) -> str:
        return name

    def add(self, name: str, x: str, y: str) -> str:
        return name


def convolutions(network: PoseNet) -> tuple[str, ...]:
    """Names of all convolutions."""
    return tuple(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))


class _Walk(Generic[T]):
    def __init__(self, network: PoseNet, arithmetic: Arithmetic[T]) -> None:
        self._network, self._do = network, arithmetic
        self._names: Mapping[nn.Module, str] = {module: name for name, module in network.named_modules()}

    def stages(self, image: T) -> list[tuple[T, T]]:
        features = self._backbone(self._network.backbone, image)
        found: list[tuple[T, T]] = []
        for number, stage in enumerate(self._network.stages):
            assert isinstance(stage, Stage)
            x = features
            if found:
                heatmaps, pafs = found[-1]
                x = self._do.join(stage_input(number), (pafs, heatmaps, features))
            x = self._chain(stage.trunk, x)
            pafs = self._chain(stage.paf, x)
            found.append((self._chain(stage.heatmap, x), pafs))
        return found

    def _backbone(self, backbone: Backbone, x: T) -> T:
        after: list[T] = []
        for layer in backbone.layers:
            x = self._layer(layer, x)
            after.append(x)
        taps = [
            self._do.max_pool(after[tap.layer], tap.pool, tap.pool, 0) if tap.pool > 1 else after[tap.layer]
            for tap in backbone.taps
        ]
        return self._do.join(FEATURES, taps) if len(taps) > 1 else taps[0]

    def _chain(self, chain: nn.Module, x: T) -> T:
        assert isinstance(chain, Chain)
        for layer in chain:
            x = self._layer(layer, x)
        return x

    def _layer(self, layer: nn.Module, x: T) -> T:
        if isinstance(layer, ConvBlock):
            if layer.depthwise is not None:
                x = self._do.conv(self._names[layer.depthwise], layer, layer.depthwise, x, last=False)
            return self._do.conv(self._names[layer.conv], layer, layer.conv, x, last=True)
        if isinstance(layer, ResidualBlock):
            return self._do.add(self._names[layer], x, self._chain(layer.body, x))
        if isinstance(layer, ConcatBlock):
            return self._do.join(self._names[layer], [self._chain(branch, x) for branch in layer.branches])
        if isinstance(layer, InstanceNormBlock):
            return self._do.norm(self._names[layer], layer, x)
        if isinstance(layer, Upsample2xBlock):
            return self._do.upsample(self._names[layer], layer, x)
        assert isinstance(layer, nn.MaxPool2d), f"{self._names[layer]}: no arithmetic knows this layer"
        kernel, stride, pad = (int(value) for value in (layer.kernel_size, layer.stride, layer.padding))  # type: ignore[arg-type]
        return self._do.max_pool(x, kernel, stride, pad)
