"""tf-pose-estimation's MobileNet v2 networks: mobilenet_v2_small, mobilenet_v2_large and the widths between.

Ildoo Kim's `network_mobilenet_v2.py`: Sandler et al.'s front up to its thirteenth block; the sixth block's output at
stride 8 beside the thirteenth's at stride 16, enlarged; then two-branch stages of separable convolutions. Widths are
those that the weights have. Published fronts were frozen in training mode: they normalise by the image at hand.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from teachers.common.errors import UserError
from teachers.layers import Conv, DepthwiseConv, Layer, Residual, SeparableConv, Upsample2x
from teachers.posenet import PoseNet
from teachers.read_tensorflow import Graph
from teachers.skeleton import COCO_18
from teachers.spec import BackboneSpec, InputSpec, PoseNetSpec, StageSpec, Tap
from teachers.tensorflow_walk import ExpectedConv, Followed, Walk

BACKBONE = "mobilenet-v2-openpose"
"""The name of its backbone in a spec: unlike the student `mobilenet-v2`, it goes on to stride 16."""
BRANCHES = {"paf": "L1", "heatmap": "L2"}
_STRIDES = (1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1)
"""Of the blocks expanded_conv, expanded_conv_1 .. expanded_conv_12."""
_FINE = 5
"""The block whose output, at stride 8, the stages see beside the last one's."""
_FRONT, _STAGE = "MobilenetV2/expanded_conv", "Openpose/MConv_Stage"
_LAYERS = 5
_MOST_STAGES = 50
_ENLARGED = "base/layer_14/output/upsample"
_FEATURES = "feat_concat"


def is_one(constants: Mapping[str, NDArray[np.float32]]) -> bool:
    """Whether a graph's constants are named as those of such a network."""
    return all(any(name.startswith(prefix) for name in constants) for prefix in (_FRONT, _STAGE))


class Read(NamedTuple):
    """A spec and the tensors of its network, by name."""

    spec: PoseNetSpec
    tensors: dict[str, Tensor]
    notes: tuple[str, ...]


def from_graph(graph: Graph, where: str) -> Read:
    """The network of a frozen graph; UserError begins with `where` and names what is not as in the published ones."""
    images = [name for name, node in graph.nodes.items() if node.op == "Placeholder"]
    if len(images) != 1:
        raise UserError(f"{where}: expected one input, found {', '.join(images) or 'none'}")
    walk = Walk(graph, where, images[0])
    backbone, tensors = _backbone(walk)
    stages: list[StageSpec] = []
    before: tuple[str, ...] = ()
    while len(stages) < _MOST_STAGES and f"{_STAGE}{len(stages) + 1}_L1_1_depthwise/depthwise" in graph.nodes:
        stage, found, before = _stage(walk, len(stages) + 1, before)
        stages.append(stage)
        tensors += found
    if not stages:
        raise UserError(f"{where}: {_STAGE}1_L1_1_depthwise/depthwise: missing")
    _refuse_others(walk)
    try:
        spec = PoseNetSpec(skeleton=COCO_18, stride=8, input=InputSpec(), backbone=backbone, stages=tuple(stages))
    except ValidationError as error:  # a head of another skeleton, a residual of other channels
        raise walk.error(f"not the published network: {error.errors()[0]['msg']}") from error
    notes = (
        f"{walk.by_image} of its batch norms were frozen in training mode: each image is normalised by its own numbers",
    )
    return Read(spec, _named(spec, tensors), notes if walk.by_image else ())


def _backbone(walk: Walk) -> tuple[BackboneSpec, list[Tensor]]:
    layers, tensors = _split(walk.convolution(ExpectedConv("MobilenetV2/Conv", stride=2)))
    taps: list[Tap] = []
    fine = ""
    for number, stride in enumerate(_STRIDES):
        block, found = _block(walk, f"{_FRONT}_{number}" if number else _FRONT, stride)
        layers += block
        tensors += found
        if number == _FINE:
            taps.append(Tap(layer=len(layers) - 1))
            fine = walk.at
    walk.joined(_ENLARGED, ("ResizeBilinear",), (walk.at,))
    _require_enlarged(walk, fine)
    layers.append(Upsample2x())
    taps.append(Tap(layer=len(layers) - 1))
    walk.joined(_FEATURES, ("ConcatV2",), (fine, walk.at))
    return BackboneSpec(name=BACKBONE, layers=tuple(layers), taps=tuple(taps)), tensors


def _block(walk: Walk, scope: str, stride: int) -> tuple[list[Layer], list[Tensor]]:
    """Expansion (not in the first block), depthwise convolution, projection; plus what came in if of its shape."""
    before = walk.at
    parts = [] if scope == _FRONT else [walk.convolution(ExpectedConv(f"{scope}/expand"))]
    parts.append(walk.convolution(ExpectedConv(f"{scope}/depthwise", depthwise=True, stride=stride)))
    parts.append(walk.convolution(ExpectedConv(f"{scope}/project", rectified=None)))
    layers = [layer for part in parts for layer in part.layers]
    tensors = [tensor for part in parts for tensor in part.tensors]
    first, last = parts[0].tensors[0], parts[-1].tensors[0]
    seen = first.shape[0] if scope == _FRONT else first.shape[1]  # a depthwise convolution has one input to a filter
    if stride == 1 and seen == last.shape[0]:
        walk.joined(f"{scope}/add", ("Add", "AddV2"), (walk.at, before))
        return [Residual(layers=tuple(layers))], tensors
    return layers, tensors


def _require_enlarged(walk: Walk, fine: str) -> None:
    """That the enlargement follows the old rule and ends at the cells of `fine`; a constant size says nothing of it."""
    node = walk.graph.nodes[_ENLARGED]
    strange = node.flags & {"align_corners", "half_pixel_centers"}
    if strange:
        raise walk.error(f"{_ENLARGED}: enlarges with {', '.join(sorted(strange))}, which published graphs do not")
    size = walk.graph.nodes.get(node.inputs[1]) if len(node.inputs) > 1 else None
    shape = walk.graph.nodes.get(size.inputs[0]) if size is not None and size.inputs else None
    if size is not None and (shape is None or shape.op != "Shape" or shape.inputs != (fine,)):
        raise walk.error(f"{_ENLARGED}: expected to end at the size of {fine}, found that of {size.name}")


def _stage(walk: Walk, number: int, before: tuple[str, ...]) -> tuple[StageSpec, list[Tensor], tuple[str, ...]]:
    """The stage, its tensors, and the names of its two heads."""
    seen = _FEATURES
    if before:
        seen = f"{_STAGE}{number}_concat"
        walk.joined(seen, ("ConcatV2",), (*before, _FEATURES))
    branches: dict[str, tuple[Layer, ...]] = {}
    tensors: list[Tensor] = []
    heads: list[str] = []
    for branch, letter in BRANCHES.items():
        walk.at = seen
        layers: list[Layer] = []
        for place in range(1, _LAYERS + 1):
            separable, found = _separable(
                walk, f"{_STAGE}{number}_{letter}_{place}", "Relu" if place < _LAYERS else None
            )
            layers += separable
            tensors += found
        branches[branch] = tuple(layers)
        heads.append(walk.at)
    return StageSpec(paf=branches["paf"], heatmap=branches["heatmap"]), tensors, tuple(heads)


def _separable(walk: Walk, scope: str, rectified: str | None) -> tuple[list[Layer], list[Tensor]]:
    depthwise = walk.convolution(ExpectedConv(f"{scope}_depthwise", depthwise=True, rectified=None, bare=True))
    pointwise = walk.convolution(ExpectedConv(f"{scope}_pointwise", rectified=rectified))
    (first,), (last, *norm) = depthwise.layers, pointwise.layers
    assert isinstance(first, DepthwiseConv) and isinstance(last, Conv)  # what `convolution` makes of such nodes
    if last.kernel != 1:
        raise walk.error(f"{scope}_pointwise: expected a kernel of 1, found {last.kernel}")
    joined = SeparableConv(channels=last.channels, kernel=first.kernel, pad=first.pad, relu=last.relu)
    return [joined, *norm], [*depthwise.tensors, *pointwise.tensors]


def _refuse_others(walk: Walk) -> None:
    """What has weights and was not passed on the way would be lost."""
    found = [
        name
        for name, node in walk.graph.nodes.items()
        if name not in walk.used and any(given in walk.graph.constants for given in node.inputs)
    ]
    if found:
        more = f" and {len(found) - 4} more" if len(found) > 4 else ""
        raise walk.error(f"not the published network: {', '.join(found[:4])}{more}: unexpected")


def _split(found: Followed) -> tuple[list[Layer], list[Tensor]]:
    return list(found.layers), list(found.tensors)


def _named(spec: PoseNetSpec, tensors: list[Tensor]) -> dict[str, Tensor]:
    """Tensors were met in the order in which a network built from the spec has them."""
    with torch.device("meta"):
        names = list(PoseNet(spec).state_dict())
    return dict(zip(names, tensors, strict=True))
