"""Safetensors files, written tensor by tensor: nothing is held beside the network itself.

The library's own writers make one or two copies of all weights first, and turn a full disk into an error that no longer
says so. The format is eight bytes of length, a JSON header, then the tensors one after the other.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from teachers.common.files import replacing

_TYPES = {torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
"""Widest first: tensors are laid out in this order, so that each begins at a multiple of its own width."""
_ALIGNED = 8


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes the file, whole or not at all: the bytes that `safetensors.torch.save` gives. KeyError for other types."""
    order = list(_TYPES)
    names = sorted(tensors, key=lambda name: (order.index(tensors[name].dtype), name))
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(_header(names, tensors, metadata))
        for piece in _pieces(names, tensors):
            file.write(piece)


def _header(names: list[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    header: dict[str, object] = {"__metadata__": dict(sorted(metadata.items()))}
    end = 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        shape, kind = list(tensor.shape), _TYPES[tensor.dtype]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return len(text).to_bytes(8, "little") + text


def _pieces(names: list[str], tensors: Mapping[str, Tensor]) -> Iterator[memoryview]:
    for name in names:
        plain = tensors[name].detach().cpu().contiguous().reshape(-1)
        if plain.numel():
            yield plain.view(torch.uint8).numpy().data
