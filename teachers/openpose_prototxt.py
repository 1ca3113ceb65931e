"""Whether a prototxt is the network of Cao et al.: every convolution's numbers and what each one sees are compared."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from teachers.openpose_vgg import BRANCHES, published_layers, raise_problems, recognise
from teachers.read_caffe import PrototxtLayer
from teachers.spec import Conv, Layer, MaxPool, PoseNetSpec

_LONGEST = 300  # a chain of concatenations of concatenations doubles with each; nothing published comes near


class _Expected(NamedTuple):
    layer: Conv
    sees: str | None
    """None for the first: an image may be given to Caffe in several ways."""


def from_prototxt(layers: Sequence[PrototxtLayer], where: str) -> PoseNetSpec:
    """The spec of a published prototxt; UserError begins with `where` and names everything that differs, by line."""
    convolutions = {layer.name: layer for layer in layers if layer.type == "Convolution"}
    spec = recognise({name: layer.num_output or 0 for name, layer in convolutions.items()}, where)
    check_prototxt(spec, layers, where)
    return spec


def check_prototxt(spec: PoseNetSpec, layers: Sequence[PrototxtLayer], where: str) -> None:
    """UserError unless the prototxt computes what `spec` does, in layers of the published names."""
    sees, gives = _flow(layers)
    convolutions = {layer.name: layer for layer in layers if layer.type == "Convolution"}
    expected = dict(_expected(spec))
    problems = [f"{name}: missing" for name in expected if name not in convolutions]
    for name, layer in convolutions.items():
        if name not in expected:
            problems.append(f"{name} (line {layer.line}): unexpected")
            continue
        wanted = expected[name]
        problems += [f"{name} (line {layer.line}): {text}" for text in _differences(layer, wanted.layer)]
        if wanted.sees is not None and sees[name] != wanted.sees:
            problems.append(f"{name} (line {layer.line}): expected to see {wanted.sees}, found {sees[name]}")
    for suffix in BRANCHES.values():
        head = [name for name in expected if name.endswith(suffix)][-1]
        if head in convolutions and head not in gives:
            problems.append(f"{head}: its output is changed by a later layer; a head has no ReLU")
    stages = len(spec.stages)
    raise_problems(problems, f"{where}: not the prototxt of the {spec.skeleton.name} network of {stages} stages")


def _differences(found: PrototxtLayer, wanted: Conv) -> Iterator[str]:
    pairs = (
        ("num_output", wanted.channels, found.num_output),
        ("kernel", 2 * (wanted.kernel,), found.kernel),
        ("pad", wanted.pad, found.pad),
        ("stride", 2 * (wanted.stride,), found.stride),
        ("dilation", (1, 1), found.dilation),
        ("group", 1, found.group),
    )
    for what, expected, there in pairs:
        if expected != there:
            yield f"expected {what} {expected}, found {there}"


def _expected(spec: PoseNetSpec) -> Iterator[tuple[str, _Expected]]:
    """Each published convolution with its numbers and a description of what it sees, in the words of `_flow`."""
    names = published_layers(spec)
    seen: str | None = None
    for index, layer in enumerate(spec.backbone.layers):
        if isinstance(layer, MaxPool):
            seen = _pooled(str(seen), "MAX", layer.kernel, layer.stride)
            continue
        name = names[f"backbone.layers.{index}.conv"]
        yield name, _Expected(_conv(layer), seen)
        seen = f"{name} + ReLU"
    features = str(seen)
    before = features
    for number, stage in enumerate(spec.stages):
        heads: list[str] = []
        for branch in BRANCHES:
            seen = before
            for place, layer in enumerate(getattr(stage, branch)):
                name = names[f"stages.{number}.{branch}.{place}.conv"]
                yield name, _Expected(_conv(layer), seen)
                seen = f"{name} + ReLU" if layer.relu else name
            heads.append(seen)
        before = _joined([*heads, features])


def _conv(layer: Layer) -> Conv:
    assert isinstance(layer, Conv)  # published_layers refuses every other layer
    return layer


def _flow(layers: Sequence[PrototxtLayer]) -> tuple[dict[str, str], set[str]]:
    """What each layer sees, and what is in some blob at the end: `conv1_2 + ReLU + MAX pool 2/2`."""
    blobs: dict[str, str] = {}
    sees: dict[str, str] = {}
    for layer in layers:
        inputs = [blobs.get(name, "the input") for name in layer.bottoms]
        sees[layer.name] = _joined(inputs) if len(inputs) != 1 else inputs[0]
        blobs.update(dict.fromkeys(layer.tops, _given(layer, sees[layer.name])))
    return sees, set(blobs.values())


def _given(layer: PrototxtLayer, seen: str) -> str:
    if layer.type == "Convolution":
        return layer.name
    if layer.type == "Concat":
        return seen
    if layer.type == "Pooling":
        kernel, stride = layer.kernel or (0, 0), layer.stride or (0, 0)
        if layer.pad == (0, 0) and len({*kernel}) == len({*stride}) == 1:
            return _pooled(seen, str(layer.pool), kernel[0], stride[0])
    return f"{seen} + {layer.type}"[:_LONGEST]


def _pooled(seen: str, kind: str, kernel: int, stride: int) -> str:
    return f"{seen} + {kind} pool {kernel}/{stride}"[:_LONGEST]


def _joined(parts: list[str]) -> str:
    return f"({', '.join(parts)})"[:_LONGEST]
