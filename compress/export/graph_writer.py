"""A network -> ONNX, written node by node along the visitor: in float32, in half precision or in int8.

int8: QuantizeLinear and DequantizeLinear around float operators ("QDQ"), which ONNX Runtime and OpenVINO read as int8
kernels. The network is not traced: names stay, each tensor is rounded where the fake-quantised network rounds it, and
the six-stage teacher takes milliseconds where torch's exporter takes 8 s.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from compress.core.qparams import Half, Int8, Quantization, QuantParams
from compress.reconstruction.visitor import walk
from teachers.graph import IMAGE
from teachers.posenet import ConvBlock, InstanceNormBlock, PoseNet, Upsample2xBlock

OPSET = 18
BRANCHES = ("heatmaps", "pafs")
_IR_VERSION = 10
"""What runtimes of the last two years read; the package's own default is newer."""


def write_graph(
    network: PoseNet, quantization: Quantization | None, outputs: Mapping[str, tuple[int, str]]
) -> onnx.ModelProto:
    """Input `image` (1, 3, H, W) raw pixels in float32, outputs in float32; any H and W.

    outputs: name -> the stage, from 0, and `heatmaps` or `pafs`.
    """
    writer = GraphWriter(quantization)
    stages = [dict(zip(BRANCHES, maps, strict=True)) for maps in walk(network, writer, writer.image(network))]
    for name, (stage, branch) in outputs.items():
        writer.output(stages[stage][branch], name)
    skeleton = network.spec.skeleton
    shapes = dict(zip(BRANCHES, (skeleton.heatmap_channels, skeleton.paf_channels), strict=True))
    made = helper.make_graph(
        writer.finished(),
        "pose",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, shapes[branch], "rows", "columns"])
            for name, (_, branch) in outputs.items()
        ],
        writer.constants,
    )
    model: onnx.ModelProto = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = _IR_VERSION
    return model


class GraphWriter:
    """Arithmetic whose tensors are names of values in a graph that grows."""

    def __init__(self, quantization: Quantization | None) -> None:
        """None: everything in float32."""
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[Any] = []
        self._int8 = quantization if isinstance(quantization, Int8) else None
        self._half = isinstance(quantization, Half)
        self._type = np.float16 if self._half else np.float32
        self._grid_of: dict[str, QuantParams] = {}
        self._given_out: dict[str, str] = {}

    def image(self, network: PoseNet) -> str:
        """Raw pixels as the backbone takes them."""
        convention, x = network.spec.input, "image"
        if convention.scale != 1.0:
            x = self._node("Mul", [x, self._constant("input.scale", np.float32(convention.scale))], "input.scaled")
        if convention.offset != 0.0:
            x = self._node("Add", [x, self._constant("input.offset", np.float32(convention.offset))], "input.shifted")
        return self._on_grid(IMAGE, self._cast(x, "input.half", TensorProto.FLOAT16))

    def output(self, x: str, name: str) -> None:
        """Gives a value out under this name, in float32."""
        if self._half:
            self.nodes.append(helper.make_node("Cast", [x], [name], to=TensorProto.FLOAT))
        elif self._int8:
            self.nodes.append(helper.make_node("Identity", [x], [name]))
        else:
            self._given_out[x] = name

    def finished(self) -> list[onnx.NodeProto]:
        """The nodes, in which what is given out has its new name."""
        for node in self.nodes:
            node.input[:] = [self._given_out.get(name, name) for name in node.input]
            node.output[:] = [self._given_out.get(name, name) for name in node.output]
        return self.nodes

    def conv(self, name: str, block: ConvBlock, conv: nn.Conv2d, x: str, last: bool) -> str:
        """See `Arithmetic`."""
        first = block.depthwise is None or not last
        before = int(conv.padding[0])
        after = before + (block.extra_pad if first else 0)
        y = self._node(
            "Conv",
            [x, *self._weights(name, conv, x)],
            f"{name}.sum",
            kernel_shape=list(conv.kernel_size),
            strides=list(conv.stride),
            dilations=list(conv.dilation),
            group=conv.groups,
            pads=[before, before, after, after],
        )
        if last and block.relu:
            y = self._relu(name, y, block.relu_max)
        return self._on_grid(name, y)

    def max_pool(self, x: str, kernel: int, stride: int, pad: int) -> str:
        """See `Arithmetic`. On its input's grid, which rounds nothing: without it the pool would run in float."""
        name = f"{x}.pool{len(self.nodes)}"
        y = self._node("MaxPool", [x], name, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
        grid = self._grid_of.get(x)
        return y if grid is None else self._rounded(name, y, grid)

    def norm(self, name: str, block: InstanceNormBlock, x: str) -> str:
        """See `Arithmetic`. In single precision everywhere: squares of a deviation soon leave what fp16 holds."""
        inputs = [
            self._cast(x, f"{name}.single", TensorProto.FLOAT),
            self._constant(f"{name}.scale_of_norm", block.norm.weight.detach().numpy()),
            self._constant(f"{name}.shift_of_norm", block.norm.bias.detach().numpy()),
        ]
        y = self._node("InstanceNormalization", inputs, f"{name}.normed", epsilon=block.norm.eps)
        y = self._cast(y, f"{name}.half", TensorProto.FLOAT16)
        return self._on_grid(name, self._relu(name, y, block.relu_max) if block.relu else y)

    def upsample(self, name: str, block: Upsample2xBlock, x: str) -> str:
        """See `Arithmetic`; the operations of `Upsample2xBlock`, one by one."""
        scales = self._constant(f"{name}.scales", np.array([1, 1, 2, 2], np.float32))
        rule = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        y = self._node("Resize", [x, "", scales], f"{name}.twice", **rule)
        pads = self._constant(f"{name}.pads", np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64))
        y = self._node("Pad", [y, pads], f"{name}.padded", mode="edge")
        y = self._node("AveragePool", [y], f"{name}.mean", kernel_shape=[2, 2], strides=[1, 1])
        return self._on_grid(name, y)

    def join(self, name: str, parts: Sequence[str]) -> str:
        """See `Arithmetic`."""
        return self._on_grid(name, self._node("Concat", list(parts), f"{name}.joined", axis=1))

    def add(self, name: str, x: str, y: str) -> str:
        """See `Arithmetic`."""
        return self._on_grid(name, self._node("Add", [x, y], f"{name}.sum"))

    def _weights(self, name: str, conv: nn.Conv2d, x: str) -> list[str]:
        weight = conv.weight.detach().numpy()
        bias = None if conv.bias is None else conv.bias.detach().numpy()
        grid = self._grid_of.get(x)
        if self._int8 is None or name not in self._int8.weights or grid is None:
            both = [weight] if bias is None else [weight, bias]
            return [
                self._constant(f"{name}.{part}", values.astype(self._type))
                for part, values in zip(("weight", "bias"), both, strict=False)
            ]
        steps = np.array(self._int8.weights[name], np.float32)
        integers = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
        found = [self._dequantized(f"{name}.weight", integers, steps)]
        if bias is not None:
            # What ONNX asks of a bias: 32 bits, in steps of the input's times the weight's.
            products = np.float32(grid.scale) * steps
            whole = np.rint(bias / products)
            if np.abs(whole).max() > np.iinfo(np.int32).max:
                raise ValueError(f"{name}: its bias is too large for its steps")
            found.append(self._dequantized(f"{name}.bias", whole.astype(np.int32), products))
        return found

    def _dequantized(self, name: str, integers: NDArray[Any], steps: NDArray[np.float32]) -> str:
        zeros = self._constant(f"{name}.zero", np.zeros(len(steps), integers.dtype))
        inputs = [self._constant(f"{name}.integers", integers), self._constant(f"{name}.step", steps), zeros]
        return self._node("DequantizeLinear", inputs, name, axis=0)

    def _relu(self, name: str, y: str, relu_max: float | None) -> str:
        if relu_max is None:
            return self._node("Relu", [y], f"{name}.relu")
        bounds = [self._constant(f"{name}.{end}", self._type(value)) for end, value in (("lo", 0.0), ("hi", relu_max))]
        return self._node("Clip", [y, *bounds], f"{name}.relu")

    def _on_grid(self, name: str, x: str) -> str:
        grid = None if self._int8 is None else self._int8.grids.get(name)
        return x if grid is None else self._rounded(name, x, grid)

    def _rounded(self, name: str, x: str, grid: QuantParams) -> str:
        on = [
            self._constant(f"{name}.scale", np.float32(grid.scale)),
            self._constant(f"{name}.zero", np.uint8(grid.zero)),
        ]
        integers = self._node("QuantizeLinear", [x, *on], f"{name}.integers")
        y = self._node("DequantizeLinear", [integers, *on], f"{name}.rounded")
        self._grid_of[y] = grid
        return y

    def _cast(self, x: str, name: str, to: int) -> str:
        return self._node("Cast", [x], name, to=to) if self._half else x

    def _node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def _constant(self, name: str, values: Any) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name
