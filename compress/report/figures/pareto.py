"""The Pareto plot as PNG: the front as a step line, the teacher as a star, dominated candidates in grey."""

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING

from compress.report.explorer import Explorer, ExplorerPoint
from compress.report.figures.canvas import (
    BEHIND,
    FRONT,
    INK,
    MARKERS,
    PALE,
    QUIET,
    RULE,
    START,
    TEACHER,
    Label,
    bar_box,
    dot,
    draw,
    name_points,
    new_figure,
    plain,
    plain_decades,
    png_bytes,
    ranked_limits,
)
from compress.report.figures.label_placement import Box, around
from compress.results.column_text import axis_title, direction_text
from compress.results.objectives import Objective

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Place = tuple[ExplorerPoint, float, float]
Interval = tuple[float, float] | None
_FEW = 12
"""Up to so many points all are named; of more only the front and the teacher."""


def pareto_png(facts: Explorer) -> bytes:
    """The two axes that are shown first."""
    figure, (ax,) = new_figure(7.2, 4.8, 1, 1)
    shown, line = facts.shown(), facts.front()
    members = {id(point) for point, _, _ in line}
    _staircase(ax, [(x, y) for _, x, y in line])
    # The teacher first: a candidate equal to it stays visible upon its star.
    for place in sorted(shown, key=lambda entry: entry[0].kind != "teacher"):
        _mark(ax, place, _intervals(facts, place[0]), id(place[0]) in members)
    x, y = (facts.axes[axis] for axis in facts.chosen)
    ax.set_xlabel(_title(x))
    ax.set_ylabel(_title(y))
    _set_limits(ax, facts, shown)
    ax.grid(color=RULE, linewidth=0.6)
    if len(facts.runs) > 1:
        for index, label in enumerate(facts.runs):
            ax.plot([], [], MARKERS[index % len(MARKERS)], color=QUIET, label=plain(label))
        ax.legend(frameon=False, fontsize=9)
    draw(figure)
    _name(ax, facts, shown, members)
    return png_bytes(figure)


def _title(objective: Objective) -> str:
    return plain(f"{axis_title(objective)}, {direction_text(objective)}")


def _intervals(facts: Explorer, point: ExplorerPoint) -> tuple[Interval, Interval]:
    return point.intervals[facts.chosen[0]], point.intervals[facts.chosen[1]]


def _staircase(ax: "Axes", places: Sequence[tuple[float, float]]) -> None:
    """From the best x on: y holds until the next member is reached, then takes its better value."""
    corners: list[tuple[float, float]] = []
    for place in places:
        if corners:
            corners.append((place[0], corners[-1][1]))
        corners.append(place)
    if len(places) > 1:
        ax.plot([x for x, _ in corners], [y for _, y in corners], color=FRONT, linewidth=1.4, alpha=0.55, zorder=2)


def _mark(ax: "Axes", place: Place, intervals: tuple[Interval, Interval], on_front: bool) -> None:
    point, x, y = place
    if not point.ranks:
        marker = "o" if point.kind == "screened" else "x"
        ax.plot(x, y, marker, color=PALE, markerfacecolor="none", markersize=4.5, zorder=2)
        return
    if point.kind == "start":
        ax.plot(x, y, "s", color=START, markersize=7, zorder=3)
        return
    is_teacher = point.kind == "teacher"
    colour = TEACHER if is_teacher else FRONT if on_front or point.on_front else BEHIND
    ax.errorbar(
        x, y, xerr=_reach(x, intervals[0]), yerr=_reach(y, intervals[1]), color=colour,
        fmt="*" if is_teacher else MARKERS[point.run % len(MARKERS)], markersize=15 if is_teacher else 7,
        markerfacecolor="white" if point.on_front and not on_front and not is_teacher else colour,
        elinewidth=1.2, capsize=3, zorder=4 if on_front else 3,
    )  # fmt: skip


def _reach(value: float, interval: Interval) -> list[list[float]] | None:
    # A bootstrap interval of a median may leave the value just outside through rounding; a bar is never negative.
    return None if interval is None else [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]]


def _set_limits(ax: "Axes", facts: Explorer, shown: Sequence[Place]) -> None:
    for set_scale, set_limits, axis, which in (
        (ax.set_xscale, ax.set_xlim, ax.xaxis, 0),
        (ax.set_yscale, ax.set_ylim, ax.yaxis, 1),
    ):
        logarithmic = facts.logarithmic(facts.chosen[which])
        ranked = [place for place in shown if place[0].ranks]
        known = [place[1:][which] for place in ranked]
        known += [end for place in ranked for end in _intervals(facts, place[0])[which] or ()]
        everything = [place[1:][which] for place in shown]
        if logarithmic:
            set_scale("log")
            plain_decades(axis)
            limits = ranked_limits([log10(value) for value in known], [log10(v) for v in everything if v > 0])
            set_limits(*(10**limit for limit in limits))
        else:
            set_limits(*ranked_limits(known, everything))


def _name(ax: "Axes", facts: Explorer, shown: Sequence[Place], members: set[int]) -> None:
    def is_named(point: ExplorerPoint) -> bool:
        first = id(point) in members or point.on_front or point.kind in ("teacher", "start")
        return point.ranks and (len(shown) <= _FEW or first)

    taken = [around(dot(ax, x, y, _size(point))) for point, x, y in shown if not is_named(point)]
    for point, x, y in shown:
        taken += _bars(ax, x, y, _intervals(facts, point))
    labels = [
        Label(point.name, x, y, _size(point), INK if id(point) in members else QUIET)
        for point, x, y in shown
        if is_named(point)
    ]
    name_points(ax, labels, taken)


def _bars(ax: "Axes", x: float, y: float, intervals: tuple[Interval, Interval]) -> list[Box]:
    across, along = intervals
    boxes = [] if across is None else [bar_box(ax, (across[0], y), (across[1], y))]
    return boxes if along is None else [*boxes, bar_box(ax, (x, along[0]), (x, along[1]))]


def _size(point: ExplorerPoint) -> float:
    return 17.0 if point.kind == "teacher" else 9.0
