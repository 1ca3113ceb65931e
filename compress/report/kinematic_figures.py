"""The figures of joint angles as PNG: each joint of each candidate beside the noise floor, and L2 against degrees.

Degrees stand on a square-root axis: a median of 1 and a P95 of 40 can both be read, and 0 has a place on it.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, FuncFormatter, PercentFormatter

from compress.common.formatting import degrees
from compress.report.figures import (
    FRONT,
    INK,
    QUIET,
    RULE,
    TEACHER,
    Label,
    name_points,
    new_figure,
    plain,
    png_bytes,
    short,
)
from compress.report.kinematic_ranks import RankAgreement
from compress.report.kinematic_words import ANGLE_WORDS, LOSS_WORDS
from compress.report.kinematics import JointSpan
from compress.report.label_placement import Box

TICKS_DEG = (0, 1, 5, 10, 20, 40, 80, 160)
NOISE = "#f7d9c4"
"""The teacher's colour, light enough for text to stand on it."""

Panel = tuple[str, Sequence[JointSpan]]


def joints_png(panels: Sequence[Panel], columns: int) -> bytes:
    """A panel for each joint, a row for each candidate: the median as a dot, a whisker to P95, the floor behind."""
    rows = math.ceil(len(panels) / columns)
    lines = max(len(spans) for _, spans in panels)
    # A single column is for narrow screens: drawn smaller, its letters come out larger there.
    width = 4.7 * columns if columns > 1 else 3.8
    figure, axes = new_figure(width, rows * (1.0 + 0.27 * lines), rows, columns)
    values = (v for _, spans in panels for span in spans for v in (span.p95, span.floor_median, span.floor_p95))
    longest = max([1.0, *(value for value in values if value is not None)])
    for ax, (joint, spans) in zip(axes, panels, strict=False):
        _degrees_axis(ax, longest * (2.5 if columns == 1 else 1.65))
        _joint(ax, joint, spans, narrow=columns == 1)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    return png_bytes(figure)


def _degrees_axis(ax: Axes, end: float) -> None:
    ax.set_xscale("function", functions=(lambda deg: np.sqrt(np.maximum(deg, 0)), np.square))
    ax.set_xlim(0, end)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS_DEG if tick <= end]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda deg, _: f"{deg:g}"))
    ax.set_xlabel("Error [deg], square-root axis", fontsize=9)
    ax.grid(axis="x", color=RULE, linewidth=0.6)
    ax.set_axisbelow(True)


def _joint(ax: Axes, joint: str, spans: Sequence[JointSpan], narrow: bool) -> None:
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


def _noise(ax: Axes, place: int, span: JointSpan) -> None:
    """Behind each row, so that candidates measured beside different floors keep their own."""
    if span.floor_median is None:
        return
    if span.floor_p95 is not None:
        ax.fill_betweenx([place - 0.5, place + 0.5], span.floor_median, span.floor_p95, color=NOISE, linewidth=0)
    ax.plot([span.floor_median] * 2, [place - 0.5, place + 0.5], color=TEACHER, linewidth=1.3, linestyle="--")


def ranks_png(ranks: RankAgreement, noise_deg: float | None, narrow: bool = False) -> bytes:
    """L2 to the right, degrees upwards, the noise floor as a line: do candidates near in one lie near in both?"""
    figure, axes = new_figure(*((3.8, 3.4) if narrow else (9.4, 4.2)), 1, 1)
    ax = axes[0]
    xs, ys = [point.loss for point in ranks.points], [point.error for point in ranks.points]
    ax.plot(xs, ys, "o", color=FRONT, markersize=7, zorder=3)
    ax.set_xlim(0, (max(xs) or 0.01) * 1.15)
    ax.set_ylim(0, (max([*ys, noise_deg or 0.0]) or 1.0) * 1.2)
    ax.xaxis.set_major_formatter(PercentFormatter(xmax=1.0, decimals=0 if max(xs) > 0.05 else 1))
    ax.set_xlabel(f"Relative L2 of the {LOSS_WORDS[ranks.loss]}")
    ax.set_ylabel(f"Worst joint, {ANGLE_WORDS[ranks.angles]} [deg]")
    ax.grid(color=RULE, linewidth=0.6)
    count = len(ranks.points)
    title = f"no rank correlation: {ranks.reason}" if ranks.rho is None else f"Spearman's rho = {ranks.rho:.2f}"
    ax.set_title(plain(f"{title} (n = {count})"), loc="left", fontsize=10, fontweight="bold")
    floor = [] if noise_deg is None else [_noise_line(ax, noise_deg)]
    figure.canvas.draw()
    taken = [Box(*text.get_window_extent().extents) for text in floor]
    name_points(ax, [Label(point.name, point.loss, point.error, 9.0, INK) for point in ranks.points], taken)
    return png_bytes(figure)


def _noise_line(ax: Axes, noise_deg: float) -> Annotation:
    ax.axhline(noise_deg, color=TEACHER, linewidth=1.3, linestyle="--", zorder=2)
    return ax.annotate(
        f"noise floor {degrees(noise_deg)} deg", (1, noise_deg), (-4, 4), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="right", va="bottom", fontsize=8.5, color=TEACHER,
    )  # fmt: skip
