"""Channel counts of a narrower or wider network."""

MULTIPLE = 8
"""Runtimes pack channels into vectors: a count between two multiples of 8 costs as much as the upper one."""
_MOST_LOST = 0.1


def scaled(channels: int, width: float) -> int:
    """`channels * width` as a multiple of 8, at least 8, and never more than a tenth below what was asked for.

    The rounding of the MobileNets' authors (`_make_divisible` of their published code).
    """
    wanted = channels * width
    found = max(MULTIPLE, int(wanted + MULTIPLE / 2) // MULTIPLE * MULTIPLE)
    return found + MULTIPLE if found < (1 - _MOST_LOST) * wanted else found
