"""openpose-mobilenet-thin: MobileNet v1 (width 0.75) front and six two-branch stages of separable convolutions.

Ildoo Kim's `mobilenet_thin`, trained on COCO, published as a frozen TensorFlow graph with batch norm folded in.
Input is raw BGR 0..255. On even inputs TensorFlow's SAME pads a stride-2 3x3 convolution by 0 before and 1 after.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachers.common.errors import UserError
from teachers.posenet import PoseNet
from teachers.read_tensorflow import read_constants
from teachers.skeleton import COCO_18
from teachers.spec import BackboneSpec, Conv, InputSpec, Layer, PoseNetSpec, SeparableConv, StageSpec, Tap
from teachers.weights import load_weights

STAGES = 6
_BACKBONE = (  # output channels and stride of each separable convolution, Conv2d_1 .. Conv2d_11
    (48, 1), (96, 2), (96, 1), (192, 2), (192, 1), (384, 1), (384, 1), (384, 1), (384, 1), (384, 1), (384, 1),
)  # fmt: skip
_SAME_STRIDE_2 = (0, 1)


def spec() -> PoseNetSpec:
    """The network's spec; 1,930,872 parameters."""
    layers: list[Layer] = [Conv(channels=24, stride=2, pad=_SAME_STRIDE_2)]
    for channels, stride in _BACKBONE:
        pad = _SAME_STRIDE_2 if stride == 2 else (1, 1)
        layers.append(SeparableConv(channels=channels, stride=stride, pad=pad))
    # Conv2d_3 is still at stride 4 and is pooled; Conv2d_7 and Conv2d_11 are at stride 8.
    taps = (Tap(layer=3, pool=2), Tap(layer=7), Tap(layer=11))
    return PoseNetSpec(
        skeleton=COCO_18,
        stride=8,
        input=InputSpec(channels="bgr", scale=1.0, offset=0.0),
        backbone=BackboneSpec(name="mobilenet-v1-0.75", layers=tuple(layers), taps=taps),
        stages=tuple(_stage(256 if number == 0 else 64) for number in range(STAGES)),
    )


def _stage(bottleneck: int) -> StageSpec:
    return StageSpec(
        paf=_branch(bottleneck, COCO_18.paf_channels), heatmap=_branch(bottleneck, COCO_18.heatmap_channels)
    )


def _branch(bottleneck: int, head: int) -> tuple[Layer, ...]:
    return (
        *(SeparableConv(channels=64) for _ in range(3)),
        SeparableConv(channels=bottleneck, kernel=1, pad=(0, 0)),
        SeparableConv(channels=head, kernel=1, pad=(0, 0), relu=False),
    )


def read(path: Path) -> PoseNet:
    """The network with the weights of `graph_opt.pb`; UserError names what does not fit."""
    return from_constants(read_constants(path), str(path))


def from_constants(constants: Mapping[str, NDArray[np.float32]], where: str) -> PoseNet:
    """The same from a graph's constants by name; UserError begins with `where`."""
    network = PoseNet(spec())
    tensors: dict[str, Tensor] = {}
    used: set[str] = set()
    missing: list[str] = []
    for name in network.state_dict():
        source = _constant_name(name)
        if source in constants:
            used.add(source)
            tensors[name] = _to_torch(constants[source], depthwise="depthwise" in name)
        else:
            missing.append(source)
    unexpected = sorted(constants.keys() - used)
    if missing or unexpected:
        lines = [f"{name}: missing" for name in missing] + [f"{name}: unexpected" for name in unexpected]
        raise UserError(f"{where}: not the mobilenet_thin graph:\n  " + "\n  ".join(lines[:8]))
    load_weights(network, tensors, where)
    return network.eval()


def _constant_name(name: str) -> str:
    """`stages.1.paf.0.depthwise.weight` -> `Openpose/MConv_Stage2_L1_1_depthwise/depthwise_weights`."""
    parts = name.split(".")
    leaf, layer = parts[-2:], int(parts[-3])
    if parts[0] == "backbone":
        prefix = f"MobilenetV1/Conv2d_{layer}"
        separable = layer > 0
    else:
        branch = {"paf": "L1", "heatmap": "L2"}[parts[2]]
        prefix = f"Openpose/MConv_Stage{int(parts[1]) + 1}_{branch}_{layer + 1}"
        separable = True
    if leaf == ["depthwise", "weight"]:
        return f"{prefix}_depthwise/depthwise_weights"
    pointwise = f"{prefix}_pointwise" if separable else prefix
    return f"{pointwise}/{'weights' if leaf[1] == 'weight' else 'Conv2D_bn_offset'}"


def _to_torch(values: NDArray[np.float32], depthwise: bool) -> Tensor:
    """TensorFlow keeps (h, w, in, out), and (h, w, channels, 1) for depthwise; torch (out, in, h, w)."""
    if values.ndim == 4:
        values = values.transpose(2, 3, 0, 1) if depthwise else values.transpose(3, 2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(values))
