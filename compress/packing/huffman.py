"""Canonical Huffman codes over bytes (Han, Mao and Dally 2015, section 4). bitarray is imported here only.

bitarray was chosen because its canonical codes are rebuilt from the code lengths alone, which is all that a file must
carry, and because it decodes in C: two million symbols take a tenth of a second, in pure Python several seconds. An
arithmetic coder would come closer to the entropy, by less than 1% here, but its streams need its authors' program.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bitarray import bitarray
from bitarray.util import canonical_decode, canonical_huffman, int2ba
from numpy.typing import NDArray

SYMBOLS = 256
LONGEST = 31
"""Bits of the longest code. A code of n bits takes counts that grow as Fibonacci's, so 31 need millions of symbols."""


class CodeError(ValueError):
    """The code lengths are no prefix code, or the bits are not made of its words."""


@dataclass(frozen=True)
class Coded:
    """Symbols as bits, most significant bit of each byte first; what is left of the last byte is zero."""

    data: bytes
    bits: int
    lengths: tuple[int, ...]
    """Bits of the code of symbol 0, 1, 2, ...; 0 where it does not occur. Nothing follows the last that occurs."""


def encode(symbols: NDArray[np.uint8]) -> Coded:
    """The shortest prefix code of these symbols, and the symbols in it."""
    present = Counter({symbol: int(count) for symbol, count in enumerate(np.bincount(symbols)) if count})
    if not present:
        return Coded(b"", 0, ())
    found, _, _ = canonical_huffman(present)
    lengths = tuple(len(found[symbol]) if symbol in found else 0 for symbol in range(max(found) + 1))
    bits = bitarray()
    bits.encode(_codes(lengths), symbols.tolist())
    return Coded(bits.tobytes(), len(bits), lengths)


def decode(coded: Coded) -> NDArray[np.uint8]:
    """The symbols (N,). CodeError unless the lengths are a complete prefix code and the bits end with a whole word.

    Memory: a byte for each bit at most, whatever the lengths say.
    """
    if len(coded.data) != -(-coded.bits // 8):
        raise CodeError(f"{coded.bits} bits do not take {len(coded.data)} bytes")
    count, symbols = _canonical(coded.lengths)
    bits = bitarray(coded.data)
    if bits[coded.bits :].any():
        raise CodeError("the last byte is not filled up with zeros")
    del bits[coded.bits :]
    if not bits:
        if symbols:
            raise CodeError("there is a code but not one symbol")
        return np.empty(0, np.uint8)
    try:
        return np.frombuffer(bytes(canonical_decode(bits, count, symbols)), np.uint8)
    except ValueError as error:
        raise CodeError(str(error)) from error


def _codes(lengths: Sequence[int]) -> dict[int, bitarray]:
    """The code of each symbol: of equal lengths the smaller symbol comes first, as in DEFLATE (RFC 1951, 3.2.2).

    bitarray's own order within a length is that of its heap, which the lengths do not tell.
    """
    codes: dict[int, bitarray] = {}
    code = before = 0
    for length, symbol in _ordered(lengths):
        code <<= length - before
        codes[symbol] = int2ba(code, length)
        code, before = code + 1, length
    return codes


def _ordered(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """(length, symbol) in the order of the codes."""
    return sorted((length, symbol) for symbol, length in enumerate(lengths) if length)


def _canonical(lengths: Sequence[int]) -> tuple[list[int], list[int]]:
    """How many codes have 0, 1, 2, ... bits, and the symbols in the order of their codes."""
    if len(lengths) > SYMBOLS or any(not 0 <= length <= LONGEST for length in lengths):
        raise CodeError(f"code lengths must be at most {SYMBOLS} numbers in 0..{LONGEST}")
    ordered = _ordered(lengths)
    count = [sum(length == bits for length, _ in ordered) for bits in range(LONGEST + 1)]
    # Kraft's sum is 1 for a complete prefix code: more is ambiguous, less has bits that mean nothing.
    kraft = sum(2 ** (LONGEST - length) for length, _ in ordered)
    alone = len(ordered) == 1 and ordered[0][0] == 1  # a code of one word has nothing to fill the other half with
    if ordered and not alone and kraft != 2**LONGEST:
        raise CodeError("the code lengths are no complete prefix code")
    return count, [symbol for _, symbol in ordered]
