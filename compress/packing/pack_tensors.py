"""One tensor in a packed file: which of its values are zero, and which value each of the others takes.

docs/pack-format.md describes the bytes. Everything works on the bit patterns of the floats, so minus zero, denormals
and whatever else a float can be come back as they were.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from compress.packing.huffman import LONGEST, SYMBOLS, Coded, CodeError, decode, encode
from teachers.spec import Frozen

Patterns = NDArray[np.uint32]
ESCAPE = 255
"""As a gap: that many zeros and no value after them. Han et al., figure 2, put a filler zero among the values there."""
GAP_BITS = 8
"""Of a relative index before Huffman coding, as Han et al. took for convolutions."""
FLOAT_BITS = 32
_Count = Annotated[int, Field(ge=0)]


class Stream(Frozen):
    """A Huffman code and how many bits are coded with it."""

    lengths: Annotated[tuple[Annotated[int, Field(ge=0, le=LONGEST)], ...], Field(max_length=SYMBOLS)]
    bits: _Count


class TensorHeader(Frozen):
    """How a tensor is stored. Its data: codebook, stream of values, stream of gaps, floats where no codebook is."""

    name: str
    shape: tuple[_Count, ...]
    bytes: _Count
    """Of all its data."""
    float_bits: Literal[16, 32]
    """Of the codebook's floats, or of the values themselves."""
    codebook: Annotated[int, Field(ge=0, le=SYMBOLS)] | None = None
    """How many different values there are; None: the values are stored one by one."""
    values: Stream | None = None
    """With a codebook: which of them each value is."""
    gaps: Stream | None = None
    """How many zeros come before each value; None: every element has a value, zero or not."""

    @property
    def size(self) -> int:
        """Elements of the tensor."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Packed:
    """A tensor as it is stored, and its bits at the stages before, as table 1 of Han et al. has them."""

    entry: TensorHeader
    data: bytes
    pruned_bits: int
    """Zeros left out where that is shorter: 32 bits for each value and 8 for each gap."""
    shared_bits: int
    """Besides, a codebook and indices of fixed length in place of the values where that is shorter, and fp16 floats."""


def pack_tensor(name: str, tensor: NDArray[np.float32]) -> Packed:
    """The shortest of the ways in which an entry can store it: zeros left out or not, with a codebook or without."""
    patterns = np.ascontiguousarray(tensor).reshape(-1).view(np.uint32)
    gaps, values = _without_zeros(patterns)
    forms = [_Form(part, between) for part, between in ((patterns, None), (values, gaps))]
    stored = [_stored(form, shared=False) for form in forms]
    stored += [_stored(form, shared=True) for form in forms if len(form.codebook) <= SYMBOLS]
    facts, data = min(stored, key=lambda one: len(one[1]) + _table_bytes(one[0]))
    entry = TensorHeader(name=name, shape=tensor.shape, bytes=len(data), **facts)
    pruned = min(FLOAT_BITS * form.values.size + form.gap_bits for form in forms)
    return Packed(entry, data, pruned, min(pruned, *(form.indexed_bits for form in forms)))


def unpack_tensor(entry: TensorHeader, data: bytes) -> NDArray[np.float32]:
    """The tensor; CodeError says what does not fit. Takes the memory of the entry's shape and of 64 times the data."""
    reader = _Reader(data)
    book = None if entry.codebook is None else reader.floats(entry.codebook, entry.float_bits)
    if (book is None) != (entry.values is None):
        raise CodeError("a codebook and a stream of values go together")
    indices = None if entry.values is None else reader.symbols(entry.values)
    where = None if entry.gaps is None else _positions(reader, entry)
    count = entry.size if where is None else where.size
    if book is None or indices is None:
        values = reader.floats(count, entry.float_bits)
    else:
        if indices.size != count or np.any(indices >= book.size):
            raise CodeError(f"{count} values of a codebook of {book.size} were expected")
        values = book[indices]
    reader.end()
    if where is None:
        return values.view(np.float32).reshape(entry.shape)
    patterns = np.zeros(entry.size, np.uint32)
    patterns[where] = values
    return patterns.view(np.float32).reshape(entry.shape)


class _Form:
    """What has to be stored of a tensor: values, and the gaps between them unless there is a value everywhere."""

    def __init__(self, values: Patterns, gaps: NDArray[np.uint8] | None) -> None:
        self.values, self.gaps = values, gaps
        codebook, places = np.unique(values, return_inverse=True)
        self.codebook: Patterns = codebook
        self.places: NDArray[np.int64] = places

    @property
    def gap_bits(self) -> int:
        return 0 if self.gaps is None else GAP_BITS * self.gaps.size

    @property
    def indexed_bits(self) -> int:
        """With the shorter of floats and a codebook with indices of fixed length."""
        plain = self.values.size * _float_bits(self.values)
        each = max(0, len(self.codebook) - 1).bit_length()
        shared = len(self.codebook) * _float_bits(self.codebook) + self.values.size * each
        return self.gap_bits + (min(plain, shared) if len(self.codebook) <= SYMBOLS else plain)


def _stored(form: _Form, shared: bool) -> tuple[dict[str, Any], bytes]:
    """The fields of the entry and the data."""
    floats = form.codebook if shared else form.values
    facts: dict[str, Any] = {"float_bits": _float_bits(floats)}
    data = b""
    if shared:
        coded = encode(form.places.astype(np.uint8))
        facts |= {"codebook": len(floats), "values": Stream(lengths=coded.lengths, bits=coded.bits)}
        data += coded.data
    if form.gaps is not None:
        coded = encode(form.gaps)
        facts["gaps"] = Stream(lengths=coded.lengths, bits=coded.bits)
        data += coded.data
    written = _bytes_of(floats, facts["float_bits"])
    return facts, written + data if shared else data + written


def _table_bytes(facts: dict[str, Any]) -> int:
    """About what the code lengths take in the compressed header: half a byte each."""
    return sum(len(stream.lengths) // 2 for stream in (facts.get("values"), facts.get("gaps")) if stream is not None)


def _without_zeros(patterns: Patterns) -> tuple[NDArray[np.uint8], Patterns]:
    """Relative indices (Han et al., section 2) and the values that are not zero; no index for zeros at the end."""
    where = np.flatnonzero(patterns)
    zeros = np.diff(where, prepend=-1) - 1
    escapes = zeros // ESCAPE
    gaps = np.full(where.size + int(escapes.sum()), ESCAPE, np.uint8)
    gaps[np.cumsum(escapes + 1) - 1] = zeros % ESCAPE
    return gaps, patterns[where]


def _positions(reader: "_Reader", entry: TensorHeader) -> NDArray[np.int64]:
    """Where the values stand."""
    assert entry.gaps is not None
    gaps = reader.symbols(entry.gaps)
    ends = np.cumsum(gaps.astype(np.int64) + (gaps != ESCAPE))
    if ends.size and ends[-1] > entry.size:
        raise CodeError(f"the gaps lead to element {ends[-1]} of {entry.size}")
    where: NDArray[np.int64] = ends[gaps != ESCAPE] - 1
    return where


def _float_bits(patterns: Patterns) -> Literal[16, 32]:
    """16 if fp16 has every value exactly, to the sign of zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        again = patterns.view(np.float32).astype(np.float16).astype(np.float32)
    return 16 if np.array_equal(again.view(np.uint32), patterns) else 32


def _bytes_of(patterns: Patterns, bits: int) -> bytes:
    return patterns.view(np.float32).astype("<f2" if bits == 16 else "<f4").tobytes()


class _Reader:
    """Takes an entry's data from the front; CodeError where there is less than asked for."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._place:
            raise CodeError(f"{len(self._data)} bytes of data are too few")
        self._place += count
        return self._data[self._place - count : self._place]

    def floats(self, count: int, bits: int) -> Patterns:
        """This many floats as the bit patterns of fp32."""
        data = np.frombuffer(self._take(count * bits // 8), "<f2" if bits == 16 else "<f4")
        return data.astype(np.float32).view(np.uint32)

    def symbols(self, stream: Stream) -> NDArray[np.uint8]:
        """All symbols of a stream."""
        return decode(Coded(self._take(-(-stream.bits // 8)), stream.bits, stream.lengths))

    def end(self) -> None:
        """CodeError if something is left."""
        if self._place != len(self._data):
            raise CodeError(f"{len(self._data)} bytes of data are too many")
