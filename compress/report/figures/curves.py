"""Curves as PNG: losses of the trainings, hypervolume of a search, each objective over its trials."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from compress.report.figures.canvas import (
    BEHIND,
    FRONT,
    INK,
    QUIET,
    RULE,
    START,
    new_figure,
    plain,
    png_bytes,
    ranked_limits,
)
from compress.report.search_view import History
from compress.results.column_text import axis_title
from compress.results.search_facts import Growth
from compress.results.training_curves import Learning, Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's, told apart by colour-blind readers."""
_STYLES = ("-", "--", ":", "-.")


def training_png(found: Sequence[Learning], narrow: bool) -> bytes:
    """Loss and held-out L2 over the steps, a line for each candidate; below each other where the screen is narrow."""
    figure, axes = new_figure(4.2, 6.4, 2, 1) if narrow else new_figure(9.4, 3.9, 1, 2)
    for index, learning in enumerate(found):
        style = {"color": _COLOURS[index % len(_COLOURS)], "linestyle": _STYLES[index // len(_COLOURS) % len(_STYLES)]}
        _line(axes[0], learning.losses, style, plain(learning.name))
        _line(axes[1], learning.held_out, style | {"marker": "o"}, plain(learning.name))
    for ax, label in zip(axes, ("Training loss", "Held-out relative L2"), strict=True):
        ax.set_xlabel("Step")
        ax.set_ylabel(label)
        ax.grid(color=RULE, linewidth=0.6)
        # A start far above the end would flatten everything that matters.
        ax.set_yscale("log")
        ax.minorticks_on()
        ax.tick_params(axis="y", which="minor", colors=QUIET, labelsize=7)
    if axes[1].get_legend_handles_labels()[0]:
        axes[1].legend(frameon=False, fontsize=8, ncols=1 if len(found) < 7 else 2)
    return png_bytes(figure)


def _line(ax: "Axes", points: Sequence[Point], style: dict[str, Any], label: str) -> None:
    if points:
        steps, values = [point.step for point in points], [point.value for point in points]
        ax.plot(steps, values, label=label, linewidth=1.4, markersize=3.5, **style)


def growth_png(growth: Growth, narrow: bool) -> bytes:
    """Hypervolume after each finished trial, beside that of the stage table.

    Trials are counted in the order in which they ended: with several workers their numbers are not in that order.
    """
    figure, (ax,) = new_figure(4.2 if narrow else 7.2, 2.9, 1, 1)
    counts = range(1, len(growth.hypervolume) + 1)
    ax.step(counts, growth.hypervolume, where="post", color=FRONT, linewidth=1.8, label="front of the search")
    ax.axhline(growth.start_hypervolume, color=START, linewidth=1.2, linestyle=(0, (4, 3)), label="stage table")
    ax.set_xlabel("Finished trials", fontsize=9)
    ax.set_ylabel("Hypervolume", fontsize=9)
    ax.set_xlim(1, max(2, len(counts)))
    ax.set_ylim(0, 1.12 * max((*growth.hypervolume, growth.start_hypervolume)) or 1)
    ax.grid(color=RULE, linewidth=0.6)
    ax.legend(frameon=False, fontsize=8.5, loc="lower right")
    return png_bytes(figure)


def history_png(histories: Sequence[History], narrow: bool) -> bytes:
    """One panel for each objective: every trial's value, and the best so far."""
    columns = 1 if narrow or len(histories) == 1 else 2
    rows = math.ceil(len(histories) / columns)
    figure, axes = new_figure(4.2 if columns == 1 else 8.6, 2.9 * rows, rows, columns)
    for ax, history in zip(axes, histories, strict=False):
        _history(ax, history)
    for ax in axes[len(histories) :]:
        ax.set_visible(False)
    told = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(told.values(), told.keys(), loc="outside lower center", ncols=2 if narrow else 5, frameon=False,
                  fontsize=8.5)  # fmt: skip
    return png_bytes(figure)


def _history(ax: "Axes", history: History) -> None:
    styles: tuple[tuple[str, str, str, dict[str, str]], ...] = (
        ("screened", "stopped before the last rung", "o", {"markerfacecolor": "none", "color": BEHIND}),
        ("infeasible", "breaks a constraint", "x", {"color": BEHIND}),
        ("candidate", "complete", "o", {"color": FRONT}),
        ("start", "stage table", "s", {"color": START}),
    )
    for kind, label, marker, style in styles:
        found = [moment for moment in history.moments if moment.kind == kind]
        if found:
            places = [m.trial for m in found], [m.value for m in found]
            ax.plot(*places, marker, markersize=4.5, linestyle="none", label=label, **style)  # type: ignore[arg-type]
    best = [(moment.trial, moment.best) for moment in history.moments if moment.best is not None]
    if best:
        ax.step([t for t, _ in best], [b for _, b in best], where="post", color=INK, linewidth=1.1, label="best so far")
    ax.set_title(plain(axis_title(history.objective)), loc="left", fontsize=9.5, fontweight="bold", wrap=True)
    ax.set_xlabel("Trial", fontsize=9)
    ax.grid(color=RULE, linewidth=0.6)
    ranked = [moment.value for moment in history.moments if moment.kind in ("candidate", "start")]
    ax.set_ylim(*ranked_limits(ranked, [moment.value for moment in history.moments]))
