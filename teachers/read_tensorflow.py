"""Frozen TensorFlow graphs, read without TensorFlow: the few protobuf fields that hold constants are declared here.

Field numbers are those of tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto. Fields
that are not declared are skipped by protobuf itself.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from teachers.errors import UserError

_FLOAT32 = 1  # tensorflow.DataType.DT_FLOAT
_MAX_BYTES = 1 << 30
_STRING, _BYTES, _INT32, _INT64, _FLOAT = 9, 12, 5, 3, 2

# message -> (field, number, scalar type or message name, repeated)
_Field = tuple[str, int, int | str, bool]
_MESSAGES: dict[str, list[_Field]] = {
    "GraphDef": [("node", 1, "NodeDef", True)],
    "NodeDef": [("name", 1, _STRING, False), ("op", 2, _STRING, False), ("attr", 5, "AttrEntry", True)],
    "AttrEntry": [("key", 1, _STRING, False), ("value", 2, "AttrValue", False)],
    "AttrValue": [("tensor", 8, "TensorProto", False)],
    "TensorProto": [
        ("dtype", 1, _INT32, False),
        ("tensor_shape", 2, "TensorShapeProto", False),
        ("tensor_content", 4, _BYTES, False),
        ("float_val", 5, _FLOAT, True),
    ],
    "TensorShapeProto": [("dim", 2, "Dim", True)],
    "Dim": [("size", 1, _INT64, False)],
}


@cache
def _graph_message() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="frozen_graph.proto", package="frozen", syntax="proto3")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = declared.field.add(name=name, number=number, label=3 if repeated else 1)
            if isinstance(kind, str):
                field.type, field.type_name = 11, f".frozen.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("frozen.GraphDef"))


def read_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every float32 constant of a frozen graph by node name; UserError if the file is missing, cut short or another."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: {path.stat().st_size:,} bytes; a frozen pose graph is below {_MAX_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    graph = _graph_message()()
    try:
        graph.ParseFromString(data)
    except DecodeError as error:
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
