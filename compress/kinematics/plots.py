"""Angles and velocities over time as PNG: what was seen as dots, what was smoothed as a line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from compress.report.figures.canvas import DPI, INK, QUIET, RULE, plain, png_bytes
from eval.angles import Array
from eval.filters import Mask
from eval.kinematics import Kinematics

COLOURS: Mapping[str, str] = {"right": "#D55E00", "left": "#0072B2", "middle": "#444444"}
"""As in the overlay video: right is orange, left is blue."""
JOINTS = ("knee", "hip", "shoulder", "elbow")
_SIDED_SEGMENTS = ("thigh", "shank", "arm", "forearm")
_MIDDLE = ("trunk", "pelvis", "shoulders")


@dataclass(frozen=True)
class Curve:
    """One measure over time: the facts that a panel draws."""

    name: str
    side: str
    times: Array
    seen: Array | None
    """Raw values; None for velocities, which are made from smoothed angles alone."""
    smooth: Array
    filled: Mask


def curves(found: Kinematics, names: Sequence[str], *, speed: bool = False) -> list[Curve]:
    """The named measures that the skeleton allows and of which at least one value is known."""
    listed = []
    for name in names:
        if name in found.names:
            m = found.names.index(name)
            smooth = found.velocity[:, m] if speed else found.filtered[:, m]
            raw = None if speed else found.raw[:, m]
            if np.isfinite(smooth).any() or (raw is not None and np.isfinite(raw).any()):
                listed.append(Curve(name, found.measures[m].side, found.times, raw, smooth, found.filled[:, m]))
    return listed


def joints_png(found: Kinematics, title: str, joints: Sequence[str] = JOINTS) -> bytes | None:
    """Joint angles, a row for each joint, right beside left; None if no angle is known."""
    return _png(curves(found, _both_sides(joints)), title, "[deg]")


def segments_png(found: Kinematics, title: str) -> bytes | None:
    """Segment angles, then trunk, pelvis and shoulders; None if no angle is known."""
    return _png(curves(found, (*_both_sides(_SIDED_SEGMENTS), *_MIDDLE)), title, "[deg]")


def velocities_png(found: Kinematics, title: str) -> bytes | None:
    """Angular velocities of the joints; None if none is known."""
    return _png(curves(found, _both_sides(JOINTS), speed=True), title, "[deg/s]")


def _both_sides(parts: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{side} {part}" for part in parts for side in ("right", "left"))


def _png(shown: Sequence[Curve], title: str, unit: str) -> bytes | None:
    if not shown:
        return None
    rows = -(-len(shown) // 2)
    figure = Figure(figsize=(9.6, 0.9 + 1.75 * rows), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for index, curve in enumerate(shown):
        ax = figure.add_subplot(rows, 2, index + 1)
        _panel(ax, curve, unit)
        if index >= len(shown) - 2:
            ax.set_xlabel("Time [s]", fontsize=9)
    figure.suptitle(plain(title), x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=3, frameon=False, fontsize=9)
    return png_bytes(figure)


def _panel(ax: Axes, curve: Curve, unit: str) -> None:
    colour, times = COLOURS[curve.side], curve.times
    ax.axhline(0, color=RULE, linewidth=0.9, zorder=1)
    if curve.seen is not None:
        ax.plot(times, curve.seen, ".", color=QUIET, markersize=3.2, alpha=0.7, zorder=2, label="raw")
    lone = "o" if len(times) == 1 else None
    known = np.where(curve.filled, np.nan, curve.smooth)
    ax.plot(times, known, color=colour, linewidth=1.7, marker=lone, markersize=4, zorder=4, label="filtered")
    if curve.filled.any():
        ax.plot(times, curve.smooth, color=colour, linewidth=1.1, linestyle=(0, (2, 1.5)), alpha=0.8, zorder=3)
    ax.plot([], [], color=colour, linewidth=1.1, linestyle=(0, (2, 1.5)), label="across a gap")
    ax.set_ylabel(f"{curve.name}\n{unit}", fontsize=9)
    ax.grid(color=RULE, linewidth=0.5)
    ax.margins(x=0.01)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(colors=INK, labelsize=8)
