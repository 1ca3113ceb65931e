"""The interactive Pareto plot. The only file that imports plotly, and that only for its script.

The figure is written as plotly's own JSON; building it needs no plotly object and gives the same bytes every time.
"""

import html
import json
from typing import Any

from plotly.offline import get_plotlyjs

from compress.report.facts import PlotFacts, PlotPoint
from compress.report.label_placement import Box, place_labels
from compress.report.words import axis, better
from compress.results.objectives import Objective

FRONT, TEACHER, BEHIND = "#0072B2", "#D55E00", "#767676"
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross")
INK = "#222222"


def plotly_script() -> str:
    """The library itself, to be put into a script element once; about 5 MB."""
    return str(get_plotlyjs())


def draw_call(identifier: str, plot: PlotFacts) -> str:
    """The script that draws a plot into the element with this id; safe inside a script element."""
    spec = json.dumps(figure(plot), sort_keys=True, allow_nan=False)
    # A name that holds "</script>" must not end the script element.
    safe = spec.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    # On a touch screen a drag must scroll the page; with a mouse it zooms, a double click zooms out.
    return (
        "(function(f) { if (matchMedia('(pointer: coarse)').matches) { f.layout.dragmode = false; } "
        f'Plotly.newPlot("{identifier}", f.data, f.layout, {{responsive: true, displayModeBar: false}}); }})({safe});'
    )


def figure(plot: PlotFacts) -> dict[str, Any]:
    """A plotly figure: `data` and `layout`."""
    traces: list[dict[str, Any]] = []
    if plot.line:
        traces.append({
            "type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False,
            "x": [x for x, _ in plot.line], "y": [y for _, y in plot.line],
            "line": {"color": FRONT, "width": 1.5}, "opacity": 0.55,
        })  # fmt: skip
    groups = (
        ("not on the front", BEHIND, [p for p in plot.points if not p.is_teacher and not p.on_front]),
        ("on the front", FRONT, [p for p in plot.points if not p.is_teacher and p.on_front]),
        ("teacher", TEACHER, [p for p in plot.points if p.is_teacher]),
    )
    traces += [_trace(name, colour, points, plot) for name, colour, points in groups if points]
    return {"data": traces, "layout": _layout(plot)}


def _trace(name: str, colour: str, points: list[PlotPoint], plot: PlotFacts) -> dict[str, Any]:
    places = _text_positions(plot)
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": name,
        "x": [p.x for p in points],
        "y": [p.y for p in points],
        "error_x": _bars([(p.x, *p.x_bounds) for p in points], colour),
        "error_y": _bars([(p.y, *p.y_bounds) for p in points], colour),
        # plotly reads a little HTML in texts, so names are escaped for it as well.
        "text": [html.escape(_short(p.name)) if places[p.name, p.run] else "" for p in points],
        "textposition": [places[p.name, p.run] or "top right" for p in points],
        "textfont": {"color": INK},
        "cliponaxis": False,
        "hovertext": [_hover(p, plot) for p in points],
        "hoverinfo": "text",
        "marker": {
            "color": colour,
            "size": 17 if name == "teacher" else 10,
            "symbol": ["star" if p.is_teacher else SYMBOLS[p.run % len(SYMBOLS)] for p in points],
        },
    }


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:18]}..."


def _text_positions(plot: PlotFacts) -> dict[tuple[str, int], str | None]:
    """Where each name stands so that none covers another on a phone; None where only hovering can show it."""
    # The front and the teacher come first: if space is short, the others go without.
    points = sorted(plot.points, key=lambda p: (not p.is_teacher, not p.on_front))
    x0, x1 = _x_range(plot)
    ys = [p.y for p in points]
    wide, high = 260 / (x1 - x0), 300 / (max(ys) - min(ys) or 1.0)
    dots = [((p.x - x0) * wide, (p.y - min(ys)) * high, 9.0 if p.is_teacher else 6.0) for p in points]
    sizes = [(6.4 * len(_short(p.name)), 13.0) for p in points]
    boxes = place_labels(dots, sizes, Box(-20, -40, 275, 330), gaps=(0.0,))
    return {(p.name, p.run): _side(box, dot) for p, box, dot in zip(points, boxes, dots, strict=True)}


def _side(box: Box | None, dot: tuple[float, float, float]) -> str | None:
    """plotly's words for where a box lies as seen from a point."""
    if box is None:
        return None
    x, y, _ = dot
    vertical = "top" if box.bottom >= y else "bottom" if box.top <= y else "middle"
    horizontal = "right" if box.left >= x else "left" if box.right <= x else "center"
    return f"{vertical} {horizontal}"


def _x_range(plot: PlotFacts) -> tuple[float, float]:
    """Room at the right for the name of the last point, which mostly stands right of it."""
    xs = [x for point in plot.points for x in (point.x, *point.x_bounds)]
    width = max(xs) - min(xs) or 1.0
    return min(xs) - 0.08 * width, max(xs) + 0.25 * width


def _bars(bounds: list[tuple[float, float, float]], colour: str) -> dict[str, Any]:
    above = [max(0.0, hi - value) for value, _, hi in bounds]
    below = [max(0.0, value - lo) for value, lo, _ in bounds]
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return bars | {"color": colour, "thickness": 1.3, "width": 4, "visible": any(above) or any(below)}


def _hover(point: PlotPoint, plot: PlotFacts) -> str:
    lines = [f"<b>{html.escape(point.name)}</b>"]
    for one, value, bounds in ((plot.x, point.x, point.x_bounds), (plot.y, point.y, point.y_bounds)):
        interval = "" if bounds == (value, value) else f" ({bounds[0]:.4g} to {bounds[1]:.4g})"
        lines.append(html.escape(f"{one.label}: {value:.4g} {one.unit}".rstrip() + interval))
    return "<br>".join(lines)


def _layout(plot: PlotFacts) -> dict[str, Any]:
    line = {"gridcolor": "#dddddd", "zeroline": False, "linecolor": "#6b6b6b", "showline": True, "automargin": True}
    return {
        "xaxis": line | {"title": {"text": _title(plot.x)}, "range": list(_x_range(plot))},
        "yaxis": line | {"title": {"text": _title(plot.y)}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "margin": {"l": 10, "r": 10, "t": 30, "b": 10},
        "height": 460,
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "font": {"color": INK, "family": "system-ui, sans-serif", "size": 12},
        "hovermode": "closest",
    }


def _title(objective: Objective) -> str:
    # Two lines, so that it fits on a phone.
    return f"{html.escape(axis(objective))}<br>{better(objective)}"
