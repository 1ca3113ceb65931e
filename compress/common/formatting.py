"""Numbers as people read them: significant digits, units, lists of names."""

import math
from collections.abc import Sequence
from urllib.parse import quote

NONE = "not measured"


def ratio(value: float) -> str:
    """`0.78`, `0.025`, `0.0046`: two decimals, and more where two would leave a single digit."""
    return significant(value, 2) if 0 < value < 0.1 else f"{value:.2f}"


def significant(value: float, digits: int = 3) -> str:
    """Plain decimals with the given significant digits, digits before the point kept: 1534, 85.3, 0.781."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def scaled(value: float | None, unit: str = "") -> str:
    """1930872 -> `1.93 M`; thousands are powers of ten, also for bytes."""
    if value is None:
        return NONE
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{significant(value / size)} {letter}{unit}"
    return f"{value:g} {unit}".strip()


def degrees(value: float | None) -> str:
    """Two decimals below ten, one above; the unit stands in the heading."""
    return NONE if value is None else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def percent(value: float | None) -> str:
    """0.123 -> `12.3%`."""
    return NONE if value is None else f"{100 * value:.1f}%"


def size(hw: tuple[int, int]) -> str:
    """Height x width."""
    return f"{hw[0]}x{hw[1]}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def counted(count: int, noun: str) -> str:
    """`1 candidate`, `5 candidates`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length as text, each column as wide as its widest cell."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def href(path: str) -> str:
    """A relative path as a link: its bytes, whatever they are, in percent signs."""
    return quote(path.encode("utf-8", "surrogateescape"))
