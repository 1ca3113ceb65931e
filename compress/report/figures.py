"""The figures of time and front as PNG, and what all figures share; no dates or versions go into the pictures."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from compress.common.formatting import significant, size
from compress.report.facts import PlotFacts, PlotPoint, ScalePanel
from compress.report.label_placement import Box, around, place_labels
from compress.report.words import axis, better

DPI = 160
INK, QUIET, RULE, PALE = "#222222", "#6b6b6b", "#d9d9d9", "#9a9a9a"
FRONT, TEACHER, BEHIND = "#0072B2", "#D55E00", "#8c8c8c"
"""Okabe and Ito's blue and vermilion, told apart by colour-blind readers, and grey."""
MARKERS = ("o", "s", "D", "^", "v", "P")


def pareto_png(plot: PlotFacts) -> bytes:
    """The Pareto plot: front as a step line, teacher as a star, names beside the points, dominated in grey."""
    figure, axes = new_figure(7.2, 4.8, 1, 1)
    ax = axes[0]
    if plot.line:
        ax.plot([x for x, _ in plot.line], [y for _, y in plot.line], color=FRONT, linewidth=1.4, alpha=0.55, zorder=2)
    for point in plot.points:
        _mark(ax, point)
    ax.set_xlabel(f"{axis(plot.x)}, {better(plot.x)}")
    ax.set_ylabel(f"{axis(plot.y)}, {better(plot.y)}")
    _show_who_ranks(ax, plot.points)
    ax.grid(color=RULE, linewidth=0.6)
    if len(plot.runs) > 1:
        for index, label in enumerate(plot.runs):
            ax.plot([], [], MARKERS[index % len(MARKERS)], color=QUIET, label=plain(label))
        ax.legend(frameon=False, fontsize=9)
    figure.canvas.draw()
    _name_points(ax, plot.points)
    return png_bytes(figure)


START = "#007A59"
"""The plain stage table of a search."""


def _mark(ax: Axes, point: PlotPoint) -> None:
    if point.kind == "screened":
        ax.plot(point.x, point.y, "o", color=PALE, markerfacecolor="none", markersize=4.5, zorder=2)
        return
    if point.kind == "barred":
        ax.plot(point.x, point.y, "x", color=PALE, markersize=4.5, zorder=2)
        return
    if point.kind == "start":
        ax.plot(point.x, point.y, "s", color=START, markersize=7, zorder=3)
        return
    colour = TEACHER if point.is_teacher else FRONT if point.on_front else BEHIND
    marker = "*" if point.is_teacher else MARKERS[point.run % len(MARKERS)]
    spread = [[point.x - point.x_bounds[0]], [point.x_bounds[1] - point.x]]
    rise = [[point.y - point.y_bounds[0]], [point.y_bounds[1] - point.y]]
    ax.errorbar(
        point.x, point.y, xerr=_bars(spread), yerr=_bars(rise), fmt=marker, color=colour,
        markersize=15 if point.is_teacher else 7, elinewidth=1.2, capsize=3, zorder=4 if point.on_front else 3,
    )  # fmt: skip


def _show_who_ranks(ax: Axes, points: Sequence[PlotPoint]) -> None:
    """Axes around those that rank; the others widen them by half at most, as in the interactive plot."""
    ax.margins(0.12, 0.12)
    ranked = [point for point in points if point.kind not in ("screened", "barred")]
    if len(ranked) in (0, len(points)):
        return
    for set_limits, which in ((ax.set_xlim, "x"), (ax.set_ylim, "y")):
        known, everybody = ([getattr(point, which) for point in some] for some in (ranked, points))
        room = (max(known) - min(known) or abs(max(known)) or 1.0) / 2
        low, high = max(min(everybody), min(known) - room), min(max(everybody), max(known) + room)
        set_limits(low - 0.12 * (high - low), high + 0.12 * (high - low))


def _bars(spread: list[list[float]]) -> list[list[float]] | None:
    # A bootstrap interval of a median may leave the value just outside through rounding; a bar is never negative.
    clipped = [[max(0.0, value) for value in side] for side in spread]
    return clipped if any(side[0] > 0 for side in clipped) else None


def _name_points(ax: Axes, points: Sequence[PlotPoint]) -> None:
    # With many points only the front and the teacher are named; the others can be read off the table.
    named = [p for p in points if len(points) <= 12 or p.on_front or p.is_teacher]
    others = [_dot(ax, point.x, point.y, _reach(point)) for point in points if point not in named]
    labels = [Label(p.name, p.x, p.y, _reach(p), INK if p.on_front else QUIET) for p in named]
    name_points(ax, labels, [around(dot) for dot in others])


def _reach(point: PlotPoint) -> float:
    return 17.0 if point.is_teacher else 9.0


@dataclass(frozen=True)
class Label:
    """A name to stand near a point given in the units of the axes, whose marker reaches so many pixels."""

    name: str
    x: float
    y: float
    reach: float
    colour: str


def name_points(ax: Axes, labels: Sequence[Label], taken: Sequence[Box] = ()) -> None:
    """Sets names so that they cover neither points nor each other; call it after the canvas was drawn once."""
    texts = [ax.text(0, 0, short(label.name), fontsize=9.5, color=label.colour, zorder=5) for label in labels]
    extents = [text.get_window_extent() for text in texts]
    dots = [_dot(ax, label.x, label.y, label.reach) for label in labels]
    bounds = ax.get_window_extent()
    frame = Box(bounds.x0, bounds.y0, bounds.x1, bounds.y1)
    boxes = place_labels(dots, [(e.width, e.height) for e in extents], frame, taken)
    for text, box, dot in zip(texts, boxes, dots, strict=True):
        if box is None:
            text.remove()
            continue
        text.set_position(tuple(ax.transData.inverted().transform((box.left, box.bottom))))
        _lead_to(ax, box, dot)


def _dot(ax: Axes, at_x: float, at_y: float, reach: float) -> tuple[float, float, float]:
    x, y = ax.transData.transform((at_x, at_y))
    return float(x), float(y), reach


def _lead_to(ax: Axes, box: Box, dot: tuple[float, float, float]) -> None:
    """A thin line from a point to its name, where the name had to stand far away."""
    x, y, reach = dot
    near = (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top))
    if math.dist((x, y), near) > 2 * reach + 10:
        (x1, y1), (x2, y2) = ax.transData.inverted().transform([(x, y), near])
        ax.plot([x1, x2], [y1, y2], color=QUIET, linewidth=0.6, zorder=1)


def scales_png(panels: Sequence[ScalePanel], columns: int) -> bytes:
    """Time per image scale: a panel for each scale, a bar for each candidate, each panel from zero on its own axis."""
    rows = math.ceil(len(panels) / columns)
    bars = max(len(panel.bars) for panel in panels)
    # A single column is for narrow screens: drawn smaller, its letters come out larger there.
    width = 4.7 * columns if columns > 1 else 3.8
    figure, axes = new_figure(width, rows * (0.9 + 0.27 * bars), rows, columns)
    for ax, panel in zip(axes, panels, strict=False):
        _scale(ax, panel, narrow=columns == 1)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    return png_bytes(figure)


def _scale(ax: Axes, panel: ScalePanel, narrow: bool) -> None:
    timings = [timing for _, timing, _ in panel.bars]
    places = range(len(panel.bars))
    colours = [TEACHER if is_teacher else FRONT for _, _, is_teacher in panel.bars]
    whiskers = [[0.0] * len(timings), [max(0.0, t.p90_ms - t.median_ms) for t in timings]]
    ax.barh(
        places, [t.median_ms for t in timings], xerr=whiskers, height=0.7, color=colours,
        error_kw={"ecolor": INK, "elinewidth": 1.1, "capsize": 2.5},
    )  # fmt: skip
    longest = max(max(t.p90_ms, t.median_ms) for t in timings)
    for place, timing in zip(places, timings, strict=True):
        text = f"{significant(timing.median_ms)} ms, {timing.ratio:.2f}x"
        ax.text(
            max(timing.p90_ms, timing.median_ms) + 0.03 * longest, place, text, va="center", fontsize=8.5, color=INK
        )
    ax.set_yticks(places, [short(name, 14 if narrow else 28) for name, _, _ in panel.bars])
    ax.invert_yaxis()
    ax.set_xlim(0, longest * (1.75 if narrow else 1.45))
    ax.tick_params(axis="y", length=0)
    ax.set_title(f"Scale {panel.scale:g}, input {size(panel.input_hw)}", loc="left", fontsize=10, fontweight="bold")
    ax.set_xlabel("Network time [ms]", fontsize=9)
    ax.grid(axis="x", color=RULE, linewidth=0.6)
    ax.set_axisbelow(True)


def new_figure(width: float, height: float, rows: int, columns: int) -> tuple[Figure, list[Axes]]:
    """A white figure of so many inches, and its axes row by row."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(rows, columns, index + 1) for index in range(rows * columns)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(QUIET)
        ax.tick_params(colors=INK, labelsize=9)
    return figure, axes


def plain(text: str) -> str:
    """Text that matplotlib does not read as a formula, without line breaks."""
    return " ".join(text.split()).replace("$", r"\$")


def short(name: str, longest: int = 28) -> str:
    """A name cut to so many letters, as plain text."""
    return plain(name if len(name) <= longest else f"{name[: longest - 2]}...")


def png_bytes(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()
