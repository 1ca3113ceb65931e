"""What each stage of deep compression makes of a network's bytes, as table 1 of Han, Mao and Dally (2015) has it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from compress.packing.pack_file import PackedFile
from compress.packing.pack_tensors import FLOAT_BITS


@dataclass(frozen=True)
class Stage:
    """The bytes after one stage."""

    stage: str
    bytes: int
    times_smaller: float
    """Than the fp32 weights."""


def size_stages(file: PackedFile) -> list[Stage]:
    """From the fp32 weights to the file, spec and licence included."""
    fp32 = sum(FLOAT_BITS // 8 * tensor.entry.size for tensor in file.tensors)
    sizes = {
        "fp32 weights": fp32,
        "zeros left out, 8-bit relative indices": -(-sum(tensor.pruned_bits for tensor in file.tensors) // 8),
        "shared values, fp16 where exact": -(-sum(tensor.shared_bits for tensor in file.tensors) // 8),
        "Huffman coded": sum(len(tensor.data) for tensor in file.tensors),
        "the file, with spec and code tables": len(file.data),
    }
    return [Stage(name, size, fp32 / size) for name, size in sizes.items() if size]


def table_rows(stages: Sequence[Stage]) -> list[tuple[str, ...]]:
    """For people."""
    rows = [(stage.stage, f"{stage.bytes:,}", f"{stage.times_smaller:.2f}") for stage in stages]
    return [("stage", "bytes", "times smaller"), *rows]


def sizes_fact(model: str, file: PackedFile) -> dict[str, Any]:
    """For a JSON file."""
    return {
        "model": model,
        "stages": [asdict(stage) for stage in size_stages(file)],
        "rounded_to_fp16": list(file.rounded),
        "tensors": [
            {
                "name": tensor.entry.name,
                "shape": tensor.entry.shape,
                "float_bits": tensor.entry.float_bits,
                "codebook": tensor.entry.codebook,
                "zeros_left_out": tensor.entry.gaps is not None,
                "bytes": tensor.entry.bytes,
            }
            for tensor in file.tensors
        ],
    }
