"""Bars as PNG: time of each input, what int8 does to each layer, which varied paths mattered in a search."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from compress.common.formatting import ratio, significant, size
from compress.report.facts import PartPanel
from compress.report.figures.canvas import FRONT, INK, QUIET, RULE, TEACHER, new_figure, plain, png_bytes, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Layer = tuple[str, float, bool]
"""Its block, what int8 in it alone does to the maps, whether it stays in float."""
_MOST_NETWORKS = 6


def scales_png(panels: Sequence[PartPanel], narrow: bool) -> bytes:
    """A panel for each scale and window, a bar for each candidate, each panel from zero on its own axis."""
    columns = 1 if narrow else 2
    rows = math.ceil(len(panels) / columns)
    bars = max(len(panel.bars) for panel in panels)
    # A single column is for narrow screens: drawn smaller, its letters come out larger there.
    figure, axes = new_figure(3.8 if narrow else 9.4, rows * (0.9 + 0.27 * bars), rows, columns)
    for ax, panel in zip(axes, panels, strict=False):
        _scale(ax, panel, narrow)
    for ax in axes[len(panels) :]:
        ax.set_visible(False)
    return png_bytes(figure)


def _scale(ax: "Axes", panel: PartPanel, narrow: bool) -> None:
    timings = [timing for _, timing, _ in panel.bars]
    places = range(len(panel.bars))
    colours = [TEACHER if is_teacher else FRONT for _, _, is_teacher in panel.bars]
    whiskers = [[0.0] * len(timings), [max(0.0, t.p90_ms - t.median_ms) for t in timings]]
    ax.barh(
        places, [t.median_ms for t in timings], xerr=whiskers, height=0.7, color=colours,
        error_kw={"ecolor": INK, "elinewidth": 1.1, "capsize": 2.5},
    )  # fmt: skip
    longest = max(max(t.p90_ms, t.median_ms) for t in timings) or 1.0
    for place, timing in zip(places, timings, strict=True):
        text = f"{significant(timing.median_ms)} ms, {ratio(timing.ratio)}x"
        at = max(timing.p90_ms, timing.median_ms) + 0.03 * longest
        ax.text(at, place, text, va="center", fontsize=8.5, color=INK)
    ax.set_yticks(places, [short(name, 14 if narrow else 28) for name, _, _ in panel.bars])
    ax.invert_yaxis()
    ax.set_xlim(0, longest * (1.75 if narrow else 1.45))
    ax.tick_params(axis="y", length=0)
    ax.set_title(f"{panel.title}, input {size(panel.input_hw)}", loc="left", fontsize=10, fontweight="bold")
    ax.set_xlabel("Network time [ms]", fontsize=9)
    ax.grid(axis="x", color=RULE, linewidth=0.6)
    ax.set_axisbelow(True)


def int8_layers_png(networks: Sequence[tuple[str, Sequence[Layer]]]) -> bytes:
    """A row of bars for each network, the first few: its layers in the order of the data."""
    shown = networks[:_MOST_NETWORKS]
    figure, axes = new_figure(9.4, 0.6 + 1.9 * len(shown), len(shown), 1)
    for ax, (name, layers) in zip(axes, shown, strict=True):
        colours = ["white" if is_float else FRONT for _, _, is_float in layers]
        heights = [harm for _, harm, _ in layers]
        ax.bar(range(len(layers)), heights, color=colours, edgecolor=FRONT, linewidth=0.6)
        ax.set_title(plain(name), loc="left", fontsize=10, fontweight="bold")
        ax.set_ylabel("Relative L2", fontsize=9)
        ax.grid(axis="y", color=RULE, linewidth=0.6)
        ax.set_axisbelow(True)
        _name_parts(ax, [block for block, _, _ in layers])
    return png_bytes(figure)


def _name_parts(ax: "Axes", blocks: Sequence[str]) -> None:
    """The backbone and each branch of each stage, named where they begin."""
    parts = ["backbone" if block.startswith("backbone") else ".".join(block.split(".")[1:3]) for block in blocks]
    begins = [index for index, part in enumerate(parts) if index == 0 or part != parts[index - 1]]
    ax.set_xticks(
        begins, [_part_label(parts[index]) for index in begins], fontsize=7, rotation=40, ha="right", color=QUIET
    )


def _part_label(part: str) -> str:
    number, _, branch = part.partition(".")
    return f"stage_{int(number) + 1}.{branch}" if number.isdigit() else part


def importance_png(importance: Mapping[str, Mapping[str, float]], titles: Mapping[str, str], narrow: bool) -> bytes:
    """How much of an objective's differences each varied path explains; one panel for each objective."""
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
        ax.set_title(plain(titles[objective]), loc="left", fontsize=9.5, fontweight="bold", wrap=True)
        ax.tick_params(axis="y", length=0, colors=INK)
    for ax in axes[len(importance) :]:
        ax.set_visible(False)
    return png_bytes(figure)
