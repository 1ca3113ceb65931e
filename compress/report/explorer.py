"""The front of any two columns that the reader chooses: every point and every pair's front, computed before drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from compress.report.readings import bounds
from compress.report.recipe_words import recipe_words
from compress.results.columns import number
from compress.results.objectives import OBJECTIVES, Objective
from compress.results.records import Record

Kind = Literal["teacher", "start", "candidate", "screened", "barred"]
"""start: of the plain stage table that a search begins with; screened: not trained to the end; barred: breaks a
constraint. The last two never rank."""
RANKED: tuple[Kind, ...] = ("teacher", "start", "candidate")


@dataclass(frozen=True)
class Standing:
    """What a record is in a search, and what that means for it: how far it was trained, which constraint it breaks."""

    kind: Kind
    note: str = ""


@dataclass(frozen=True)
class ExplorerPoint:
    """One point, with a value for each axis; None was not measured."""

    name: str
    words: str
    """Its recipe."""
    kind: Kind
    run: int
    on_front: bool
    """Of all objectives together."""
    values: tuple[float | None, ...]
    bounds: tuple[tuple[float, float] | None, ...]
    note: str = ""


@dataclass(frozen=True)
class Explorer:
    """What the reader may choose from, and what each choice shows."""

    axes: tuple[Objective, ...]
    chosen: tuple[int, int]
    """Which axes are shown first: right, up."""
    points: tuple[ExplorerPoint, ...]
    fronts: Mapping[tuple[int, int], tuple[int, ...]]
    """Pair of axes, the smaller number first -> its front, as numbers of points, best in the first axis first."""
    runs: tuple[str, ...]
    objectives: tuple[str, ...]


def explorer(
    points: Sequence[ExplorerPoint], chosen: tuple[str, str], runs: Sequence[str], objectives: Sequence[str]
) -> Explorer | None:
    """Axes are the columns of which at least two ranked points have a value, and the two that are shown first.

    The points' values come in the order of OBJECTIVES. None if nobody has values on both of the first axes.
    """
    names = list(OBJECTIVES)
    ranked = [point for point in points if point.kind in RANKED]
    kept = [
        place
        for place, name in enumerate(names)
        if name in chosen or sum(point.values[place] is not None for point in ranked) > 1
    ]
    slim = tuple(_only(point, kept) for point in points)
    axes = tuple(OBJECTIVES[names[place]] for place in kept)
    x, y = (kept.index(names.index(name)) for name in chosen)
    if not any(point.values[x] is not None and point.values[y] is not None for point in slim if point.kind in RANKED):
        return None
    fronts = {(a, b): pair_front(slim, axes, a, b) for a, b in combinations(range(len(axes)), 2)}
    return Explorer(axes, (x, y), slim, fronts, tuple(runs), tuple(objectives))


def _only(point: ExplorerPoint, places: Sequence[int]) -> ExplorerPoint:
    values = tuple(point.values[place] for place in places)
    intervals = tuple(point.bounds[place] for place in places)
    return replace(point, values=values, bounds=intervals)


def point_of(record: Record, name: str, run: int, on_front: bool, standing: Standing) -> ExplorerPoint:
    """A record as a point with every objective's value, under the name that it is shown by."""
    return ExplorerPoint(
        name=name,
        words=recipe_words(record),
        kind=standing.kind,
        run=run,
        on_front=on_front,
        values=tuple(None if record.error else number(record, column) for column in OBJECTIVES),
        bounds=tuple(None if record.error else bounds(record, column) for column in OBJECTIVES),
        note=standing.note,
    )


def pair_front(points: Sequence[ExplorerPoint], axes: Sequence[Objective], a: int, b: int) -> tuple[int, ...]:
    """The ranked points that no other one beats in both axes, best in the first one first; equal ones all stay.

    One sweep, because a search has many points and there are many pairs.
    """
    signs = [1.0 if axes[axis].smaller_is_better else -1.0 for axis in (a, b)]
    there: list[tuple[float, float, int]] = []
    for index, point in enumerate(points):
        first, second = point.values[a], point.values[b]
        if point.kind in RANKED and first is not None and second is not None:
            there.append((signs[0] * first, signs[1] * second, index))
    members: list[int] = []
    best: tuple[float, float] | None = None
    for first, second, index in sorted(there):
        if best is None or second < best[1] or (first, second) == best:
            members.append(index)
            best = (first, second)
    return tuple(members)
