"""Channel scales that cancel out: what a channel is divided by, the next convolution multiplies by.

A ReLU lets a positive factor through, so a network has many sets of weights that compute the same. Among them are some
that one number per tensor can tell apart: where every channel of a tensor has about the same range, eight bits suffice
for all of them (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section
4.1). The scales are given; what they are measured by is the caller's choice.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from teachers.graph import IMAGE, Add, Graph, Join, Node, read_graph
from teachers.layers import Conv, DepthwiseConv, InstanceNorm, MaxPool, Upsample2x
from teachers.posenet import InstanceNormBlock, PoseNet
from teachers.spec import IMAGE_CHANNELS

Scales = Mapping[str, Tensor]
"""Name of a convolution in the network -> (C,), above zero: what each of its output channels is divided by."""


def scale_channels(network: PoseNet, scales: Scales) -> PoseNet:
    """A network that computes the same maps with its inner channels divided by `scales`; names left out stay.

    ValueError for a scale that is not above zero, and for a convolution that is not among `scalable(network)`.
    """
    free = scalable(network)
    for name, scale in scales.items():
        if name not in free:
            raise ValueError(f"scales: {name} is no convolution whose channels may be scaled")
        if not bool((scale > 0).all()):
            raise ValueError(f"scales: those of {name} are not all above zero")
    found = copy.deepcopy(network)
    _scale(found, scales)
    return found


def scalable(network: PoseNet) -> tuple[str, ...]:
    """Names of the convolutions whose output channels may be scaled.

    The others' may not: maps have a meaning, a ReLU with an upper limit cuts off at a number, and what is added to a
    residual's input must be of its size.
    """
    return tuple(_scale(copy.deepcopy(network), {}))


@torch.no_grad()
def _scale(network: PoseNet, scales: Scales) -> list[str]:
    """Rewrites the network's weights; the names of the convolutions that may be scaled."""
    scaling = _Scaling(network, read_graph(network.spec), scales)
    for node in scaling.graph.nodes:
        scaling.divided[node.name] = scaling.node(node)
    return scaling.free


@dataclass
class _Scaling:
    """Goes through the nodes in forward order."""

    network: PoseNet
    graph: Graph
    scales: Scales
    free: list[str] = field(default_factory=list)
    divided: dict[str, Tensor] = field(default_factory=lambda: {IMAGE: _ones(IMAGE_CHANNELS)})
    """(C,) for each node so far: what the channels of its tensor were divided by."""

    def node(self, node: Node) -> Tensor:
        seen = [self.divided[name] for name in node.inputs]
        if isinstance(node.operation, Conv | DepthwiseConv):
            return self.convolution(node, seen[0], self.required(node))
        if isinstance(node.operation, InstanceNorm):
            return self.norm(node, self.required(node))
        return torch.cat(seen) if isinstance(node.operation, Join) else seen[0]

    def required(self, node: Node) -> Tensor | None:
        """What its channels have to be divided by; None leaves that open."""
        if _cuts_off(node) or node.name in self.graph.maps or self.reaches_fixed(node.name):
            return _ones(node.channels)
        residual = self.residual_of(node)
        return None if residual is None else self.divided[residual.inputs[0]]

    def reaches_fixed(self, name: str) -> bool:
        """Whether this tensor, as it is or inside another one, meets what takes no scale.

        A norm undoes what is scaled before it, all but its epsilon.
        """
        for reader in self.graph.consumers[name]:
            operation = reader.operation
            if isinstance(operation, InstanceNorm):
                return True
            if isinstance(operation, Add) and not self.follows(reader):
                return True
            if isinstance(operation, Join | Add | MaxPool | Upsample2x) and self.reaches_fixed(reader.name):
                return True
        return False

    def follows(self, residual: Node) -> bool:
        """Whether the last layer of the residual can take on the scale of the residual's input."""
        end = self.graph.by_name[residual.inputs[1]]
        return isinstance(end.operation, Conv | DepthwiseConv | InstanceNorm) and not _cuts_off(end)

    def residual_of(self, node: Node) -> Node | None:
        """The residual whose last layer this is."""
        readers = self.graph.consumers[node.name]
        return next((one for one in readers if isinstance(one.operation, Add) and one.inputs[1] == node.name), None)

    def norm(self, node: Node, required: Tensor | None) -> Tensor:
        """Of its own accord a norm gives what it gave."""
        divided = _ones(node.channels) if required is None else required
        block = self.network.get_submodule(node.name)
        assert isinstance(block, InstanceNormBlock)
        block.norm.weight.copy_(block.norm.weight.double() / divided)
        block.norm.bias.copy_(block.norm.bias.double() / divided)
        return divided

    def convolution(self, node: Node, seen: Tensor, required: Tensor | None) -> Tensor:
        conv = self.network.get_submodule(node.name)
        assert isinstance(conv, nn.Conv2d)
        if required is None:
            self.free.append(node.name)
            required = self.scales[node.name].double() if node.name in self.scales else _ones(node.channels)
        factor = 1.0 / required[:, None, None, None]
        factor = factor * (seen[:, None, None, None] if conv.groups > 1 else seen[None, :, None, None])
        conv.weight.copy_(conv.weight.double() * factor)
        if conv.bias is not None:
            conv.bias.copy_(conv.bias.double() / required)
        return required


def _cuts_off(node: Node) -> bool:
    """Whether its ReLU cuts off above, at a number that no scale may move."""
    operation = node.operation
    return isinstance(operation, Conv | DepthwiseConv | InstanceNorm) and operation.relu_max is not None


def _ones(channels: int) -> Tensor:
    return torch.ones(channels, dtype=torch.float64)
