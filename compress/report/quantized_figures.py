"""What int8 does to each layer, as PNG."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from compress.report.figures import FRONT, QUIET, RULE, new_figure, plain, png_bytes
from compress.report.quantized import QuantizedView

_MOST = 6


def sensitivity_png(found: Sequence[QuantizedView]) -> bytes:
    """A row of bars for each candidate, the first few: its layers in the order of the data."""
    shown = found[:_MOST]
    figure, axes = new_figure(9.4, 0.6 + 1.9 * len(shown), len(shown), 1)
    for ax, view in zip(axes, shown, strict=True):
        harms = [(one.joint_rel_l2 + one.paf_rel_l2) / 2 for one in view.layers]
        colours = ["white" if one.is_float else FRONT for one in view.layers]
        ax.bar(range(len(harms)), harms, color=colours, edgecolor=FRONT, linewidth=0.6)
        ax.set_title(plain(view.name), loc="left", fontsize=10, fontweight="bold")
        ax.set_ylabel("Relative L2", fontsize=9)
        ax.grid(axis="y", color=RULE, linewidth=0.6)
        ax.set_axisbelow(True)
        _name_parts(ax, [one.block for one in view.layers])
    return png_bytes(figure)


def _name_parts(ax: Axes, names: Sequence[str]) -> None:
    """The backbone and each branch of each stage, named where they begin."""
    parts = ["backbone" if name.startswith("backbone") else ".".join(name.split(".")[1:3]) for name in names]
    begins = [index for index, part in enumerate(parts) if index == 0 or part != parts[index - 1]]
    labels = [_label(parts[index]) for index in begins]
    ax.set_xticks(begins, labels, fontsize=7, rotation=40, ha="right", color=QUIET)


def _label(part: str) -> str:
    if part == "backbone":
        return part
    number, branch = part.split(".")
    return f"stage_{int(number) + 1}.{branch}"
