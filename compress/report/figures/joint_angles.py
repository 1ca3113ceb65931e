"""Joint angle errors as PNG: each joint of each candidate beside the teacher's own noise.

Degrees stand on a square-root axis: a median of 1 and a P95 of 40 can both be read, and 0 has a place on it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from compress.common.formatting import degrees
from compress.report.figures.canvas import FRONT, INK, QUIET, RULE, TEACHER, new_figure, png_bytes, short
from compress.results.joint_angle_facts import JointSpan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKS_DEG = (0, 1, 5, 10, 20, 40, 80, 160)
NOISE = "#f7d9c4"
"""The teacher's colour, light enough for text to stand on it."""

Panel = tuple[str, Sequence[JointSpan]]


def joints_png(panels: Sequence[Panel], narrow: bool) -> bytes:
    """A panel for each joint, a row for each candidate: the median as a dot, a whisker to P95, the floor behind."""
    columns = 1 if narrow else 2
    rows = math.ceil(len(panels) / columns)
    lines = max(len(spans) for _, spans in panels)
    # A single column is for narrow screens: drawn smaller, its letters come out larger there.
    figure, axes = new_figure(3.8 if narrow else 9.4, rows * (1.0 + 0.27 * lines), rows, columns)
    values = (v for _, spans in panels for span in spans for v in (span.p95, span.floor_median, span.floor_p95))
    longest = max([1.0, *(value for value in values if value is not None)])
    for ax, (joint, spans) in zip(axes, panels, strict=False):
        _degrees_axis(ax, longest * (2.5 if narrow else 1.65))
        _joint(ax, joint, spans, narrow)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    return png_bytes(figure)


def _degrees_axis(ax: "Axes", end: float) -> None:
    ax.set_xscale("function", functions=(lambda deg: np.sqrt(np.maximum(deg, 0)), np.square))
    ax.set_xlim(0, end)
    ticks = [tick for tick in TICKS_DEG if tick <= end]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.set_xlabel("Error [deg], square-root axis", fontsize=9)
    ax.grid(axis="x", color=RULE, linewidth=0.6)
    ax.set_axisbelow(True)


def _joint(ax: "Axes", joint: str, spans: Sequence[JointSpan], narrow: bool) -> None:
    for place, span in enumerate(spans):
        _noise(ax, place, span)
        if span.median is None:
            ax.text(0.1, place, "not measured", va="center", fontsize=8.5, color=QUIET, zorder=5)
            continue
        end = span.median if span.p95 is None else span.p95
        ax.plot([span.median, end], [place, place], color=FRONT, linewidth=1.6, zorder=3)
        ax.plot([end], [place], "|", color=FRONT, markersize=8, markeredgewidth=1.6, zorder=3)
        ax.plot([span.median], [place], "o", color=FRONT, markersize=6.5, zorder=4)
        text = f"{degrees(span.median)} / {degrees(end)}"
        ax.annotate(text, (end, place), (6, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK)
    ax.set_yticks(range(len(spans)), [short(span.name, 14 if narrow else 28) for span in spans])
    ax.set_ylim(len(spans) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_title(joint.capitalize(), loc="left", fontsize=10, fontweight="bold")
    floors = {(span.floor_median, span.floor_p95) for span in spans}
    if len(floors) == 1 and (both := next(iter(floors))) and None not in both:
        text = f"noise floor {degrees(both[0])} / {degrees(both[1])}"
        ax.set_title(text, loc="right", fontsize=8.5, color=TEACHER)


def _noise(ax: "Axes", place: int, span: JointSpan) -> None:
    """Behind each row, so that candidates measured beside different floors keep their own."""
    if span.floor_median is None:
        return
    if span.floor_p95 is not None:
        ax.fill_betweenx([place - 0.5, place + 0.5], span.floor_median, span.floor_p95, color=NOISE, linewidth=0)
    ax.plot([span.floor_median] * 2, [place - 0.5, place + 0.5], color=TEACHER, linewidth=1.3, linestyle="--")
