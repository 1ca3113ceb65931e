"""The graph of a network, computed with arithmetic of the caller's: fake-quantised, as an artefact, layer by layer.

All follow the same nodes, so none can round where another does not.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from torch import nn

from teachers.graph import IMAGE, Add, Graph, Join, Node, read_graph
from teachers.layers import Conv, DepthwiseConv, InstanceNorm, MaxPool
from teachers.posenet import ConvBlock, InstanceNormBlock, PoseNet, Upsample2xBlock

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
    graph = read_graph(network.spec)
    unread = Counter(name for node in graph.nodes for name in node.inputs)
    values = {IMAGE: image}
    for node in graph.nodes:
        values[node.name] = _computed(network, arithmetic, node, [values[name] for name in node.inputs])
        for name in node.inputs:
            unread[name] -= 1
            if not unread[name] and name not in graph.maps:
                del values[name]  # a tensor is kept as long as a later layer reads it
    return [(values[stage.heatmaps], values[stage.pafs]) for stage in graph.stages]


def _computed(network: PoseNet, do: Arithmetic[T], node: Node, x: Sequence[T]) -> T:
    operation = node.operation
    if isinstance(operation, Conv | DepthwiseConv):
        block, conv = network.get_submodule(node.block), network.get_submodule(node.name)
        assert isinstance(block, ConvBlock) and isinstance(conv, nn.Conv2d)
        return do.conv(node.name, block, conv, x[0], last=node.last)
    if isinstance(operation, MaxPool):
        return do.max_pool(x[0], operation.kernel, operation.stride, operation.pad)
    if isinstance(operation, Join):
        return do.join(node.name, x)
    if isinstance(operation, Add):
        return do.add(node.name, x[0], x[1])
    block = network.get_submodule(node.name)
    if isinstance(operation, InstanceNorm):
        assert isinstance(block, InstanceNormBlock)
        return do.norm(node.name, block, x[0])
    assert isinstance(block, Upsample2xBlock)
    return do.upsample(node.name, block, x[0])


def inputs(network: PoseNet) -> Mapping[str, str]:
    """Convolution -> the tensor that it reads, by the name of what made it; pools change nothing about a grid."""
    graph = read_graph(network.spec)
    return {node.name: _maker(graph, node.inputs[0]) for node in graph.convolutions}


def before_norms(network: PoseNet) -> frozenset[str]:
    """The convolutions whose output an instance norm reads: it enlarges what rounding leaves of a weak channel."""
    graph = read_graph(network.spec)
    norms = (node for node in graph.nodes if isinstance(node.operation, InstanceNorm))
    return frozenset(_maker(graph, node.inputs[0]) for node in norms) & inputs(network).keys()


def _maker(graph: Graph, name: str) -> str:
    """What made the tensor that a pool, or several in a row, may only have passed on."""
    while name in graph.by_name and isinstance(graph.by_name[name].operation, MaxPool):
        name = graph.by_name[name].inputs[0]
    return name


def convolutions(network: PoseNet) -> tuple[str, ...]:
    """Names of all convolutions, as torch lists the modules."""
    return tuple(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
