"""Frozen TensorFlow graphs, read without TensorFlow: the few protobuf fields that are needed are declared here.

Field numbers are those of tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachers.common.errors import UserError
from teachers.protobuf_messages import BYTES, FLOAT, INT32, INT64, STRING, Field, MessageError, message_classes, parse

_FLOAT32 = 1  # tensorflow.DataType.DT_FLOAT
_MAX_BYTES = 1 << 30

_MESSAGES: dict[str, list[Field]] = {
    "GraphDef": [("node", 1, "NodeDef", True)],
    "NodeDef": [
        ("name", 1, STRING, False),
        ("op", 2, STRING, False),
        ("input", 3, STRING, True),
        ("attr", 5, "AttrEntry", True),
    ],
    "AttrEntry": [("key", 1, STRING, False), ("value", 2, "AttrValue", False)],
    "AttrValue": [
        ("list", 1, "ListValue", False),
        ("s", 2, BYTES, False),
        ("f", 4, FLOAT, False),
        ("b", 5, INT64, False),
        ("tensor", 8, "TensorProto", False),
    ],
    "ListValue": [("i", 3, INT64, True)],
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


@dataclass(frozen=True)
class Node:
    """One operation of a graph; attributes that it does not have are empty, zero and false, as TensorFlow has them."""

    name: str
    op: str
    inputs: tuple[str, ...]
    """Names of nodes, without the number of the output; identities are passed over, control inputs left out."""
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str
    epsilon: float
    flags: frozenset[str]
    """The attributes that are true: `is_training`, `align_corners`, ..."""


@dataclass(frozen=True)
class Graph:
    """What a frozen graph computes, and with which numbers."""

    nodes: Mapping[str, Node]
    """By name, constants and identities left out."""
    constants: Mapping[str, NDArray[np.float32]]
    """Every float32 constant by node name."""


def read_graph(path: Path) -> Graph:
    """The graph in a file; UserError if it is missing, cut short, another, or holds no float32 constants."""
    parsed = _parsed(path)
    passed = {node.name: _plain(node.input[0]) for node in parsed.node if node.op == "Identity" and node.input}
    nodes = {node.name: _node(node, passed) for node in parsed.node if node.op != "Const" and node.name not in passed}
    return Graph(nodes, _constants(parsed, path))


def read_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """The constants of `read_graph` alone."""
    return _constants(_parsed(path), path)


def _parsed(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"{path}: {path.stat().st_size:,} bytes; a frozen pose graph is below {_MAX_BYTES:,}")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return parse(_graph_message(), data)
    except MessageError as error:
        raise UserError(
            f"{path}: not a whole TensorFlow graph ({len(data):,} bytes read); it may be cut short: fetch it again"
        ) from error


def _plain(reference: str) -> str:
    """`^name` and `name:1` stand for the node `name`."""
    return reference.removeprefix("^").partition(":")[0]


def _node(node: Any, passed: Mapping[str, str]) -> Node:
    attributes = {entry.key: entry.value for entry in node.attr}
    inputs: list[str] = []
    for reference in node.input:
        if reference.startswith("^"):
            continue
        name = _plain(reference)
        for _ in range(len(passed)):  # bounded: a damaged graph may hold a ring of identities
            if name not in passed:
                break
            name = passed[name]
        inputs.append(name)

    def numbers(key: str) -> tuple[int, ...]:
        return tuple(int(number) for number in attributes[key].list.i) if key in attributes else ()

    return Node(
        name=node.name,
        op=node.op,
        inputs=tuple(inputs),
        strides=numbers("strides"),
        dilations=numbers("dilations"),
        padding=attributes["padding"].s.decode("ascii", "replace") if "padding" in attributes else "",
        epsilon=float(attributes["epsilon"].f) if "epsilon" in attributes else 0.0,
        flags=frozenset(key for key, value in attributes.items() if value.b),
    )


def _constants(graph: Any, path: Path) -> dict[str, NDArray[np.float32]]:
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
