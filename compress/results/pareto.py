"""The Pareto front: the candidates that no other candidate beats in every objective.

A missing objective (None or NaN) never dominates and is never on the front. Equal points do not dominate each other,
so both stay. The teacher competes like any candidate.
"""

import math
from collections.abc import Sequence

from compress.results.columns import number
from compress.results.objectives import OBJECTIVES
from compress.results.records import Record

Point = Sequence[float | None]
"""One value for each objective, in the order of the objectives."""

TIME_OBJECTIVES = ("latency_ratio", "latency_ms")


def dominates(one: Point, other: Point, smaller_is_better: Sequence[bool]) -> bool:
    """True if `one` is at least as good everywhere and better somewhere; never where either lacks a value."""
    ours, theirs = _costs(one, smaller_is_better), _costs(other, smaller_is_better)
    if ours is None or theirs is None:
        return False
    pairs = list(zip(ours, theirs, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def front_of(points: Sequence[Point], smaller_is_better: Sequence[bool]) -> list[bool]:
    """For each point, whether it is complete and no other point dominates it."""
    return [
        _costs(point, smaller_is_better) is not None
        and not any(dominates(other, point, smaller_is_better) for other in points)
        for point in points
    ]


def _costs(point: Point, smaller_is_better: Sequence[bool]) -> list[float] | None:
    """The point with every objective turned so that smaller is better; None if a value is missing."""
    costs: list[float] = []
    for value, smaller in zip(point, smaller_is_better, strict=True):
        if value is None or math.isnan(value):
            return None
        costs.append(value if smaller else -value)
    return costs


def front(records: Sequence[Record], objectives: Sequence[str]) -> tuple[str, ...]:
    """Names of the records on the front, in the order given. Objectives are columns of candidates.csv.

    A record that ended in an error, or that the int8 collapse check refuses, is never on the front.
    Raises KeyError for an objective that does not exist.
    """
    points = [objective_values(record, objectives) for record in records]
    on_front = front_of(points, directions(objectives))
    return tuple(record.name for record, member in zip(records, on_front, strict=True) if member)


def directions(objectives: Sequence[str]) -> list[bool]:
    """For each objective, whether smaller is better."""
    return [OBJECTIVES[name].smaller_is_better for name in objectives]


def objective_values(record: Record, objectives: Sequence[str]) -> Point:
    """A record's values for the objectives; all None if an error ended it, or if it is rejected."""
    if not record.usable:
        return [None] * len(objectives)
    return [number(record, name) for name in objectives]


def within_timing_noise(one: Record, other: Record) -> bool:
    """Whether the 95% intervals of the two time ratios overlap, so that neither can be called the faster."""
    bounds = [
        (number(record, "latency_ratio_ci_low"), number(record, "latency_ratio_ci_high"))
        for record in (one, other)
        if record.error is None
    ]
    if len(bounds) < 2:
        return False
    (one_lo, one_hi), (other_lo, other_hi) = bounds
    if one_lo is None or one_hi is None or other_lo is None or other_hi is None:
        return False
    return max(one_lo, other_lo) <= min(one_hi, other_hi)


def indistinguishable(records: Sequence[Record]) -> tuple[tuple[str, str], ...]:
    """Pairs of names that lie within timing noise of each other, each pair once, in the order given."""
    return tuple(
        (one.name, other.name)
        for index, one in enumerate(records)
        for other in records[index + 1 :]
        if within_timing_noise(one, other)
    )


def only_by_noise(record: Record, records: Sequence[Record], objectives: Sequence[str]) -> tuple[str, ...]:
    """Records that would dominate this one if times within noise counted as equal: its place rests on noise.

    Empty where time is no objective.
    """
    rest = [name for name in objectives if name not in TIME_OBJECTIVES]
    if len(rest) == len(objectives):
        return ()
    point = objective_values(record, rest)
    return tuple(
        other.name
        for other in records
        if within_timing_noise(record, other) and dominates(objective_values(other, rest), point, directions(rest))
    )
