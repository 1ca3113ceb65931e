"""openpose-coco-vgg19: the network of Cao et al. (2016), as they published it for Caffe; 15 MPI keypoints likewise.

The first ten convolutions of VGG-19, two more (`CPM`), then two-branch stages: the first of 3x3 convolutions, the
others of 7x7. L1 is the PAF branch, L2 the heatmap branch; a stage sees (PAFs, heatmaps, features), as `concat_stage2`
of the published pose_deploy_linevec.prototxt does. Input is BGR, pixel / 256 - 0.5.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from teachers.common.errors import UserError
from teachers.posenet import PoseNet
from teachers.skeleton import COCO_18, MPI_15, Skeleton
from teachers.spec import BackboneSpec, Conv, InputSpec, Layer, MaxPool, PoseNetSpec, StageSpec, Tap

STAGES = 6
BRANCHES = {"paf": "L1", "heatmap": "L2"}
Blobs = Mapping[str, tuple[NDArray[np.float32], ...]]
_VGG = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 256, 128))  # the last two are not VGG's but CPM's
_SKELETONS = (COCO_18, MPI_15)
_FIRST_HEADS = {branch: f"conv5_5_CPM_{number}" for branch, number in BRANCHES.items()}
_LATER_STAGE = re.compile(r"Mconv[1-7]_stage([1-9][0-9]{0,2})_L[12]")
_SHOWN = 8


def spec(skeleton: Skeleton = COCO_18, stages: int = STAGES) -> PoseNetSpec:
    """The network's spec. COCO, six stages: 92 convolutions, 52.311 M parameters, 135.93 GMACs at 368x368."""
    layers: list[Layer] = []
    for block in _VGG:
        if layers:
            layers.append(MaxPool())
        layers.extend(Conv(channels=channels) for channels in block)
    return PoseNetSpec(
        skeleton=skeleton,
        stride=8,
        input=InputSpec(channels="bgr", scale=1 / 256, offset=-0.5),
        backbone=BackboneSpec(name="vgg19-cpm", layers=tuple(layers), taps=(Tap(layer=len(layers) - 1),)),
        stages=tuple(_stage(skeleton, first=number == 0) for number in range(stages)),
    )


def _stage(skeleton: Skeleton, first: bool) -> StageSpec:
    return StageSpec(paf=_branch(skeleton.paf_channels, first), heatmap=_branch(skeleton.heatmap_channels, first))


def _branch(head: int, first: bool) -> tuple[Layer, ...]:
    seen = Conv(channels=128) if first else Conv(channels=128, kernel=7, pad=(3, 3))
    mixed = Conv(channels=512 if first else 128, kernel=1, pad=(0, 0))
    return (*(3 if first else 5) * (seen,), mixed, Conv(channels=head, kernel=1, pad=(0, 0), relu=False))


def published_layers(spec: PoseNetSpec) -> dict[str, str]:
    """`stages.1.paf.0.conv` -> `Mconv1_stage2_L1`: our modules and the published layers, in network order.

    Widths do not matter; ValueError if the spec has other layers than this architecture.
    """
    names: dict[str, str] = {}
    block, place = 1, 0
    for index, layer in enumerate(spec.backbone.layers):
        if isinstance(layer, MaxPool):
            block, place = block + 1, 0
            continue
        place += 1
        suffix = "_CPM" if (block, place) in ((4, 3), (4, 4)) else ""
        names[f"backbone.layers.{index}.conv"] = f"conv{block}_{place}{suffix}"
    for number, stage in enumerate(spec.stages, start=1):
        for branch, suffix in BRANCHES.items():
            for place, _ in enumerate(getattr(stage, branch), start=1):
                name = f"conv5_{place}_CPM_{suffix}" if number == 1 else f"Mconv{place}_stage{number}_{suffix}"
                names[f"stages.{number - 1}.{branch}.{place - 1}.conv"] = name
    ours = [type(layer) for layer in _all_layers(_template(len(spec.stages)))]
    if [type(layer) for layer in _all_layers(spec)] != ours:
        raise ValueError(f"a {spec.backbone.name} network of other layers than the published one has no such names")
    return names


def _template(stages: int) -> PoseNetSpec:
    return spec(COCO_18, stages)


def _all_layers(spec: PoseNetSpec) -> Iterator[Layer]:
    yield from spec.backbone.layers
    for stage in spec.stages:
        yield from (*stage.paf, *stage.heatmap)


def recognise(outputs: Mapping[str, int], where: str) -> PoseNetSpec:
    """The spec from published layer names and each one's output channels; UserError says what it is not.

    Skeleton from the channels of the first stage's heads, stages from the names. Nothing else is compared here.
    """
    heads = [outputs.get(name) for name in _FIRST_HEADS.values()]
    if None in heads:
        lacking = ", ".join(name for name in _FIRST_HEADS.values() if name not in outputs)
        known = ", ".join(list(outputs)[:4]) + (", ..." if len(outputs) > 4 else "")
        hint = "; this looks like OpenPose's BODY_25" if any("_stage0_" in name for name in outputs) else ""
        raise UserError(
            f"{where}: not the COCO or MPI network of Cao et al.: no layer {lacking}{hint}; it holds {known or 'none'}"
        )
    skeleton = next((s for s in _SKELETONS if heads == [s.paf_channels, s.heatmap_channels]), None)
    if skeleton is None:
        known = " or ".join(f"{s.paf_channels} and {s.heatmap_channels} ({s.name})" for s in _SKELETONS)
        raise UserError(f"{where}: {heads[0]} PAF and {heads[1]} heatmap channels; known are {known}")
    numbers = {1} | {int(found[1]) for name in outputs if (found := _LATER_STAGE.fullmatch(name))}
    if max(numbers) != len(numbers):  # also keeps a made-up stage number from asking for any amount of memory
        raise UserError(f"{where}: stages {', '.join(map(str, sorted(numbers)))}; they must follow one another")
    return spec(skeleton, len(numbers))


def from_caffe(blobs: Blobs, where: str, prototxt: PoseNetSpec | None = None) -> tuple[PoseNetSpec, dict[str, Tensor]]:
    """The spec and the tensors for `load_weights` of a .caffemodel's blobs; the tensors share the blobs' memory.

    With the spec of its prototxt, stages that only the .caffemodel has are left out, as Caffe does: the published MPI
    weights of six stages serve the published prototxt of four. UserError begins with `where` and names what is missing,
    unexpected or of another shape.
    """
    found = recognise({name: arrays[0].shape[0] for name, arrays in blobs.items() if arrays[0].ndim}, where)
    left_out: set[str] = set()
    if prototxt is not None:
        _require_same(found, prototxt, where)
        left_out = set(published_layers(found).values()) - set(published_layers(prototxt).values())
        found = prototxt
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in PoseNet(found).state_dict().items()}
    tensors: dict[str, Tensor] = {}
    problems: list[str] = []
    layers = published_layers(found)
    for prefix, layer in layers.items():
        arrays = blobs.get(layer)
        if arrays is None:
            problems.append(f"{layer}: missing")
            continue
        if len(arrays) != 2:
            problems.append(f"{layer}: expected weights and bias, found {len(arrays)} blobs")
            continue
        for leaf, given in zip(("weight", "bias"), arrays, strict=True):
            expected = shapes[f"{prefix}.{leaf}"]
            # Before BlobShape every blob had four numbers, a bias (1, 1, 1, out).
            array = given.reshape(-1) if leaf == "bias" and given.shape == (1, 1, 1, *expected) else given
            if array.shape != expected:
                problems.append(f"{layer}: expected {leaf} of shape {expected}, found {array.shape}")
            else:
                tensors[f"{prefix}.{leaf}"] = torch.from_numpy(array)
    problems += [f"{name}: unexpected" for name in blobs if name not in {*layers.values(), *left_out}]
    raise_problems(problems, f"{where}: not the {found.skeleton.name} network of {len(found.stages)} stages")
    return found, tensors


def _require_same(found: PoseNetSpec, prototxt: PoseNetSpec, where: str) -> None:
    if found.skeleton != prototxt.skeleton:
        raise UserError(
            f"{where}: the weights are of {found.skeleton.name}, the prototxt is of {prototxt.skeleton.name}; "
            "give the two files of one network"
        )
    if len(found.stages) < len(prototxt.stages):
        raise UserError(f"{where}: weights of {len(found.stages)} stages, the prototxt has {len(prototxt.stages)}")


def raise_problems(problems: list[str], heading: str) -> None:
    """UserError lists the first problems under the heading, if there are any."""
    if problems:
        more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise UserError(f"{heading}:\n  " + "\n  ".join(problems[:_SHOWN]) + more)
