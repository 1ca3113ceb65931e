"""Follows a frozen graph from operation to operation: each convolution, what normalises it, and what rectifies it.

Whatever stands where something else is expected is named. So what is read is what the graph computes, not only what
its constants are called.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachers.common.errors import UserError
from teachers.layers import Conv, DepthwiseConv, InstanceNorm, Layer
from teachers.read_tensorflow import Graph, Node

_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_KINDS = {False: "Conv2D", True: "DepthwiseConv2dNative"}
_RELU_MAXIMA = {"Relu6": 6.0, "Relu": None}


class ExpectedConv(NamedTuple):
    """A convolution that must come next; whatever padding SAME means for an even number of rows."""

    scope: str
    depthwise: bool = False
    stride: int = 1
    rectified: str | None = "Relu6"
    """The operation after it; None where nothing rectifies it."""
    bare: bool = False
    """Neither bias nor norm after it: the depthwise half of a separable convolution."""


class Followed(NamedTuple):
    """What a convolution and its norm are in a spec, and the tensors of these layers in their order."""

    layers: tuple[Layer, ...]
    tensors: tuple[Tensor, ...]


@dataclass
class Walk:
    """One walk along a graph; `at` is the name of the node whose output comes next."""

    graph: Graph
    where: str
    at: str
    used: set[str] = field(default_factory=set)
    """Names of the nodes that were passed."""
    by_image: int = 0
    """Norms so far that take their numbers from the image at hand."""

    def __post_init__(self) -> None:
        self._readers: dict[str, list[Node]] = {}
        for node in self.graph.nodes.values():
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)

    def convolution(self, expected: ExpectedConv) -> Followed:
        """The convolution called `expected.scope` with its norm and its ReLU; `at` moves behind them."""
        node = self._convolution(expected)
        weight = self.constant(node, 1)
        depthwise = expected.depthwise
        if not _fits(weight.shape, depthwise):
            raise self.error(f"{node.name}: weights of shape {weight.shape}, expected {_form(depthwise)}")
        kernel = weight.shape[0]
        weight = np.ascontiguousarray(weight.transpose(2, 3, 0, 1) if depthwise else weight.transpose(3, 2, 0, 1))
        norm = None if expected.bare else self._norm(node.name)
        relu = expected.rectified is not None
        if expected.rectified is not None:
            self._pass(self._only(self.at, (expected.rectified,)))
        relu_max = _RELU_MAXIMA[expected.rectified] if expected.rectified is not None else None
        # TensorFlow's SAME pads a stride of 2 by one row less above, where rows are even.
        pad = ((kernel - 1) // 2, (kernel - 1) // 2) if expected.stride == 1 else ((kernel - 2) // 2, (kernel - 1) // 2)
        by_image = norm is not None and norm.op in _NORMS and "is_training" in norm.flags
        rectified = {"relu": relu and not by_image, "relu_max": None if by_image else relu_max}
        how = {"kernel": kernel, "stride": expected.stride, "pad": pad, **rectified}
        conv: Layer = DepthwiseConv(**how) if depthwise else Conv(channels=weight.shape[0], **how)
        if norm is None:
            return Followed((conv,), (torch.from_numpy(weight),))
        if not by_image:
            return Followed((conv,), self._folded(norm, weight))
        if not 0 < norm.epsilon < np.inf:  # not a number neither
            raise self.error(f"{norm.name}: expected an epsilon above 0, found {norm.epsilon:g}")
        self.by_image += 1
        scale, shift = (self.constant(norm, place) for place in (1, 2))
        after = InstanceNorm(epsilon=norm.epsilon, relu=relu, relu_max=relu_max)
        made = (weight, np.zeros(len(weight), np.float32), scale, shift)
        return Followed((conv, after), tuple(torch.from_numpy(values) for values in made))

    def constant(self, node: Node, place: int) -> NDArray[np.float32]:
        """The numbers that a node reads as this input."""
        name = node.inputs[place] if place < len(node.inputs) else "nothing"
        if name not in self.graph.constants:
            raise self.error(f"{node.name}: reads {name}, where constant numbers are expected")
        return self.graph.constants[name]

    def joined(self, name: str, ops: tuple[str, ...], inputs: tuple[str, ...]) -> None:
        """`at` moves behind the node `name`, which must do one of `ops` on these nodes; only Add minds no order."""
        node = self._named(name, ops)
        in_order = node.op.startswith("Add") or node.inputs[: len(inputs)] == inputs
        if not in_order or not set(inputs) <= set(node.inputs):
            raise self.error(f"{name}: expected to see {', '.join(inputs)}, found {', '.join(node.inputs)}")
        self._pass(node)

    def error(self, text: str) -> UserError:
        """For the caller to raise."""
        return UserError(f"{self.where}: {text}")

    def _convolution(self, expected: ExpectedConv) -> Node:
        kind = _KINDS[expected.depthwise]
        node = self._named(f"{expected.scope}/{'depthwise' if expected.depthwise else 'Conv2D'}", (kind,))
        if node.inputs[:1] != (self.at,):
            raise self.error(f"{node.name}: expected to see {self.at}, found {', '.join(node.inputs[:1])}")
        if node.strides != (1, expected.stride, expected.stride, 1) or node.padding != "SAME":
            raise self.error(
                f"{node.name}: expected stride {expected.stride} and padding SAME, found strides {node.strides} and "
                f"padding {node.padding or 'none'}"
            )
        if set(node.dilations) - {1}:
            raise self.error(f"{node.name}: expected no dilation, found {node.dilations}")
        self._pass(node)
        return node

    def _norm(self, name: str) -> Node:
        node = self._only(name, (*_NORMS, "BiasAdd", "Add", "AddV2"))
        self._pass(node)
        return node

    def _folded(self, norm: Node, weight: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        """Weight and bias with the norm in them: by stored numbers it is one more scale and shift."""
        if norm.op not in _NORMS:
            return torch.from_numpy(weight), torch.from_numpy(self.constant(norm, 1))
        scale, shift, mean, variance = (self.constant(norm, place).astype(np.float64) for place in (1, 2, 3, 4))
        if not len(weight) == scale.size == shift.size == mean.size == variance.size:
            raise self.error(f"{norm.name}: its numbers are not one for each of {len(weight)} channels")
        factor = scale / np.sqrt(variance + norm.epsilon)
        folded = (weight * factor[:, None, None, None], shift - mean * factor)
        return torch.from_numpy(folded[0].astype(np.float32)), torch.from_numpy(folded[1].astype(np.float32))

    def _named(self, name: str, ops: tuple[str, ...]) -> Node:
        node = self.graph.nodes.get(name)
        if node is None:
            raise self.error(f"{name}: missing")
        if node.op not in ops:
            raise self.error(f"{name}: expected {' or '.join(ops)}, found {node.op}")
        return node

    def _only(self, name: str, ops: tuple[str, ...]) -> Node:
        """The one node that reads `name`."""
        readers = self._readers.get(name, [])
        if len(readers) != 1 or readers[0].op not in ops:
            found = ", ".join(f"{node.op} ({node.name})" for node in readers[:3]) or "nothing"
            raise self.error(f"after {name}: expected {' or '.join(ops[:4])}, found {found}")
        return readers[0]

    def _pass(self, node: Node) -> None:
        self.used.add(node.name)
        self.at = node.name


def _fits(shape: tuple[int, ...], depthwise: bool) -> bool:
    """Whether weights have the shape of `_form`; SAME pads even kernels unevenly, and no published graph has any."""
    if len(shape) != 4 or 0 in shape or shape[0] != shape[1]:
        return False
    return shape[0] % 2 == 1 and (not depthwise or shape[3] == 1)


def _form(depthwise: bool) -> str:
    return "(k, k, channels, 1), k odd" if depthwise else "(k, k, in, out), k odd"
