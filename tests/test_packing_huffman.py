"""Huffman codes: as short as can be, canonical as DEFLATE's, and nothing that is no prefix code gets in."""

import heapq

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.packing.huffman import Coded, CodeError, decode, encode


@settings(max_examples=100, deadline=None)
@given(counts=st.lists(st.integers(0, 1000), min_size=1, max_size=256))
def test_codes_are_as_short_as_huffmans(counts: list[int]) -> None:
    symbols = np.repeat(np.arange(len(counts), dtype=np.uint8), counts)
    coded = encode(symbols)
    heap = [count for count in counts if count]
    heapq.heapify(heap)
    expected = sum(heap) if len(heap) == 1 else 0  # Huffman (1952): each merge costs a bit for all below it
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        expected += merged
        heapq.heappush(heap, merged)
    assert coded.bits == expected
    assert np.array_equal(decode(coded), symbols)


def test_codes_are_those_of_deflate() -> None:
    """The example of RFC 1951, section 3.2.2: lengths 3, 3, 3, 3, 3, 2, 4, 4 give 010 011 100 101 110 00 1110 1111."""
    bits = "0100111001011100011101111"
    data = int(bits.ljust(32, "0"), 2).to_bytes(4, "big")
    assert decode(Coded(data, len(bits), (3, 3, 3, 3, 3, 2, 4, 4))).tolist() == list(range(8))


@pytest.mark.parametrize(
    "coded",
    [
        Coded(b"\0", 8, (1, 1, 1)),  # more than a prefix code has room for
        Coded(b"\0", 8, (2, 2, 2)),  # bits that stand for nothing
        Coded(b"\0", 8, (0, 2)),
        Coded(b"\0", 8, ()),
        Coded(b"", 0, (1, 1)),
        Coded(b"\0", 9, (1, 1)),
        Coded(b"\0\0", 8, (1, 1)),
        Coded(b"\x01", 7, (1, 1)),  # the bit that is left over is set
        Coded(b"\xff", 8, (1, 2, 3, 3)),  # ends within a word
        Coded(b"\x80", 8, (1,)),
        Coded(b"\0", 8, (32, 1)),
        Coded(b"\0", 8, (-1, 1)),
        Coded(b"\0", 8, (9,) * 512),
    ],
)
def test_what_is_no_prefix_code_is_refused(coded: Coded) -> None:
    with pytest.raises(CodeError):
        decode(coded)
