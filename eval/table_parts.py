"""Which rows and columns of a series go into files that must not hold a gap.

OpenSim's older reader (its GUI and tools use it) stops without a word at the first row that holds NaN. So a file has
the columns that are known in all of its rows, and a gap too long to be filled ends it: what follows is the next part.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.filters import Mask

KEPT_ROWS = 0.5
"""Columns are added from the best seen to the least as long as this share of the best one's rows remains."""
FEWEST_ROWS = 2
"""A part with fewer rows has no course over time."""


@dataclass(frozen=True)
class TableParts:
    """The columns of all parts, the others, and the rows of each part."""

    columns: tuple[int, ...]
    left_out: tuple[int, ...]
    rows: tuple[slice, ...]


def whole_parts(known: Mask) -> TableParts:
    """Parts of a table (T, M) without a gap; no rows where nothing is known."""
    counts = known.sum(axis=0)
    rows = np.ones(len(known), bool)
    kept: list[int] = []
    for m in np.argsort(-counts, kind="stable").tolist():
        together = rows & known[:, m]
        if counts[m] and together.sum() >= KEPT_ROWS * counts.max():
            rows, kept = together, [*kept, m]
    left_out = tuple(m for m in range(known.shape[1]) if m not in kept)
    return TableParts(tuple(sorted(kept)), left_out, row_parts(rows) if kept else ())


def row_parts(rows: Mask) -> tuple[slice, ...]:
    """Runs of true rows (T,); the short ones only where there is no longer one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], rows, [False]]).astype(np.int8)))
    parts = [slice(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return tuple(part for part in parts if part.stop - part.start >= FEWEST_ROWS) or tuple(parts[:1])


def part_path(path: Path, number: int) -> Path:
    """`walk.mot`, `walk_part2.mot`, ...: number counts from 0."""
    return path if number == 0 else path.with_stem(f"{path.stem}_part{number + 1}")


def part_words(number: int, parts: Sequence[slice]) -> tuple[str, ...]:
    """A header line for a file that is not all of it."""
    if len(parts) < 2:
        return ()
    return (f"Part {number + 1} of {len(parts)}: a gap too long to be filled ends a part; the .csv holds all rows.",)
