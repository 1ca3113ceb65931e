"""Records -> facts: who is on the front, what the plots show, under which conditions it was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from compress.report.explorer import RANKED, Explorer, explorer
from compress.report.facts import (
    CandidateFacts,
    PlotFacts,
    PlotPoint,
    ReportFacts,
    RunFacts,
    RunView,
    ScalePanel,
)
from compress.report.kinematic_reading import kinematics_view
from compress.report.people import people_view
from compress.report.readings import bounds
from compress.report.search_view import search_points, search_view, standings
from compress.results.columns import number, reasons
from compress.results.objectives import OBJECTIVES, Objective
from compress.results.pareto import TIME_OBJECTIVES, front, indistinguishable, only_by_noise
from compress.results.records import Record, ScaleLatency
from compress.results.tables import teacher_first
from compress.results.training_curves import learnings


def report_facts(runs: Sequence[RunFacts]) -> ReportFacts:
    """Looks at every run; ValueError if there is none."""
    if not runs:
        raise ValueError("a report needs at least one run")
    same = all(run.objectives == runs[0].objectives for run in runs)
    together = len(runs) > 1 and same
    ranked = [replace(run, records=_ranked(run)) for run in runs] if together else []
    return ReportFacts(
        tuple(_view(run) for run in runs),
        plot_facts(ranked, runs[0].objectives) if together else None,
        _explorer(ranked, runs[0].objectives) if together else None,
    )


def _ranked(run: RunFacts) -> tuple[Record, ...]:
    found = standings(run.records, run.search)
    return tuple(record for record in teacher_first(run.records) if found[record.name].kind in RANKED)


def _view(run: RunFacts) -> RunView:
    ranked = _ranked(run)
    records = _looked_at(run, ranked)
    candidates = _candidates(records, run.objectives)
    teacher = next((record for record in records if record.role == "teacher"), None)
    members = [c.record for c in candidates if c.on_front and not c.is_teacher]
    shown = _explorer([run], run.objectives)
    plot = plot_facts([replace(run, records=tuple(records))], run.objectives)
    return RunView(
        label=run.label,
        teacher=teacher,
        candidates=candidates,
        objectives=tuple(OBJECTIVES[name] for name in run.objectives),
        plot=plot if run.search is None or shown is None or plot is None else _with_the_rest(plot, shown),
        panels=_panels(records),
        kinematics=kinematics_view(records),
        training=learnings(records),
        noise=indistinguishable(records),
        conditions=_conditions(records),
        recipe=run.recipe,
        command=run.command,
        goals=run.goals,
        devices=run.devices,
        budget=run.budget,
        ranked=ranked,
        explorer=shown,
        search=None if run.search is None else search_view(run.records, run.search),
        people=people_view(run.people, teacher, members),
        why_no_people=run.why_no_people,
    )


def _looked_at(run: RunFacts, ranked: Sequence[Record]) -> list[Record]:
    """Who gets rows and sentences: of a search the front and the plain stage table, because it has many candidates.

    Whoever is on the front of all is on that of these, and nobody else is.
    """
    if run.search is None:
        return teacher_first(run.records)
    found, members = standings(ranked, run.search), front(ranked, run.objectives)
    return [r for r in ranked if r.role == "teacher" or found[r.name].kind == "start" or r.name in members]


def _explorer(runs: Sequence[RunFacts], objectives: Sequence[str]) -> Explorer | None:
    """Every point of one or several runs; the front of all objectives is that of all of them together."""
    keyed = [
        record.model_copy(update={"name": f"{index} {record.name}"})
        for index, run in enumerate(runs)
        for record in _ranked(run)
    ]
    members = set(front(keyed, objectives))
    points = [
        point
        for index, run in enumerate(runs)
        for point in search_points(
            teacher_first(run.records),
            run.search,
            [record.name for record in run.records if f"{index} {record.name}" in members],
            index,
            run.label if len(runs) > 1 else "",
        )
    ]
    return explorer(points, plot_axes(objectives), [run.label for run in runs], objectives)


def _with_the_rest(plot: PlotFacts, shown: Explorer) -> PlotFacts:
    """The still picture of a search: those that have no row of their own are points without a name."""
    x, y = shown.chosen
    named = {point.name: point.kind for point in shown.points}
    points = [replace(point, kind=named.get(point.name, point.kind)) for point in plot.points]
    known = {point.name for point in plot.points}
    for point in shown.points:
        at_x, at_y = point.values[x], point.values[y]
        if point.name not in known and at_x is not None and at_y is not None:
            points.append(PlotPoint("", 0, at_x, at_y, (at_x, at_x), (at_y, at_y), False, False, point.kind))
    return replace(plot, points=tuple(points))


def _candidates(records: Sequence[Record], objectives: Sequence[str]) -> tuple[CandidateFacts, ...]:
    members = front(records, objectives)
    pairs = indistinguishable(records)
    return tuple(
        CandidateFacts(
            record=record,
            is_teacher=record.role == "teacher",
            on_front=record.name in members,
            near=tuple(other for pair in pairs if record.name in pair for other in pair if other != record.name),
            only_by_noise=only_by_noise(record, records, objectives) if record.name in members else (),
            reasons=reasons(record),
        )
        for record in records
    )


def plot_axes(objectives: Sequence[str]) -> tuple[str, str]:
    """Time goes to the right, the first other objective upwards; what the objectives do not give is filled in."""
    x = next((name for name in objectives if name in TIME_OBJECTIVES), None)
    others = [name for name in objectives if name not in TIME_OBJECTIVES]
    if x is None and len(others) > 1:
        return others[0], others[1]
    return x or "latency_ratio", others[0] if others else "joint_rel_l2"


def plot_facts(runs: Sequence[RunFacts], objectives: Sequence[str]) -> PlotFacts | None:
    """The Pareto plot over one or several runs; None if nobody has values on both axes."""
    x_name, y_name = plot_axes(objectives)
    found: list[tuple[int, Record]] = [
        (index, record) for index, run in enumerate(runs) for record in teacher_first(run.records)
    ]
    # Front membership is that of the run itself, or of all runs together; a run's label keeps equal names apart.
    keyed = [record.model_copy(update={"name": f"{index} {record.name}"}) for index, record in found]
    members = set(front(keyed, objectives))
    points: list[PlotPoint] = []
    left_out: list[str] = []
    for (index, record), key in zip(found, keyed, strict=True):
        name = record.name if len(runs) == 1 else f"{record.name} ({runs[index].label})"
        x, y = number(record, x_name), number(record, y_name)
        if x is None or y is None or record.error is not None:
            left_out.append(name)
            continue
        spans = (bounds(record, x_name) or (x, x), bounds(record, y_name) or (y, y))
        points.append(PlotPoint(name, index, x, y, *spans, record.role == "teacher", key.name in members))
    if not points:
        return None
    x_axis, y_axis = OBJECTIVES[x_name], OBJECTIVES[y_name]
    line = _staircase(points, x_axis) if set(objectives) == {x_name, y_name} else ()
    return PlotFacts(x_axis, y_axis, tuple(points), line, tuple(left_out), tuple(run.label for run in runs))


def _staircase(points: Sequence[PlotPoint], x: Objective) -> tuple[tuple[float, float], ...]:
    """From the best x on: y holds until the next member is reached, then takes its better value."""
    best_first = 1 if x.smaller_is_better else -1
    members = sorted(
        {(point.x, point.y) for point in points if point.on_front}, key=lambda place: best_first * place[0]
    )
    corners: list[tuple[float, float]] = []
    for place in members:
        if corners:
            corners.append((place[0], corners[-1][1]))
        corners.append(place)
    return tuple(corners)


def _panels(records: Sequence[Record]) -> tuple[ScalePanel, ...]:
    """One panel for each scale that somebody was timed at, by each record's first latency."""
    panels: dict[float, list[tuple[str, ScaleLatency, bool]]] = {}
    for record in records:
        for timing in record.measurement.latency[0].scales if record.measurement.latency else ():
            panels.setdefault(timing.scale, []).append((record.name, timing, record.role == "teacher"))
    return tuple(
        ScalePanel(scale, (bars[0][1].input_h, bars[0][1].input_w), tuple(bars))
        for scale, bars in sorted(panels.items())
    )


def _conditions(records: Sequence[Record]) -> dict[str, dict[str, tuple[str, ...]]]:
    """A condition that is None for everybody says nothing and is left out: huge pages kept, so no reason why not."""
    table: dict[str, dict[str, tuple[str, ...]]] = {}
    for record in records:
        for key, value in flatten(record.conditions).items():
            names = table.setdefault(key, {})
            text = "none" if value is None else value
            names[text] = (*names.get(text, ()), record.name)
    told = {key for record in records for key, value in flatten(record.conditions).items() if value is not None}
    return {key: names for key, names in table.items() if key in told}


def flatten(conditions: Mapping[str, Any]) -> dict[str, str | None]:
    """`{"versions": {"torch": "2.13"}}` -> `{"versions.torch": "2.13"}`; lists become one text, None stays."""
    flat: dict[str, str | None] = {}
    for key, value in conditions.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": text for inner, text in flatten(value).items()}
        elif isinstance(value, list | tuple):
            flat[key] = ", ".join(_item(item) for item in value) or "none"
        else:
            flat[key] = None if value is None else str(value)
    return flat


def _item(item: Any) -> str:
    return ": ".join(str(value) for value in item.values()) if isinstance(item, Mapping) else str(item)
