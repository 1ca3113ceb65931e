"""What an ONNX graph asks for at an input size: memory for its tensors, arithmetic, bytes to and from memory.

A runtime can do better by cutting tensors into pieces and worse by copying them; this is what the graph itself implies.
What runtimes compute in place or together with a neighbour counts nothing: ReLU, clipping, and the quantisation and
dequantisation around an int8 convolution. Weights are no activations.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx

_IN_PLACE = ("Relu", "Clip", "Identity", "Reshape", "Flatten", "QuantizeLinear", "DequantizeLinear", "Cast")
_MULTIPLYING = ("Conv", "ConvInteger", "QLinearConv", "Gemm", "MatMul")
_BYTES: Mapping[int, int] = {
    onnx.TensorProto.FLOAT: 4, onnx.TensorProto.FLOAT16: 2, onnx.TensorProto.BFLOAT16: 2, onnx.TensorProto.DOUBLE: 8,
    onnx.TensorProto.INT8: 1, onnx.TensorProto.UINT8: 1, onnx.TensorProto.BOOL: 1,
    onnx.TensorProto.INT32: 4, onnx.TensorProto.INT64: 8,
}  # fmt: skip
_PRECISION = {4: "fp32", 8: "fp32", 2: "fp16", 1: "int8"}


@dataclass(frozen=True)
class GraphFacts:
    """Of one image at one input size."""

    activation_peak_bytes: int
    """The largest sum of tensors that are needed at the same time."""
    moved_bytes: int
    """Every layer reads its inputs and weights once and writes its output once, and nothing stays in a cache."""
    macs: dict[str, int]
    """By precision: fp32, fp16, int8."""


def graph_facts(artefact: Path, input_hw: tuple[int, int]) -> GraphFacts:
    """Reads the graph and follows its shapes; ValueError where one does not follow from the input's."""
    try:
        graph = _Graph(_with_shapes(onnx.load_model(artefact), input_hw).graph)
    except (onnx.shape_inference.InferenceError, KeyError) as error:
        raise ValueError(
            f"the graph's shapes do not follow from the input's: {' '.join(str(error).split())}"
        ) from error
    return GraphFacts(graph.peak(), graph.moved(), graph.macs())


def _with_shapes(model: onnx.ModelProto, input_hw: tuple[int, int]) -> onnx.ModelProto:
    del model.graph.value_info[:]
    for value, sizes in [(model.graph.input[0], (1, 3, *input_hw)), *((out, None) for out in model.graph.output)]:
        shape = value.type.tensor_type.shape
        for index, dim in enumerate(shape.dim):
            if sizes is None and dim.dim_param:
                dim.dim_param = f"{value.name}_{index}"  # to be found out
            elif sizes is not None:
                dim.dim_value = sizes[index]
    found: onnx.ModelProto = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    return found


@dataclass
class _Graph:
    """The nodes in their order, and for every tensor where it is kept."""

    graph: onnx.GraphProto
    sizes: dict[str, tuple[tuple[int, ...], int]] = field(init=False)
    """Shape and bytes of an element."""
    weights: set[str] = field(init=False)
    home: dict[str, str] = field(init=False)
    """The tensor whose place in memory this one takes."""

    def __post_init__(self) -> None:
        graph = self.graph
        self.weights = {one.name for one in graph.initializer}
        self.sizes = {one.name: (tuple(one.dims), _BYTES[one.data_type]) for one in graph.initializer}
        for value in (*graph.input, *graph.value_info, *graph.output):
            kind = value.type.tensor_type
            shape = tuple(int(dim.dim_value) for dim in kind.shape.dim)
            self.sizes[value.name] = (shape, _BYTES[kind.elem_type])
        for node in graph.node:
            if node.op_type == "Constant":
                self.weights |= set(node.output)
        self.home = {}
        for node in graph.node:
            for name in node.output:
                in_place = node.op_type in _IN_PLACE
                self.home[name] = self.home.get(node.input[0], node.input[0]) if in_place else name

    def place(self, name: str) -> str:
        """Where a tensor is kept."""
        return self.home.get(name, name)

    def is_weight(self, name: str) -> bool:
        """Also a weight that is dequantised."""
        return self.place(name) in self.weights

    def bytes_at(self, place: str) -> int:
        """Of the smallest tensor kept there: what is quantised is never written whole."""
        kept = [name for name in (place, *self.home) if self.place(name) == place]
        return min(self._bytes(name) for name in kept)

    def _bytes(self, name: str) -> int:
        if name not in self.sizes or 0 in self.sizes[name][0]:
            raise ValueError(f"the size of {name or 'a tensor'} does not follow from the input's")
        shape, each = self.sizes[name]
        return math.prod(shape) * each

    def working(self) -> Iterable[tuple[int, onnx.NodeProto]]:
        """The nodes that take memory or time of their own, each with its place in the order."""
        return ((n, node) for n, node in enumerate(self.graph.node) if node.op_type not in (*_IN_PLACE, "Constant"))

    def peak(self) -> int:
        """The largest sum of what lives at the same time."""
        born: dict[str, int] = {self.graph.input[0].name: -1}
        dies: dict[str, int] = {}
        for number, node in enumerate(self.graph.node):
            for name in node.input:
                if name and not self.is_weight(name):
                    dies[self.place(name)] = number
            for name in node.output:
                if not self.is_weight(name):
                    born.setdefault(self.place(name), number)
        dies |= {self.place(value.name): len(self.graph.node) for value in self.graph.output}
        steps = [0] * (len(self.graph.node) + 1)
        for place, first in born.items():
            size = self.bytes_at(place)
            for number in range(max(0, first), dies.get(place, first) + 1):
                steps[number] += size
        return max(steps)

    def moved(self) -> int:
        """Inputs, weights and outputs of every layer."""
        total = 0
        for _, node in self.working():
            places = [self.place(name) for name in (*node.input, *node.output) if name]
            total += sum(self.bytes_at(place) for place in places)
        return total

    def macs(self) -> dict[str, int]:
        """Of convolutions and matrix products, by the precision of the weights."""
        found: dict[str, int] = {}
        for _, node in self.working():
            if node.op_type in _MULTIPLYING:
                weight = node.input[3] if node.op_type == "QLinearConv" else node.input[1]
                shape, _ = self.sizes[weight]
                each = math.prod(shape[1:]) if "Conv" in node.op_type else self.sizes[node.input[0]][0][-1]
                precision = _PRECISION[self.bytes_at(self.place(weight)) // math.prod(shape)]
                found[precision] = found.get(precision, 0) + math.prod(self.sizes[node.output[0]][0]) * each
        return found
