"""What all figures share: colours, white canvases, names that cover nothing, PNG bytes that are the same every time."""

import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from compress.report.figures.label_placement import Box, Dot, place_labels

# Matplotlib reports on its font cache, from its import on; a user who waits for a report need not read that.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.axis import Axis  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

DPI = 160
INK, QUIET, RULE, PALE = "#222222", "#6b6b6b", "#d9d9d9", "#9a9a9a"
FRONT, TEACHER, BEHIND, START = "#0072B2", "#D55E00", "#8c8c8c", "#007A59"
"""Okabe and Ito's blue, vermilion and green, told apart by colour-blind readers, and grey. START: the stage table."""
MARKERS = ("o", "s", "D", "^", "v", "P")
DrawFigure = Callable[[bool], bytes]
"""Draws a PNG; the argument asks for the shape of a narrow screen."""


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


def draw(figure: Figure) -> None:
    """Lays the figure out once and for all, so that places in pixels are known and stay."""
    with _any_letter():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")


def png_bytes(figure: Figure) -> bytes:
    data = io.BytesIO()
    with _any_letter():
        figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


@contextmanager
def _any_letter() -> Iterator[None]:
    """A letter that no font has becomes a box, and is no news for the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield


def plain(text: str) -> str:
    """Text that matplotlib does not read as a formula, without line breaks."""
    return " ".join(text.split()).replace("$", r"\$")


def short(name: str, longest: int = 28) -> str:
    """A name cut to so many letters, as plain text."""
    return plain(name if len(name) <= longest else f"{name[: longest - 2]}...")


def padded(values: Sequence[float], share: float = 0.08) -> tuple[float, float]:
    """Limits of an axis around the values; equal values get room too, so that the axis does not collapse."""
    low, high = min(values), max(values)
    room = share * (high - low) or 0.5 * abs(high) or 0.5
    return low - room, high + room


def plain_decades(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of each decade of a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def ranked_limits(ranked: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """Limits around the points that rank; the others widen them by half at most, so that no outlier hides the front."""
    low, high = min(ranked or others), max(ranked or others)
    room = (high - low or abs(high) or 1.0) / 2
    return padded([max(min([*others, low]), low - room), min(max([*others, high]), high + room)], 0.12)


@dataclass(frozen=True)
class Label:
    """A name to stand near a point given in the units of the axes, whose marker reaches so many pixels."""

    name: str
    x: float
    y: float
    reach: float
    colour: str


def name_points(ax: Axes, labels: Sequence[Label], taken: Sequence[Box] = ()) -> None:
    """Sets names so that they cover neither points nor each other nor `taken`; call it after `draw`."""
    texts = [ax.text(0, 0, short(label.name), fontsize=9.5, color=label.colour, zorder=5) for label in labels]
    with _any_letter():
        extents = [text.get_window_extent() for text in texts]
    dots = [dot(ax, label.x, label.y, label.reach) for label in labels]
    bounds = ax.get_window_extent()
    frame = Box(bounds.x0, bounds.y0, bounds.x1, bounds.y1)
    boxes = place_labels(dots, [(e.width, e.height) for e in extents], frame, taken)
    for text, box, place in zip(texts, boxes, dots, strict=True):
        if box is None:
            text.remove()
            continue
        text.set_position(tuple(ax.transData.inverted().transform((box.left, box.bottom))))
        _lead_to(ax, box, place)


def dot(ax: Axes, at_x: float, at_y: float, reach: float) -> Dot:
    """Where a point is in pixels."""
    x, y = ax.transData.transform((at_x, at_y))
    return float(x), float(y), reach


def bar_box(ax: Axes, start: tuple[float, float], end: tuple[float, float], thick: float = 4.0) -> Box:
    """What an error bar between two points of the axes covers in pixels."""
    (x0, y0), (x1, y1) = (dot(ax, *point, 0.0)[:2] for point in (start, end))
    return Box(min(x0, x1) - thick, min(y0, y1) - thick, max(x0, x1) + thick, max(y0, y1) + thick)


def _lead_to(ax: Axes, box: Box, place: Dot) -> None:
    """A thin line from a point to its name, where the name had to stand far away."""
    x, y, reach = place
    near = (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top))
    if math.dist((x, y), near) > 2 * reach + 10:
        (x1, y1), (x2, y2) = ax.transData.inverted().transform([(x, y), near])
        ax.plot([x1, x2], [y1, y2], color=QUIET, linewidth=0.6, zorder=1)
