"""The curves of the trainings as PNG."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from compress.report.figures import QUIET, RULE, new_figure, plain, png_bytes
from compress.results.training_curves import Learning, Point

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito's, told apart by colour-blind readers."""
_STYLES = ("-", "--", ":", "-.")


def training_png(found: Sequence[Learning], narrow: bool = False) -> bytes:
    """Loss and held-out L2 over the steps, a line for each candidate; below each other where the screen is narrow."""
    figure, axes = new_figure(4.2, 6.4, 2, 1) if narrow else new_figure(9.4, 3.9, 1, 2)
    for index, learning in enumerate(found):
        style = {"color": _COLOURS[index % len(_COLOURS)], "linestyle": _STYLES[index // len(_COLOURS) % len(_STYLES)]}
        _line(axes[0], learning.losses, style, plain(learning.name))
        _line(axes[1], learning.held_out, style, plain(learning.name), marker="o")
    for ax, label in zip(axes, ("Training loss", "Held-out relative L2"), strict=True):
        ax.set_xlabel("Step")
        ax.set_ylabel(label)
        ax.grid(color=RULE, linewidth=0.6)
        # A start far above the end would flatten everything that matters.
        ax.set_yscale("log")
        ax.minorticks_on()
        ax.tick_params(axis="y", which="minor", colors=QUIET, labelsize=7)
    axes[1].legend(frameon=False, fontsize=8, ncols=1 if len(found) < 7 else 2)
    return png_bytes(figure)


def _line(ax: Axes, points: Sequence[Point], style: dict[str, str], label: str, marker: str = "") -> None:
    if points:
        steps, values = [point.step for point in points], [point.value for point in points]
        ax.plot(steps, values, label=label, linewidth=1.4, marker=marker, markersize=3.5, **style)  # type: ignore[arg-type]
