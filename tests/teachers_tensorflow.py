"""Frozen TensorFlow graphs written by hand, through none of our modules: graph.proto's wire format.

Node names, inputs and attributes are those of tf-pose-estimation's MobileNet v2 graphs.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from teachers_caffe import field as wire
from teachers_caffe import integer

BLOCKS = ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1), (96, 1), (96, 1),
          (96, 1))  # fmt: skip
"""Channels at width 1 and stride of expanded_conv, expanded_conv_1 ...: network_mobilenet_v2.py's table."""
FINE, COARSE = "MobilenetV2/expanded_conv_5/add", "MobilenetV2/expanded_conv_12/add"
ENLARGED = "base/layer_14/output/upsample"


def node(name: str, op: str, inputs: Iterable[str] = (), **attributes: bytes) -> bytes:
    """One NodeDef inside a GraphDef; attributes are AttrValues."""
    data = wire(1, name.encode()) + wire(2, op.encode()) + b"".join(wire(3, one.encode()) for one in inputs)
    for key, value in attributes.items():
        data += wire(5, wire(1, key.encode()) + wire(2, value))
    return wire(1, data)


def tensor(values: NDArray[np.generic]) -> bytes:
    """AttrValue.tensor of float32 or int32; a single whole number in int_val, where OpenCV looks for an axis."""
    if values.ndim == 0:
        return wire(8, integer(1, 3) + wire(2, b"") + integer(7, int(values)))
    kind = 1 if values.dtype == np.float32 else 3
    sizes = b"".join(wire(2, integer(1, size) if size else b"") for size in values.shape)
    content = values.tobytes()
    return wire(8, integer(1, kind) + wire(2, sizes) + (wire(4, content) if content else b""))


FLOATS = integer(6, 1)
"""AttrValue.type DT_FLOAT."""


def text(value: str) -> bytes:
    """AttrValue.s."""
    return wire(2, value.encode())


def numbers(*values: int) -> bytes:
    """AttrValue.list.i."""
    return wire(1, b"".join(integer(3, value) for value in values))


def real(value: float) -> bytes:
    """AttrValue.f."""
    return b"\x25" + struct.pack("<f", value)


def true(value: bool = True) -> bytes:
    """AttrValue.b."""
    return integer(5, int(value))


@dataclass
class Writer:
    """A MobileNet v2 pose graph of random weights, as published or with one thing changed."""

    width: float = 0.5
    refine: float = 0.5
    stages: int = 2
    front: str = "image"
    """How the front's norms were frozen: `image` (training mode), `stored` (FusedBatchNorm) or `folded` (BiasAdd)."""
    cells: tuple[int, int] | None = None
    """Written into the graph as the size to enlarge to, as OpenCV's reader needs it; else read off another node."""
    epsilon: float = 0.001
    changes: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Node name -> attributes to replace."""
    seed: int = 0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._nodes: list[bytes] = []
        self.names: list[str] = []

    def graph(self) -> bytes:
        """The whole file."""
        self._add("image", "Placeholder", (), dtype=FLOATS)
        at, channels = self._conv("MobilenetV2/Conv", "image", 3, self._wide(32), 3, stride=2)
        for number, (given, stride) in enumerate(BLOCKS):
            at, channels = self._block(number, at, channels, self._wide(given), stride)
        size = self._size()
        self._add(ENLARGED, "ResizeBilinear", (COARSE, size), T=FLOATS, align_corners=true(False))
        self._joined("feat_concat", FINE, ENLARGED)
        features, seen = channels + self._wide(32), "feat_concat"
        inputs = features
        for stage in range(1, self.stages + 1):
            heads = [self._branch(stage, letter, seen, inputs, given) for letter, given in (("L1", 38), ("L2", 19))]
            seen, inputs = f"Openpose/MConv_Stage{stage + 1}_concat", features + 57
            if stage < self.stages:
                self._joined(seen, *heads, "feat_concat")
        self._joined("Openpose/concat_stage7", heads[1], heads[0])
        return b"".join(self._nodes)

    def heads(self) -> list[str]:
        """OpenCV's layers that give every stage's heatmaps and PAFs; a convolution and its bias are one of them."""
        last = "Conv2D" if self.front == "folded" else "BatchNorm/FusedBatchNorm"
        return [
            f"Openpose/MConv_Stage{stage}_{letter}_5_pointwise/{last}"
            for stage in range(1, self.stages + 1)
            for letter in ("L2", "L1")
        ]

    def _wide(self, channels: int) -> int:
        return max(8, int(channels * self.width + 4) // 8 * 8)

    def _add(self, name: str, op: str, inputs: Iterable[str] = (), **attributes: bytes) -> None:
        self.names.append(name)
        self._nodes.append(node(name, op, inputs, **{**attributes, **self.changes.get(name, {})}))

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        kind = FLOATS if values.dtype == np.float32 else integer(6, 3)
        self._add(name, "Const", (), dtype=kind, value=tensor(values))
        return name

    def _random(self, shape: Sequence[int], scale: float, middle: float = 0.0) -> NDArray[np.float32]:
        return (middle + scale * self._rng.standard_normal(shape)).astype(np.float32)

    def _size(self) -> str:
        if self.cells is not None:
            return self._constant("strided_slice", np.array(self.cells, np.int32))
        self._add("Shape", "Shape", (FINE,), T=FLOATS, out_type=integer(6, 3))
        ends = [
            self._constant(f"strided_slice/stack{i}", np.array([n], np.int32))
            for i, n in (("", 1), ("_1", 3), ("_2", 1))
        ]
        self._add("strided_slice", "StridedSlice", ("Shape", *ends), T=integer(6, 3), Index=integer(6, 3))
        return "strided_slice"

    def _joined(self, name: str, *inputs: str) -> None:
        axis = self._constant(f"{name}/axis", np.array(3, np.int32))
        self._add(name, "ConcatV2", (*inputs, axis), N=integer(3, len(inputs)), T=FLOATS, Tidx=integer(6, 3))

    def _block(self, number: int, at: str, channels: int, given: int, stride: int) -> tuple[str, int]:
        scope, before, inner = f"MobilenetV2/expanded_conv{f'_{number}' if number else ''}", at, channels
        if number:
            inner = 6 * channels
            at, _ = self._conv(f"{scope}/expand", at, channels, inner, 1)
        at, _ = self._conv(f"{scope}/depthwise", at, inner, inner, 3, stride=stride, depthwise=True)
        at, _ = self._conv(f"{scope}/project", at, inner, given, 1, rectified="")
        if stride == 1 and given == channels:
            self._add(f"{scope}/add", "Add", (at, before), T=FLOATS)
            at = f"{scope}/add"
        return at, given

    def _branch(self, stage: int, letter: str, seen: str, inputs: int, head: int) -> str:
        at, wide = seen, int(128 * self.refine)
        outs = [*[(wide, 3)] * 3, (int(512 * self.refine) if stage == 1 else wide, 1), (head, 1)]
        for place, (given, kernel) in enumerate(outs, start=1):
            scope, last = f"Openpose/MConv_Stage{stage}_{letter}_{place}", place == len(outs)
            at, _ = self._conv(f"{scope}_depthwise", at, inputs, inputs, kernel, depthwise=True, rectified="", norm="")
            rectified = "" if last else "Relu"
            norm = "folded" if self.front == "folded" else "stored"
            at, inputs = self._conv(f"{scope}_pointwise", at, inputs, given, 1, rectified=rectified, norm=norm)
        return at

    def _conv(
        self, scope: str, at: str, seen: int, given: int, kernel: int, *, stride: int = 1, depthwise: bool = False,
        rectified: str = "Relu6", norm: str | None = None,
    ) -> tuple[str, int]:  # fmt: skip
        shape = (kernel, kernel, seen, 1 if depthwise else given)
        fan_in = kernel**2 * (1 if depthwise else seen)
        name = f"{scope}/{'depthwise_weights' if depthwise else 'weights'}/read/_1__cf__1"
        scale = (2 / fan_in) ** 0.5 / (128 if at == "image" else 1)
        weights = self._constant(name, self._random(shape, scale))
        op, name = ("DepthwiseConv2dNative", "depthwise") if depthwise else ("Conv2D", "Conv2D")
        steps = numbers(1, stride, stride, 1)
        self._add(f"{scope}/{name}", op, (at, weights), T=FLOATS, strides=steps, padding=text("SAME"),
                  data_format=text("NHWC"))  # fmt: skip
        at = self._norm(scope, f"{scope}/{name}", given, self.front if norm is None else norm)
        if rectified:
            self._add(f"{scope}/{rectified}", rectified, (at,), T=FLOATS)
            at = f"{scope}/{rectified}"
        return at, given

    def _norm(self, scope: str, at: str, channels: int, kind: str) -> str:
        name = f"{scope}/BatchNorm/FusedBatchNorm"
        if not kind:
            return at
        if kind == "folded":
            offset = self._constant(f"{at}_bn_offset", self._random((channels,), 0.3))
            self._add(name, "BiasAdd", (at, offset), T=FLOATS)
            return name
        scale = self._constant(f"{scope}/BatchNorm/gamma", self._random((channels,), 0.2, 1.0))
        shift = self._constant(f"{scope}/BatchNorm/beta", self._random((channels,), 0.3))
        nothing = np.zeros(0, np.float32)
        by_image = kind == "image"
        mean = nothing if by_image else self._random((channels,), 0.3)
        variance = nothing if by_image else np.abs(self._random((channels,), 0.3, 1.0))
        stored = [self._constant(f"{scope}/BatchNorm/{what}", values)
                  for what, values in (("mean", mean), ("variance", variance))]  # fmt: skip
        self._add(name, "FusedBatchNorm", (at, scale, shift, *stored), T=FLOATS, epsilon=real(self.epsilon),
                  is_training=true(by_image), data_format=text("NHWC"))  # fmt: skip
        return name
