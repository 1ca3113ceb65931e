"""Everything the report says, computed before anything is drawn or worded: a tree of frozen facts.

Tests look at this tree; the drawing and the writing only read it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compress.columns import number, reasons
from compress.objectives import OBJECTIVES, Objective
from compress.pareto import TIME_OBJECTIVES, front, indistinguishable, only_by_noise
from compress.records import Record, ScaleLatency
from compress.reporting.explorer import RANKED, Explorer, explorer
from compress.reporting.kinematic_reading import kinematics_view
from compress.reporting.kinematics import KinematicsView
from compress.reporting.learning import Learning, learnings
from compress.reporting.people import PeopleView, people_view
from compress.reporting.readings import bounds
from compress.reporting.search_view import SearchView, search_points, search_view, standings
from compress.search.facts import SearchFacts
from compress.shown_people import ShownPeople
from compress.tables import teacher_first


@dataclass(frozen=True)
class DeviceTime:
    """One artefact's time on another device."""

    candidate: str
    file: str
    runtime: str
    """Its name and version."""
    median_ms: float
    p90_ms: float
    ratio: tuple[float, float, float]
    """To the first artefact of the same file of times: median, and its 95% interval."""
    on_front: bool


@dataclass(frozen=True)
class DeviceView:
    """What `compress bench` measured, of one run's candidates."""

    label: str
    """The machine, threads and input size."""
    reference: str
    """The artefact that ratios are to."""
    times: tuple[DeviceTime, ...]
    unknown: tuple[str, ...]
    """Files that are no artefact of this run's candidates, by their sha256."""
    plot: "PlotFacts | None"


@dataclass(frozen=True)
class RunFacts:
    """One run as the report is given it."""

    label: str
    records: tuple[Record, ...]
    recipe: str
    """The concrete recipe, as text."""
    objectives: tuple[str, ...]
    """Columns of candidates.csv."""
    command: str = "compress run recipe.yaml"
    """What to type to do the run again."""
    goals: tuple[str, ...] = ()
    """As the recipe spells them."""
    devices: tuple[DeviceView, ...] = ()
    """Times from elsewhere, `compress report --bench`."""
    budget: tuple[str, ...] = ()
    """`compress report --budget`, spelt as goals are; it judges in place of the goals."""
    search: SearchFacts | None = None
    people: ShownPeople | None = None
    """One frame with the people that teacher and candidates find in it."""
    why_no_people: str = ""
    """Why there are none, if the recipe or the source forbids them."""


@dataclass(frozen=True)
class CandidateFacts:
    """One row of the report; `record` holds the numbers."""

    record: Record
    is_teacher: bool
    on_front: bool
    near: tuple[str, ...]
    """Names that lie within timing noise of this one."""
    only_by_noise: tuple[str, ...]
    """On the front only because a time difference within noise separates it from these."""
    reasons: Mapping[str, tuple[str, ...]]
    """Why columns are empty: reason -> columns."""


@dataclass(frozen=True)
class PlotPoint:
    """A candidate in the Pareto plot; bounds are those of the 95% interval, or the value itself where there is none."""

    name: str
    run: int
    x: float
    y: float
    x_bounds: tuple[float, float]
    y_bounds: tuple[float, float]
    is_teacher: bool
    on_front: bool
    kind: str = "candidate"
    """As in compress.reporting.explorer."""


@dataclass(frozen=True)
class PlotFacts:
    """The Pareto plot."""

    x: Objective
    y: Objective
    points: tuple[PlotPoint, ...]
    line: tuple[tuple[float, float], ...]
    """Corners of the step line along the front; empty where it would mislead, with more than two objectives."""
    left_out: tuple[str, ...]
    """Names without a value on one of the axes."""
    runs: tuple[str, ...]


@dataclass(frozen=True)
class ScalePanel:
    """Times at one image scale, in the order of the candidates: name, times, whether it is the teacher."""

    scale: float
    input_hw: tuple[int, int]
    bars: tuple[tuple[str, ScaleLatency, bool], ...]


@dataclass(frozen=True)
class RunView:
    """One run, looked at: the teacher first among the candidates."""

    label: str
    teacher: Record | None
    candidates: tuple[CandidateFacts, ...]
    objectives: tuple[Objective, ...]
    plot: PlotFacts | None
    panels: tuple[ScalePanel, ...]
    kinematics: KinematicsView | None
    """None if nobody's joint angles were measured."""
    training: tuple[Learning, ...]
    """Empty if nobody learned anything."""
    noise: tuple[tuple[str, str], ...]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Condition -> its value, as text -> names measured under it. More than one value means mixed conditions."""
    recipe: str
    command: str
    goals: tuple[str, ...]
    devices: tuple[DeviceView, ...]
    budget: tuple[str, ...]
    ranked: tuple[Record, ...]
    """Everybody who ranks: of a search, without those that were screened out or that break a constraint."""
    explorer: Explorer | None
    search: SearchView | None
    people: PeopleView | None
    why_no_people: str


@dataclass(frozen=True)
class ReportFacts:
    """The whole report. `combined` is there for several runs with the same objectives."""

    runs: tuple[RunView, ...]
    combined: PlotFacts | None
    explorer: Explorer | None = None
    """Its interactive twin."""


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
