"""Frozen TensorFlow graphs, read without TensorFlow: the few protobuf fields that hold constants are declared here.

Field numbers are those of tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachers.errors import UserError
from teachers.protobuf_messages import BYTES, FLOAT, INT32, INT64, STRING, Field, MessageError, message_classes, parse

_FLOAT32 = 1  # tensorflow.DataType.DT_FLOAT
_MAX_BYTES = 1 << 30

_MESSAGES: dict[str, list[Field]] = {
    "GraphDef": [("node", 1, "NodeDef", True)],
    "NodeDef": [("name", 1, STRING, False), ("op", 2, STRING, False), ("attr", 5, "AttrEntry", True)],
    "AttrEntry": [("key", 1, STRING, False), ("value", 2, "AttrValue", False)],
    "AttrValue": [("tensor", 8, "TensorProto", False)],
    "TensorProto": [
        ("dtype", 1, INT32, False),
        ("tensor_shape", 2, "TensorShapeProto", False),
        ("tensor_content", 4, BYTES, False),
        ("float_val", 5, FLOAT, True),
    ],
    "TensorShapeProto": [("dim", 2, "Dim", True)],
    "Dim": [("size", 1, INT64, False)],
}


@cache
def _graph_message() -> Any:
    return message_classes("frozen", _MESSAGES)["GraphDef"]


def read_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 constant of a frozen graph by node name; UserError if the file is missing, cut short or another."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: {path.stat().st_size:,} bytes; a frozen pose graph is below {_MAX_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        graph = parse(_graph_message(), data)
    except MessageError as error:
        raise UserError(
            f"{path}: not a whole TensorFlow graph ({len(data):,} bytes read); it may be cut short: fetch it again"
        ) from error
    constants: dict[str, NDArray[np.float32]] = {}
    for node in graph.node:
        if node.op == "Const":
            tensor = next((entry.value.tensor for entry in node.attr if entry.key == "value"), None)
            if tensor is not None and tensor.dtype == _FLOAT32:
                constants[node.name] = _values(tensor, node.name, path)
    if not constants:
        raise UserError(f"{path}: holds no float32 constants; a frozen graph with its weights inside is needed")
    return constants


def _values(tensor: Any, name: str, path: Path) -> NDArray[np.float32]:
    shape = [int(dim.size) for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        content = tensor.tensor_content
        flat = np.frombuffer(content[: len(content) // 4 * 4], dtype="<f4")
    else:
        flat = np.asarray(tensor.float_val, dtype=np.float32)
    expected = int(np.prod(shape, dtype=np.int64))
    if flat.size == 1 and expected > 1:  # TensorFlow writes a constant fill once
        flat = np.full(expected, flat[0], dtype=np.float32)
    if flat.size != expected:
        raise UserError(f"{path}: constant {name} has shape {shape} but {flat.size} values; the file is damaged")
    return flat.reshape(shape).astype(np.float32)
