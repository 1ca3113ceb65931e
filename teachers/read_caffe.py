"""Caffe models, read without Caffe: the weights of a .caffemodel and the layers of a .prototxt.

Field numbers are those of BVLC's src/caffe/proto/caffe.proto; raw_data is OpenCV's extension for half precision.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from teachers.common.errors import UserError
from teachers.protobuf_messages import BYTES, FLOAT, INT32, INT64, STRING, Field, MessageError, message_classes, parse
from teachers.prototxt import TextField, parse_text

_MAX_MODEL_BYTES = 2 << 30
_MAX_PROTOTXT_BYTES = 4 << 20
_LAYER, _V1_LAYER = 100, 2  # fields of NetParameter
# Numbers are declared as bytes: the packed floats are then handed over in one piece, not one by one.
_MESSAGES: dict[str, list[Field]] = {
    "LayerParameter": [("name", 1, STRING, False), ("blobs", 7, BYTES, True)],
    "V1LayerParameter": [("name", 4, STRING, False), ("blobs", 6, BYTES, True)],
    "BlobProto": [
        ("num", 1, INT32, False),
        ("channels", 2, INT32, False),
        ("height", 3, INT32, False),
        ("width", 4, INT32, False),
        ("data", 5, BYTES, True),
        ("shape", 7, "BlobShape", False),
        ("double_data", 8, BYTES, True),
        ("raw_data_type", 10, INT32, False),
        ("raw_data", 12, BYTES, True),
    ],
    "BlobShape": [("dim", 1, INT64, True)],
    "UnpackedBlobProto": [("data", 5, FLOAT, True)],
}
_FLOAT32 = "<f4"
_RAW_TYPES = {0: "<f8", 1: _FLOAT32, 2: "<f2"}  # OpenCV's caffe::Type DOUBLE, FLOAT, FLOAT16


@cache
def _messages() -> dict[str, Any]:
    return message_classes("caffe_weights", _MESSAGES)


class CaffeModel(NamedTuple):
    """The weights of a .caffemodel, and what was done to them that a user should know."""

    blobs: Mapping[str, tuple[NDArray[np.float32], ...]]
    """By layer name; for a convolution weights (out, in, h, w) and bias."""
    notes: tuple[str, ...]


def read_caffemodel(path: Path) -> CaffeModel:
    """The blobs of every layer that has any, as float32; other widths are converted, and said.

    The file is read layer by layer, so the peak is the blobs themselves and some five copies of the largest layer:
    240 MiB for the 200 MiB of the published COCO model. The arrays are writable and own their memory, so torch can
    take them without a copy. UserError says what was found instead.
    """
    found: dict[str, tuple[NDArray[np.float32], ...]] = {}
    converted: set[str] = set()
    for kind, data in _layers(path):
        try:
            layer = parse(_messages()[kind], data)
        except MessageError as error:
            last = next(reversed(found), None)
            place = f"the layer after {last!r}" if last else "its first layer"
            raise UserError(f"{path}: not a Caffe model, or damaged: {place} cannot be read; fetch it again") from error
        if not layer.blobs:
            continue
        if layer.name in found:
            raise UserError(f"{path}: layer {layer.name!r} occurs twice; each layer's weights must occur once")
        found[layer.name] = tuple(_blob(blob, f"{path}: layer {layer.name!r}", converted) for blob in layer.blobs)
    if not found:
        raise UserError(f"{path}: holds no layer with weights; a .caffemodel is needed, not a solver state")
    widths = ", ".join(sorted(converted))
    return CaffeModel(found, (f"{path.name}: weights in {widths} were converted to float32",) if converted else ())


def _layers(path: Path) -> Iterator[tuple[str, bytes]]:
    """The message name and bytes of each layer; other fields are skipped."""
    try:
        size = path.stat().st_size
        if size > _MAX_MODEL_BYTES:
            raise UserError(f"{path}: {size:,} bytes; Caffe itself reads no model above {_MAX_MODEL_BYTES:,}")
        with path.open("rb") as file:
            while (start := file.tell()) < size:
                field, length = _field(file, size, f"{path}: not a Caffe model, or damaged: at byte {start:,}")
                if file.tell() + length > size:
                    raise UserError(
                        f"{path}: cut short, or not a Caffe model: field {field} at byte {start:,} needs {length:,} "
                        f"bytes, {size - file.tell():,} are there; fetch it again"
                    )
                if field in (_LAYER, _V1_LAYER):
                    yield ("LayerParameter" if field == _LAYER else "V1LayerParameter"), file.read(length)
                else:
                    file.seek(length, 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def _field(file: BinaryIO, size: int, where: str) -> tuple[int, int]:
    """The number of the next field of the wire format and the length of what follows."""
    tag = _varint(file, where)
    field, wire_type = tag >> 3, tag & 7
    length = {0: 0, 1: 8, 5: 4}.get(wire_type)
    if wire_type == 2:
        length = _varint(file, where)
    elif wire_type == 0:
        _varint(file, where)
    if field == 0 or length is None or (wire_type != 2 and field in (_LAYER, _V1_LAYER)):
        raise UserError(f"{where} field {field} of wire type {wire_type}; the file has {size:,} bytes")
    return field, length


def _varint(file: BinaryIO, where: str) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise UserError(f"{where} it ends within a number; fetch it again")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise UserError(f"{where} stands no number")


def _blob(data: bytes, where: str, converted: set[str]) -> NDArray[np.float32]:
    """One blob's values; the name of their type joins `converted` if it is not float32."""
    kind = _FLOAT32
    try:
        blob = parse(_messages()["BlobProto"], data)
        if not (blob.data or blob.double_data or blob.raw_data):  # old writers did not pack
            flat = np.array(parse(_messages()["UnpackedBlobProto"], data).data, dtype=np.float32)
        elif blob.data:
            flat = _numbers(blob.data, kind)
        elif blob.double_data:
            kind = "<f8"
            flat = _numbers(blob.double_data, kind)
        elif blob.raw_data_type in _RAW_TYPES:
            kind = _RAW_TYPES[blob.raw_data_type]
            flat = _numbers(blob.raw_data, kind)
        else:
            raise UserError(f"{where}: its weights are integers (raw type {blob.raw_data_type}); float ones are needed")
    except (MessageError, ValueError) as error:
        raise UserError(f"{where}: its weights cannot be read; the file is damaged: fetch it again") from error
    shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
    if any(size < 0 for size in shape) or _product(shape) != flat.size:
        raise UserError(f"{where}: a blob of shape {shape} holds {flat.size:,} values; the file is damaged")
    if kind != _FLOAT32:
        converted.add(np.dtype(kind).name)
    return flat.reshape(shape)


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:  # Python's integers do not overflow, whatever a damaged file says
        total *= size
    return total


def _numbers(pieces: Any, kind: str) -> NDArray[np.float32]:
    """A packed field may come in several pieces; always a copy, since a view would keep its message alive."""
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return np.frombuffer(data, dtype=kind).astype(np.float32)


class PrototxtLayer(NamedTuple):
    """One layer of a prototxt; what a layer of its type does not have is None."""

    name: str
    type: str
    """`Convolution`, `ReLU`, ...; the upper-case names of old files are given in today's spelling."""
    line: int
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    num_output: int | None = None
    kernel: tuple[int, int] | None = None
    """Height and width, like `pad` and `stride`."""
    pad: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None
    dilation: tuple[int, int] | None = None
    group: int | None = None
    pool: str | None = None
    """`MAX`, `AVE` or `STOCHASTIC`."""


_V1_TYPES = {"CONVOLUTION": "Convolution", "RELU": "ReLU", "POOLING": "Pooling", "CONCAT": "Concat"}


def read_prototxt(path: Path) -> tuple[PrototxtLayer, ...]:
    """Every layer in file order; UserError names the line and what is wrong there."""
    try:
        if path.stat().st_size > _MAX_PROTOTXT_BYTES:
            raise UserError(
                f"{path}: {path.stat().st_size:,} bytes; a network's prototxt is below {_MAX_PROTOTXT_BYTES:,}"
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a prototxt: byte {error.start:,} is not text") from error
    fields = parse_text(text, str(path))
    layers = tuple(_layer(field, str(path)) for field in fields if field.name in ("layer", "layers"))
    if not layers:
        raise UserError(f"{path}: holds no layer; a network's prototxt begins its layers with `layer {{`")
    return layers


def _layer(field: TextField, path: str) -> PrototxtLayer:
    where = f"{path}:{field.line}"
    if isinstance(field.value, str):
        raise UserError(f"{where}: expected `{field.name} {{ ... }}`, found {field.value[:40]!r}")
    texts = {key: _texts(field.value, key) for key in ("name", "type", "bottom", "top")}
    if not texts["name"] or not texts["type"]:
        raise UserError(f"{where}: a layer needs a name and a type")
    kind = _V1_TYPES.get(texts["type"][-1], texts["type"][-1])
    layer = PrototxtLayer(texts["name"][-1], kind, field.line, texts["bottom"], texts["top"])
    if kind not in ("Convolution", "Pooling"):
        return layer
    key = "convolution_param" if kind == "Convolution" else "pooling_param"
    params = (part.value for part in field.value if part.name == key)
    inner = tuple(item for value in params if not isinstance(value, str) for item in value)
    layer = layer._replace(
        kernel=_pair(inner, "kernel", path),
        pad=_pair(inner, "pad", path) or (0, 0),
        stride=_pair(inner, "stride", path) or (1, 1),
    )
    if kind == "Pooling":
        return layer._replace(pool=(_texts(inner, "pool") or ("MAX",))[-1])
    outputs = _integers(inner, "num_output", path)
    if not outputs or layer.kernel is None:
        raise UserError(f"{where}: convolution {layer.name!r} needs num_output and kernel_size")
    dilation = _pair(inner, "dilation", path) or (1, 1)
    return layer._replace(
        num_output=outputs[-1], dilation=dilation, group=(_integers(inner, "group", path) or (1,))[-1]
    )


def _texts(fields: tuple[TextField, ...], key: str) -> tuple[str, ...]:
    return tuple(field.value for field in fields if field.name == key and isinstance(field.value, str))


def _integers(fields: tuple[TextField, ...], key: str, path: str) -> tuple[int, ...]:
    for field in fields:
        if field.name == key and not (
            isinstance(field.value, str) and field.value.isdecimal() and len(field.value) < 8
        ):
            raise UserError(f"{path}:{field.line}: {key} must be a whole number, found {str(field.value)[:40]!r}")
    return tuple(int(text) for text in _texts(fields, key))


def _pair(fields: tuple[TextField, ...], key: str, path: str) -> tuple[int, int] | None:
    """`pad: 3`, `pad: 3 pad: 3` or `pad_h: 3 pad_w: 3`."""
    both = _integers(fields, "kernel_size" if key == "kernel" else key, path)
    high, wide = (_integers(fields, f"{key}_{axis}", path) for axis in "hw")
    if both:
        return both[0], both[-1]
    return (high[-1], wide[-1]) if high and wide else None
