"""The .posepack file: a network in one small file, from which it comes back bit by bit (docs/pack-format.md)."""

import hashlib
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from pydantic import Field, ValidationError
from torch import Tensor

from compress.core.qparams import Quantization
from compress.packing.huffman import CodeError
from compress.packing.pack_tensors import FLOAT_BITS, Packed, TensorHeader, pack_tensor, unpack_tensor
from compress.quantization.quantization_file import integers, require_fit, values
from eval.inference import Inference
from teachers.common.errors import UserError
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.spec import Frozen, PoseNetSpec
from teachers.weights import load_weights

MAGIC, VERSION, QUANTIZED_VERSION = b"POSEPACK", 1, 2
"""Files of float networks are as they were before there were others, for programs that know only those."""
LONGEST_HEADER = 2**20
"""Bytes of the header's JSON; the 143 convolutions of openpose-mobilenet-thin with 8-bit codebooks take 77 KB."""
MOST_PARTS = 2048
"""Objects in that JSON: layers, taps, tensors and their codes; the same network has 447. Without this bound 100 KB of
equal layers would take a minute to build, and as many taps, each followed through all layers, far longer."""
FREE_WEIGHTS, WEIGHTS_PER_BYTE = 2**24, 64
"""A file of n bytes may hold at most 2^24 + 64 n weights, 64 MiB and 256 n bytes: more is taken for a bomb.

Shared networks have 2 or 3 weights a byte here, 12 in Han et al. (VGG-16: 138 million in 11.3 MB); one of nothing but
zeros would have two thousand.
"""
_FRONT = struct.Struct("<8sHIIQ")
_DIGEST_BYTES = 32


class Header(Frozen):
    """What stands in a packed file before its data."""

    spec: PoseNetSpec
    licence: Licence
    tensors: tuple[TensorHeader, ...]
    quantization: Annotated[Quantization, Field(discriminator="precision")] | None = None
    """With int8, tensors hold the integers of the weights that have steps."""
    inference: Inference | None = None
    """How the network is run on a frame unless told otherwise."""


class Unpacked(NamedTuple):
    """What a packed file held."""

    network: PoseNet
    licence: Licence
    quantization: Quantization | None
    inference: Inference | None


class _Front(NamedTuple):
    magic: bytes
    version: int
    packed_header: int
    """Bytes of the zlib stream."""
    header: int
    """Bytes of the JSON in it."""
    body: int


@dataclass(frozen=True)
class PackedFile:
    """The file's bytes, and each tensor as it lies in them."""

    data: bytes
    tensors: tuple[Packed, ...]
    rounded: tuple[str, ...]
    """The tensors that fp16 changed; empty if the file holds the network as it was."""


def pack(
    network: PoseNet,
    licence: Licence,
    half: bool = False,
    quantization: Quantization | None = None,
    inference: Inference | None = None,
) -> PackedFile:
    """The file of a network, and how it is run; UserError for one that `unpack` would refuse.

    half: tensors that neither share values nor fit fp16 are rounded to it; those with a value too large stay fp32.
    """
    # By name: a layer that was fine-tuned has its weight after its bias.
    state = integers(network.state_dict(), quantization)
    exact = {name: pack_tensor(name, tensor.numpy()) for name, tensor in sorted(state.items())}
    rounded = _rounded(state, exact) if half else {}
    tensors = tuple((exact | rounded).values())
    entries = tuple(tensor.entry for tensor in tensors)
    header = Header(spec=network.spec, licence=licence, tensors=entries, quantization=quantization, inference=inference)
    text = header.model_dump_json(exclude_none=True).encode()
    if len(text) > LONGEST_HEADER or text.count(b"{") > MOST_PARTS:
        raise UserError("the network has too many layers to be packed: see docs/pack-format.md, Limits")
    packed_header = zlib.compress(text, 9)
    body = b"".join(tensor.data for tensor in tensors)
    version = VERSION if quantization is None else QUANTIZED_VERSION
    front = _FRONT.pack(MAGIC, version, len(packed_header), len(text), len(body))
    data = front + packed_header + body
    data += hashlib.sha256(data).digest()
    _require_few(header, len(data), "the network is too empty to be packed")
    return PackedFile(data, tensors, tuple(rounded))


def _rounded(state: Mapping[str, Tensor], exact: Mapping[str, Packed]) -> dict[str, Packed]:
    found = {}
    for name, packed in exact.items():
        values = state[name].half().float()
        if packed.entry.codebook is None and packed.entry.float_bits == FLOAT_BITS and bool(values.isfinite().all()):
            found[name] = pack_tensor(name, values.numpy())
    return found


def unpack(data: bytes, where: str) -> tuple[PoseNet, Licence]:
    """As `unpack_any`, of a float network; UserError for a quantised one, which is nothing without its grids."""
    found = unpack_any(data, where)
    if found.quantization is not None:
        raise UserError(f"{where}: holds a network in {found.quantization.precision}, a float one is needed")
    return found.network, found.licence


def unpack_any(data: bytes, where: str) -> Unpacked:
    """The network in evaluation mode, its licence and its grids; UserError, beginning with `where`, if damaged.

    Nothing is believed for its checksum: a file that was made to harm fails as one that was damaged does.
    """
    header, body = _opened(data, where)
    _require_few(header, len(data), f"{where}: cannot be a packed model")
    _require_shapes(header, where)
    tensors, place = {}, 0
    for entry in header.tensors:
        try:
            tensors[entry.name] = torch.from_numpy(unpack_tensor(entry, body[place : place + entry.bytes]))
        except CodeError as error:
            raise UserError(f"{where}: damaged: {entry.name}: {error}") from error
        if not bool(tensors[entry.name].isfinite().all()):
            raise UserError(f"{where}: damaged: {entry.name}: holds values that are not finite")
        place += entry.bytes
    if place != len(body):
        raise UserError(f"{where}: damaged: {len(body)} bytes of data, the tensors take {place}")
    network = PoseNet(header.spec)
    load_weights(network, tensors, where)
    if header.quantization is not None:
        require_fit(header.quantization, network, where)
        network.load_state_dict(values(network.state_dict(), header.quantization))
    return Unpacked(network.eval(), header.licence, header.quantization, header.inference)


def _opened(data: bytes, where: str) -> tuple[Header, bytes]:
    if data[: len(MAGIC)] != MAGIC[: len(data)] or not data:
        raise UserError(f"{where}: not a packed model; `compress pack MODEL --out FILE` writes one")
    if len(data) < _FRONT.size + _DIGEST_BYTES:
        raise UserError(f"{where}: cut off after {len(data)} bytes")
    front = _Front(*_FRONT.unpack_from(data))
    if front.version not in (VERSION, QUANTIZED_VERSION):
        raise UserError(
            f"{where}: packed in version {front.version} of the format; this program reads {VERSION} and "
            f"{QUANTIZED_VERSION}"
        )
    expected = _FRONT.size + front.packed_header + front.body + _DIGEST_BYTES
    if len(data) != expected:
        raise UserError(f"{where}: has {len(data)} bytes, its beginning says {expected}; it was cut off or damaged")
    if hashlib.sha256(data[:-_DIGEST_BYTES]).digest() != data[-_DIGEST_BYTES:]:
        raise UserError(f"{where}: damaged: its sha256 is not the one at its end")
    start = _FRONT.size + front.packed_header
    header = _header(data[_FRONT.size : start], front.header, where)
    return header, data[start:-_DIGEST_BYTES]


def _header(packed: bytes, length: int, where: str) -> Header:
    if length > LONGEST_HEADER:
        raise UserError(f"{where}: cannot be a packed model: a header of {length} bytes, at most {LONGEST_HEADER}")
    unzip = zlib.decompressobj()
    try:
        text = unzip.decompress(packed, length + 1)  # never more, whatever the stream would give
    except zlib.error as error:
        raise UserError(f"{where}: damaged: the header cannot be decompressed") from error
    if len(text) != length or not unzip.eof or unzip.unused_data:
        raise UserError(f"{where}: damaged: the header has not the length that the file says")
    if text.count(b"{") > MOST_PARTS:
        raise UserError(f"{where}: cannot be a packed model: a header of more than {MOST_PARTS} parts")
    try:
        return Header.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise UserError(f"{where}: damaged header: {place}: {first['msg']}".replace("\n", " ")) from error


def _require_few(header: Header, file_bytes: int, words: str) -> None:
    """UserError if the tensors would take more memory than a file of this size may ask for."""
    weights, most = sum(entry.size for entry in header.tensors), FREE_WEIGHTS + WEIGHTS_PER_BYTE * file_bytes
    if weights > most:
        raise UserError(f"{words}: {weights} weights in {file_bytes} bytes, at most {most} are allowed")


def _require_shapes(header: Header, where: str) -> None:
    """UserError unless the tensors are those of the spec's network, by name; takes no memory for them."""
    try:
        with torch.device("meta"):
            template: Mapping[str, Tensor] = PoseNet(header.spec).state_dict()
    # A spec that passes its own checks can still ask for numbers that no tensor can have.
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise UserError(f"{where}: damaged header: no network can be built from its spec") from error
    expected = [(name, tuple(tensor.shape)) for name, tensor in sorted(template.items())]
    found = [(entry.name, entry.shape) for entry in header.tensors]
    if expected != found:
        apart = next((pair for pair in zip(expected, found, strict=False) if pair[0] != pair[1]), None)
        what = f"{len(found)} tensors for {len(expected)}" if apart is None else f"{apart[1]} for {apart[0]}"
        raise UserError(f"{where}: damaged header: its tensors are not those of its spec: {what}")
