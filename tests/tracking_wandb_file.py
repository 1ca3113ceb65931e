"""Reads a .wandb file by its published layout: LevelDB's log (32 KiB blocks, records in parts), a protobuf in each."""

import json
import struct
from pathlib import Path
from typing import Any

_BLOCK, _HEADER = 32768, 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


def records(path: Path) -> list[Any]:
    """Every record; one that a kill cut short is left out."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for payload in _payloads(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(payload)
        found.append(record)
    return found


def history(path: Path) -> list[dict[str, Any]]:
    """What was logged, row by row, without wandb's own columns."""
    rows = [record.history.item for record in records(path) if record.WhichOneof("record_type") == "history"]
    named = [{"/".join(item.nested_key) or item.key: _value(item) for item in row} for row in rows]
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in named]


def _value(item: Any) -> Any:
    """As JSON, or in the field of its type."""
    if item.value_json:
        return json.loads(item.value_json)
    return next((value for field, value in item.ListFields() if field.name not in ("key", "nested_key")), None)


def _payloads(data: bytes) -> list[bytes]:
    assert data[:4] == b":W&B"
    place, parts, found = 7, b"", []
    while place + _HEADER <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + _HEADER])
        part = data[place + _HEADER : place + _HEADER + length]
        if kind == 0 or len(part) < length:
            break
        parts = part if kind in (_WHOLE, _FIRST) else parts + part
        if kind in (_WHOLE, _LAST):
            found.append(parts)
        place += _HEADER + length
    return found
