"""The interactive Pareto plot: what explorer.js is given, and plotly's own script."""

import json
from html import escape
from typing import Any

from plotly.offline import get_plotlyjs

from compress.report.explorer import Explorer, ExplorerPoint
from compress.results.column_text import axis_title, direction_text, value_text
from compress.results.objectives import Objective


def plotly_script() -> str:
    """The library itself, to be put into a script element once; about 5 MB."""
    return str(get_plotlyjs())


def explorer_call(identifier: str, facts: Explorer) -> str:
    """The script that draws it; safe inside a script element."""
    spec = json.dumps(explorer_spec(facts), sort_keys=True, allow_nan=False, separators=(",", ":"))
    # A name that holds "</script>" must not end the script element.
    safe = spec.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'drawExplorer("{identifier}", {safe});'


def explorer_spec(facts: Explorer) -> dict[str, Any]:
    """What the script is given. Texts are escaped: plotly reads a little HTML in them."""
    return {
        "axes": [_axis(objective, facts.logarithmic(place)) for place, objective in enumerate(facts.axes)],
        "chosen": list(facts.chosen),
        "fronts": {f"{a},{b}": list(members) for (a, b), members in facts.fronts.items()},
        "objectives": list(facts.objectives),
        "points": [_point(point, facts.axes) for point in facts.points],
    }


def _axis(objective: Objective, logarithmic: bool) -> dict[str, Any]:
    return {
        "name": objective.name,
        "label": escape(objective.label),
        # Two lines, so that it fits on a phone.
        "title": f"{escape(axis_title(objective))}<br>{direction_text(objective)}",
        "smaller": objective.smaller_is_better,
        "log": logarithmic,
        "ticks": {"percent": ".3~p", "count": ".3~s", "bytes": ".3~s"}.get(objective.form, ","),
    }


def _point(point: ExplorerPoint, axes: tuple[Objective, ...]) -> dict[str, Any]:
    pairs = zip(axes, point.values, point.intervals, strict=True)
    return {
        "name": escape(point.name),
        "recipe": escape(point.recipe),
        "note": escape(point.note),
        "kind": point.kind,
        "run": point.run,
        "front": point.on_front,
        "values": list(point.values),
        "bars": [None if found is None else list(found) for found in point.intervals],
        "texts": [escape(_text(objective, value, found)) for objective, value, found in pairs],
    }


def _text(objective: Objective, value: float | None, found: tuple[float, float] | None) -> str:
    text = value_text(objective.name, value)
    if found is None:
        return text
    return f"{text} ({value_text(objective.name, found[0])} to {value_text(objective.name, found[1])})"
