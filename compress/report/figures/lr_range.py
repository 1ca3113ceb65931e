"""The loss over the learning rate, as PNG."""

from compress.report.figures.canvas import FRONT, PALE, RULE, TEACHER, new_figure, png_bytes
from compress.training.lr_range import LrCurve


def lr_png(curve: LrCurve) -> bytes:
    """Single losses pale, their average as a line, the suggested rate dashed."""
    figure, (ax,) = new_figure(6.4, 3.2, 1, 1)
    found = [point.rate for point in curve.points]
    ax.plot(found, [point.loss for point in curve.points], ".", color=PALE, markersize=3, label="single steps")
    ax.plot(found, [point.smoothed for point in curve.points], color=FRONT, linewidth=1.6, label="average")
    if curve.suggested is not None:
        label = f"a tenth of the best: {curve.suggested:.1e}"
        ax.axvline(curve.suggested, color=TEACHER, linewidth=1.3, linestyle="--", label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("Learning rate", fontsize=9)
    ax.set_ylabel("Training loss", fontsize=9)
    ax.grid(color=RULE, linewidth=0.6)
    ax.legend(frameon=False, fontsize=8.5)
    return png_bytes(figure)
