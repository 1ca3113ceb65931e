"""The Pareto plot of any two columns: every point and the front of every pair of axes, before any drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from compress.results.column_text import interval
from compress.results.columns import number
from compress.results.objectives import OBJECTIVES, Objective
from compress.results.pareto import TIME_OBJECTIVES
from compress.results.records import Record
from compress.results.step_text import recipe_text

Kind = Literal["teacher", "start", "candidate", "screened", "infeasible"]
"""start: in the stage table that a search tries first; screened: not trained to the end; infeasible: breaks a
constraint. The last two never rank."""
RANKED: tuple[Kind, ...] = ("teacher", "start", "candidate")
_WIDE = 20.0
"""Times smaller than the largest value: on a linear axis all that is smaller lies in one corner."""


@dataclass(frozen=True)
class Standing:
    """What a record is in a search, and what that means for it: how far it was trained, which constraint it breaks."""

    kind: Kind
    note: str = ""


@dataclass(frozen=True)
class ExplorerPoint:
    """One point, with a value for each axis; None was not measured."""

    name: str
    recipe: str
    """Its steps in words."""
    kind: Kind
    run: int
    on_front: bool
    """Of all objectives together."""
    values: tuple[float | None, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    note: str = ""

    @property
    def ranks(self) -> bool:
        return self.kind in RANKED


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

    def logarithmic(self, axis: int) -> bool:
        """Whether an axis spans so much that equal steps should be equal factors."""
        ranked = [point for point in self.points if point.ranks]
        known = [value for point in ranked if (value := point.values[axis]) is not None]
        known += [end for point in ranked for end in point.intervals[axis] or ()]
        return bool(known) and min(known) > 0 and max(known) > _WIDE * min(known)

    def shown(self) -> list[tuple[ExplorerPoint, float, float]]:
        """The points that have a value on both of the first axes, with these."""
        x, y = self.chosen
        pairs = [(point, point.values[x], point.values[y]) for point in self.points]
        return [(point, x, y) for point, x, y in pairs if x is not None and y is not None]

    def front(self) -> list[tuple[ExplorerPoint, float, float]]:
        """The front of the first axes, best in the one to the right first."""
        x, y = self.chosen
        members = {id(self.points[place]) for place in self.fronts[min(x, y), max(x, y)]}
        found = [entry for entry in self.shown() if id(entry[0]) in members]
        return sorted(found, key=lambda entry: entry[1] if self.axes[x].smaller_is_better else -entry[1])

    def not_shown(self) -> tuple[str, ...]:
        """Names that rank and lack a value on one of the first axes."""
        shown = {id(point) for point, _, _ in self.shown()}
        return tuple(point.name for point in self.points if point.ranks and id(point) not in shown)


def plot_axes(objectives: Sequence[str]) -> tuple[str, str]:
    """Time goes to the right, the first other objective upwards; what the objectives do not give is filled in."""
    x = next((name for name in objectives if name in TIME_OBJECTIVES), None)
    others = [name for name in objectives if name not in TIME_OBJECTIVES]
    if x is None and len(others) > 1:
        return others[0], others[1]
    return x or "latency_ratio", others[0] if others else "joint_rel_l2"


def explorer(
    points: Sequence[ExplorerPoint], chosen: tuple[str, str], runs: Sequence[str], objectives: Sequence[str]
) -> Explorer | None:
    """Axes are the columns of which at least two ranked points have a value, and the two that are shown first.

    The points' values come in the order of OBJECTIVES. None if no ranked point has values on both of the first axes.
    """
    names = list(OBJECTIVES)
    ranked = [point for point in points if point.ranks]
    kept = [
        place
        for place, name in enumerate(names)
        if name in chosen or sum(point.values[place] is not None for point in ranked) > 1
    ]
    slim = tuple(_only(point, kept) for point in points)
    axes = tuple(OBJECTIVES[names[place]] for place in kept)
    x, y = (kept.index(names.index(name)) for name in chosen)
    if not any(point.values[x] is not None and point.values[y] is not None for point in slim if point.ranks):
        return None
    fronts = {(a, b): pair_front(slim, axes, a, b) for a, b in combinations(range(len(axes)), 2)}
    return Explorer(axes, (x, y), slim, fronts, tuple(runs), tuple(objectives))


def _only(point: ExplorerPoint, places: Sequence[int]) -> ExplorerPoint:
    values = tuple(point.values[place] for place in places)
    intervals = tuple(point.intervals[place] for place in places)
    return replace(point, values=values, intervals=intervals)


def point_of(record: Record, name: str, run: int, on_front: bool, standing: Standing) -> ExplorerPoint:
    """A record as a point with every objective's value, under the name that it is shown by."""
    return ExplorerPoint(
        name=name,
        recipe=recipe_text(record),
        kind=standing.kind,
        run=run,
        on_front=on_front,
        values=tuple(None if record.error else number(record, column) for column in OBJECTIVES),
        intervals=tuple(None if record.error else interval(record, column) for column in OBJECTIVES),
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
        if point.ranks and first is not None and second is not None:
            there.append((signs[0] * first, signs[1] * second, index))
    members: list[int] = []
    best: tuple[float, float] | None = None
    for first, second, index in sorted(there):
        if best is None or second < best[1] or (first, second) == best:
            members.append(index)
            best = (first, second)
    return tuple(members)
