"""Caffe files written by hand, through none of our modules: caffe.proto's wire format and the published prototxt."""

import struct
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

Blobs = dict[str, tuple[NDArray[np.float32], ...]]
Shapes = dict[str, tuple[int, int, int]]
COCO, MPI = (38, 19), (28, 16)
_CONVOLUTION = """layer {{
  name: "{name}"
  type: "Convolution"
  bottom: "{bottom}"
  top: "{name}"
  param {{ lr_mult: 1.0 decay_mult: 1 }}
  convolution_param {{
    num_output: {out}
    pad: {pad}
    kernel_size: {kernel} # odd
    weight_filler {{ type: "gaussian" std: 0.01 }}
  }}
}}
"""
_RELU = 'layer {{\n  name: "{name}_relu"\n  type: "ReLU"\n  bottom: "{name}"\n  top: "{name}"\n}}\n'
_POOL = (
    'layer {{\n  name: "{name}"\n  type: "Pooling"\n  bottom: "{bottom}"\n  top: "{name}"\n'
    "  pooling_param {{ pool: MAX kernel_size: 2 stride: 2 }}\n}}\n"
)
_CONCAT = 'layer {{\n  name: "{top}"\n  type: "Concat"\n{bottoms}  top: "{top}"\n  concat_param {{ axis: 1 }}\n}}\n'
_FRONT = "1_1:64 1_2:64 P 2_1:128 2_2:128 P 3_1:256 3_2:256 3_3:256 3_4:256 P 4_1:512 4_2:512 4_3_CPM:256 4_4_CPM:128"


def published(heads: tuple[int, int], stages: int) -> tuple[str, Shapes]:
    """The text of the prototxt, and of each convolution (out, in, kernel)."""
    text = 'name: "pose"\ninput: "image"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 64\ninput_dim: 64 # of the image\n'
    shapes: Shapes = {}
    bottom, channels = "image", 3

    def convolution(name: str, bottom: str, shape: tuple[int, int, int], relu: bool = True) -> str:
        shapes[name] = shape
        made = _CONVOLUTION.format(name=name, bottom=bottom, out=shape[0], kernel=shape[2], pad=shape[2] // 2)
        return made + (_RELU.format(name=name) if relu else "")

    for number, word in enumerate(_FRONT.split()):
        if word == "P":
            text += _POOL.format(name=f"pool{number}", bottom=bottom)
            bottom = f"pool{number}"
            continue
        name, out = f"conv{word.split(':')[0]}", int(word.split(":")[1])
        text += convolution(name, bottom, (out, channels, 3))
        bottom, channels = name, out
    source, seen = bottom, 128
    for stage in range(1, stages + 1):
        outs = [(128, 3)] * 3 + [(512, 1)] if stage == 1 else [(128, 7)] * 5 + [(128, 1)]
        ends = []
        for branch, head in zip(("L1", "L2"), heads, strict=True):
            bottom, channels = source, seen
            for place, (out, kernel) in enumerate([*outs, (head, 1)], start=1):
                name = f"conv5_{place}_CPM_{branch}" if stage == 1 else f"Mconv{place}_stage{stage}_{branch}"
                text += convolution(name, bottom, (out, channels, kernel), relu=place <= len(outs))
                bottom, channels = name, out
            ends.append(bottom)
        source, seen = f"concat_stage{stage + 1}", 128 + sum(heads)
        parts = [*ends, "conv4_4_CPM"] if stage < stages else ends[::-1]
        bottoms = "".join(f'  bottom: "{part}"\n' for part in parts)
        text += _CONCAT.format(top=source if stage < stages else "net_output", bottoms=bottoms)
    return text, shapes


def random_blobs(shapes: Shapes, seed: int = 0) -> Blobs:
    """He et al.'s initialisation, which keeps activations of one size through any depth; biases are not zero."""
    generator = np.random.default_rng(seed)
    blobs: Blobs = {}
    for name, (out, channels, kernel) in shapes.items():
        weight = generator.standard_normal((out, channels, kernel, kernel), dtype=np.float32)
        weight *= np.float32(np.sqrt(2 / (channels * kernel * kernel)))
        blobs[name] = (weight, generator.standard_normal(out, dtype=np.float32) * np.float32(0.1))
    return blobs


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def blob(values: NDArray[np.float32]) -> bytes:
    """BlobProto as Caffe writes it: data, then shape."""
    return field(5, values.astype("<f4").tobytes()) + field(7, field(1, b"".join(map(varint, values.shape))))


def legacy_blob(values: NDArray[np.float32]) -> bytes:
    """Before BlobShape: num, channels, height, width, each float with a tag of its own."""
    shape = (1,) * (4 - values.ndim) + values.shape
    numbers = b"".join(integer(number, size) for number, size in enumerate(shape, start=1))
    return numbers + b"".join(varint(5 << 3 | 5) + struct.pack("<f", value) for value in values.ravel())


def layer(name: str, blobs: Iterable[bytes], kind: str = "Convolution") -> bytes:
    inner = field(1, name.encode()) + field(2, kind.encode()) + field(3, b"in") + field(4, name.encode())
    return field(100, inner + b"".join(field(7, part) for part in blobs))


def v1_layer(name: str, blobs: Iterable[bytes]) -> bytes:
    """V1LayerParameter; type 4 is CONVOLUTION."""
    inner = field(4, name.encode()) + integer(5, 4) + b"".join(field(6, part) for part in blobs)
    return field(2, inner)


def caffemodel(blobs: Mapping[str, tuple[NDArray[np.float32], ...]]) -> bytes:
    """A NetParameter: its name, a data layer without weights, then every layer."""
    head = field(1, b"pose") + integer(5, 0) + layer("data", [], "Input")
    return head + b"".join(layer(name, map(blob, arrays)) for name, arrays in blobs.items())
