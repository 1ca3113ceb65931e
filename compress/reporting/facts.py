"""Everything the report says, computed before anything is drawn or worded: a tree of frozen facts.

Tests look at this tree; the drawing and the writing only read it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compress.columns import number, reasons
from compress.objectives import OBJECTIVES, Objective
from compress.pareto import TIME_OBJECTIVES, front, indistinguishable, only_by_noise
from compress.records import Record, ScaleLatency
from compress.reporting.kinematic_reading import kinematics_view
from compress.reporting.kinematics import KinematicsView
from compress.reporting.learning import Learning, learnings
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
    energy_mj: float | None


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
    energy: str | None
    """The counter that measured it, or why it was not."""


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


@dataclass(frozen=True)
class ReportFacts:
    """The whole report. `combined` is there for several runs with the same objectives."""

    runs: tuple[RunView, ...]
    combined: PlotFacts | None


def report_facts(runs: Sequence[RunFacts]) -> ReportFacts:
    """Looks at every run; ValueError if there is none."""
    if not runs:
        raise ValueError("a report needs at least one run")
    same = all(run.objectives == runs[0].objectives for run in runs)
    combined = plot_facts(runs, runs[0].objectives) if len(runs) > 1 and same else None
    return ReportFacts(tuple(_view(run) for run in runs), combined)


def _view(run: RunFacts) -> RunView:
    records = teacher_first(run.records)
    return RunView(
        label=run.label,
        teacher=next((record for record in records if record.role == "teacher"), None),
        candidates=_candidates(records, run.objectives),
        objectives=tuple(OBJECTIVES[name] for name in run.objectives),
        plot=plot_facts([run], run.objectives),
        panels=_panels(records),
        kinematics=kinematics_view(records),
        training=learnings(records),
        noise=indistinguishable(records),
        conditions=_conditions(records),
        recipe=run.recipe,
        command=run.command,
        goals=run.goals,
        devices=run.devices,
    )


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
        bounds = (_bounds(record, x_name, x), _bounds(record, y_name, y))
        points.append(PlotPoint(name, index, x, y, *bounds, record.role == "teacher", key.name in members))
    if not points:
        return None
    x_axis, y_axis = OBJECTIVES[x_name], OBJECTIVES[y_name]
    line = _staircase(points, x_axis) if set(objectives) == {x_name, y_name} else ()
    return PlotFacts(x_axis, y_axis, tuple(points), line, tuple(left_out), tuple(run.label for run in runs))


def _bounds(record: Record, column: str, value: float) -> tuple[float, float]:
    if column != "latency_ratio":
        return value, value
    lo, hi = number(record, "latency_ratio_lo"), number(record, "latency_ratio_hi")
    return (value if lo is None else lo, value if hi is None else hi)


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
