"""The figures of a search as PNG: hypervolume, each objective over the trials, what mattered."""

import math
from collections.abc import Mapping

from matplotlib.axes import Axes

from compress.report.figures import BEHIND, FRONT, INK, QUIET, RULE, START, new_figure, png_bytes, short
from compress.report.search_view import History, SearchView
from compress.report.words import axis
from compress.results.search_facts import Growth


def growth_png(growth: Growth, narrow: bool = False) -> bytes:
    """Hypervolume after each trial, beside that of the plain stage table."""
    figure, (ax,) = new_figure(4.2 if narrow else 7.2, 2.9, 1, 1)
    ax.step(growth.trials, growth.hypervolume, where="post", color=FRONT, linewidth=1.8, label="front of the search")
    ax.axhline(growth.start_hypervolume, color=START, linewidth=1.2, linestyle=(0, (4, 3)), label="plain stage table")
    ax.set_xlabel("Trials finished up to number", fontsize=9)
    ax.set_ylabel("Hypervolume", fontsize=9)
    highest = max((*growth.hypervolume, growth.start_hypervolume))
    ax.set_ylim(0, 1.12 * highest or 1)
    ax.grid(color=RULE, linewidth=0.6)
    ax.legend(frameon=False, fontsize=8.5, loc="lower right")
    return png_bytes(figure)


def history_png(view: SearchView, narrow: bool = False) -> bytes:
    """One panel for each objective: every trial's value, and the best so far."""
    columns = 1 if narrow or len(view.histories) == 1 else 2
    rows = math.ceil(len(view.histories) / columns)
    figure, axes = new_figure(4.2 if columns == 1 else 8.6, 2.9 * rows, rows, columns)
    for ax, history in zip(axes, view.histories, strict=False):
        _history(ax, history)
    for ax in axes[len(view.histories) :]:
        ax.set_visible(False)
    told = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(told.values(), told.keys(), loc="outside lower center", ncols=2 if narrow else 5, frameon=False,
                  fontsize=8.5)  # fmt: skip
    return png_bytes(figure)


def _history(ax: Axes, history: History) -> None:
    styles: tuple[tuple[str, str, str, dict[str, str]], ...] = (
        ("screened", "not trained to the end", "o", {"markerfacecolor": "none", "color": BEHIND}),
        ("barred", "breaks a constraint", "x", {"color": BEHIND}),
        ("candidate", "trained to the end", "o", {"color": FRONT}),
        ("start", "plain stage table", "s", {"color": START}),
    )
    for kind, label, marker, style in styles:
        found = [moment for moment in history.moments if moment.kind == kind]
        if found:
            places = [m.trial for m in found], [m.value for m in found]
            ax.plot(*places, marker, markersize=4.5, linestyle="none", label=label, **style)  # type: ignore[arg-type]
    best = [(moment.trial, moment.best) for moment in history.moments if moment.best is not None]
    if best:
        ax.step([t for t, _ in best], [b for _, b in best], where="post", color=INK, linewidth=1.1, label="best so far")
    ax.set_title(axis(history.objective), loc="left", fontsize=9.5, fontweight="bold", wrap=True)
    ax.set_xlabel("Trial", fontsize=9)
    ax.grid(color=RULE, linewidth=0.6)
    ranked = [moment.value for moment in history.moments if moment.kind in ("candidate", "start")]
    if ranked:
        # As in the plots of the front: those that do not rank widen the axis by half at most.
        everybody, room = [m.value for m in history.moments], (max(ranked) - min(ranked) or abs(max(ranked)) or 1) / 2
        low, high = max(min(everybody), min(ranked) - room), min(max(everybody), max(ranked) + room)
        ax.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def importance_png(importance: Mapping[str, Mapping[str, float]], titles: Mapping[str, str], narrow: bool) -> bytes:
    """Bars: how much of an objective's differences each varied path explains; one panel for each objective."""
    columns = 1 if narrow or len(importance) == 1 else 2
    rows = math.ceil(len(importance) / columns)
    bars = max(len(shares) for shares in importance.values())
    figure, axes = new_figure(4.2 if columns == 1 else 8.6, rows * (0.9 + 0.3 * bars), rows, columns)
    for ax, (objective, shares) in zip(axes, importance.items(), strict=False):
        ranked = sorted(shares.items(), key=lambda pair: -pair[1])
        ax.barh([short(name, 24) for name, _ in ranked], [share for _, share in ranked], height=0.7, color=FRONT)
        for place, (_, share) in enumerate(ranked):
            ax.text(share + 0.02, place, f"{share:.0%}", va="center", fontsize=8.5, color=INK)
        ax.invert_yaxis()
        ax.set_xlim(0, 1.15)
        ax.set_xticks([0, 0.5, 1], ["0", "50%", "100%"])
        ax.set_title(titles[objective], loc="left", fontsize=9.5, fontweight="bold", wrap=True)
        ax.tick_params(axis="y", length=0, colors=QUIET if not ranked else INK)
    for ax in axes[len(importance) :]:
        ax.set_visible(False)
    return png_bytes(figure)
