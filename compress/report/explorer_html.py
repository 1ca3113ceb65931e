"""The explorer on the page: the controls with their labels, and the call that draws it."""

import json
from html import escape
from pathlib import Path
from typing import Any

from compress.report.explorer import RANKED, Explorer
from compress.report.readings import reading
from compress.report.words import axis, better
from compress.results.objectives import Objective

_PERCENT = ("heat_rel_l2", "joint_rel_l2", "paf_rel_l2", "people_recall")
_LARGE = ("params", "macs", "size_bytes", "peak_memory_bytes")


def explorer_script() -> str:
    """The function that draws, to be put into a script element once."""
    return Path(__file__).with_name("explorer.js").read_text(encoding="utf-8")


def controls(identifier: str, facts: Explorer, alt: str) -> str:
    """Two selects, a switch where there are points that do not rank, the plot's place, and what it shows in words."""
    parts = [
        _select(f"{identifier}-x", "To the right", facts, facts.chosen[0]),
        _select(f"{identifier}-y", "Upwards", facts, facts.chosen[1]),
    ]
    if any(point.kind not in RANKED for point in facts.points):
        parts.append(
            f'<label class="switch"><input type="checkbox" id="{identifier}-others" checked> '
            "Also those that do not rank</label>"
        )
    return (
        f'<div class="choose" role="group" aria-label="What the plot shows">{"".join(parts)}</div>'
        f'<div class="plot" id="{identifier}" role="img" aria-label="{escape(alt)}"></div>'
        f'<p class="status" role="status" id="{identifier}-status"></p>'
    )


def _select(identifier: str, label: str, facts: Explorer, chosen: int) -> str:
    options = "".join(
        f'<option value="{place}"{" selected" if place == chosen else ""}>{escape(_option(one))}</option>'
        for place, one in enumerate(facts.axes)
    )
    return f'<label for="{identifier}">{label}<select id="{identifier}">{options}</select></label>'


def _option(objective: Objective) -> str:
    return axis(objective)


def explorer_call(identifier: str, facts: Explorer) -> str:
    """The script that draws it; safe inside a script element."""
    spec = json.dumps(explorer_spec(facts), sort_keys=True, allow_nan=False, separators=(",", ":"))
    # A name that holds "</script>" must not end the script element.
    safe = spec.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'drawExplorer("{identifier}", {safe});'


def explorer_spec(facts: Explorer) -> dict[str, Any]:
    """What the script is given. Texts are escaped: plotly reads a little HTML in them."""
    return {
        "axes": [
            {
                "name": one.name,
                "label": escape(one.label),
                # Two lines, so that it fits on a phone.
                "title": f"{escape(axis(one))}<br>{better(one)}",
                "smaller": one.smaller_is_better,
                "ticks": ".3~p" if one.name in _PERCENT else ".3~s" if one.name in _LARGE else "",
            }
            for one in facts.axes
        ],
        "chosen": list(facts.chosen),
        "fronts": {f"{a},{b}": list(members) for (a, b), members in facts.fronts.items()},
        "objectives": list(facts.objectives),
        "points": [
            {
                "n": escape(point.name),
                "w": escape(point.words),
                "o": escape(point.note),
                "k": point.kind,
                "r": point.run,
                "f": point.on_front,
                "v": list(point.values),
                "b": [None if found is None else list(found) for found in point.bounds],
                "t": [
                    escape(_told(one, value, found))
                    for one, value, found in zip(facts.axes, point.values, point.bounds, strict=True)
                ],
            }
            for point in facts.points
        ],
    }


def _told(objective: Objective, value: float | None, bounds: tuple[float, float] | None) -> str:
    text = reading(objective.name, value)
    if bounds is None:
        return text
    return f"{text} ({reading(objective.name, bounds[0])} to {reading(objective.name, bounds[1])})"
