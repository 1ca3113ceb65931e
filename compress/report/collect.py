"""Records -> facts: which candidates are on the front, what the plots show, under which conditions it was measured."""

import os
from collections.abc import Sequence
from pathlib import Path

from compress.common.run_folder import CANDIDATES
from compress.core.built import ARTEFACT
from compress.measure.latency_facts import Latencies, PartLatency
from compress.report.explorer import Explorer, explorer, plot_axes
from compress.report.facts import CandidateFacts, ModelFile, PartPanel, ReportFacts, RunFacts, RunGroup, RunView
from compress.report.search_view import ranked_records, search_points, search_view, standings
from compress.results.columns import reasons
from compress.results.comparability import comparable, differences, flatten, reference
from compress.results.joint_angle_facts import kinematics_view
from compress.results.objectives import OBJECTIVES
from compress.results.pareto import front, indistinguishable, only_by_noise
from compress.results.recommendation import recommend
from compress.results.records import Record
from compress.results.tables import teacher_first
from compress.results.training_curves import learnings


def report_facts(runs: Sequence[RunFacts], out: Path | None = None) -> ReportFacts:
    """Looks at every run; `out` is where the report will lie, so that it can name models by their path from there.

    Raises ValueError if there is no run.
    """
    if not runs:
        raise ValueError("a report needs at least one run")
    views = tuple(_view(run, out) for run in runs)
    found = [reference(run.records, run.objectives) for run in runs]
    groups = tuple(_group(places, runs, views) for places in comparable(found))
    return ReportFacts(views, groups, differences(found))


def _view(run: RunFacts, out: Path | None) -> RunView:
    ranked = ranked_records(run.records, run.search)
    records = _with_rows(run, ranked)
    return RunView(
        label=run.label,
        teacher=next((record for record in records if record.role == "teacher"), None),
        candidates=_candidates(records, run.objectives),
        objectives=tuple(OBJECTIVES[name] for name in run.objectives),
        ranked=ranked,
        recommendation=recommend(ranked, run.objectives, run.goals, run.budget),
        files=_files(run, out),
        explorer=_explorer([run], run.objectives),
        panels=_panels(records),
        kinematics=kinematics_view(records),
        training=learnings(records),
        conditions=_conditions(records),
        search=None if run.search is None else search_view(run.records, run.search),
        source=run,
    )


def _with_rows(run: RunFacts, ranked: Sequence[Record]) -> list[Record]:
    """All records; of a search its front and the stage table. What is on the front of all is on that of these."""
    if run.search is None:
        return teacher_first(run.records)
    found, members = standings(ranked, run.search), front(ranked, run.objectives)
    return [r for r in ranked if r.role == "teacher" or found[r.name].kind == "start" or r.name in members]


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


def _files(run: RunFacts, out: Path | None) -> dict[str, ModelFile]:
    if run.folder is None or out is None:
        return {}
    paths = {record.name: run.folder / CANDIDATES / record.name / ARTEFACT for record in run.records}
    return {
        name: ModelFile(Path(os.path.relpath(path, out)).as_posix(), path.stat().st_size)
        for name, path in paths.items()
        if path.is_file()
    }


def _explorer(runs: Sequence[RunFacts], objectives: Sequence[str]) -> Explorer | None:
    """Every point of one or several runs; the front of all objectives is that of all of them together."""
    keyed = [
        record.model_copy(update={"name": f"{index} {record.name}"})
        for index, run in enumerate(runs)
        for record in ranked_records(run.records, run.search)
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


def _panels(records: Sequence[Record]) -> tuple[PartPanel, ...]:
    """One panel for each scale and window at which times were taken, by each record's first latency."""
    panels: dict[tuple[str, float], list[tuple[str, PartLatency, bool]]] = {}
    for record in records:
        latencies = record.facts(Latencies)
        for timing in latencies.first.parts if latencies is not None else ():
            place = ("scale", timing.scale) if timing.scale is not None else ("window", timing.input_h * timing.input_w)
            panels.setdefault(place, []).append((record.name, timing, record.role == "teacher"))
    return tuple(
        PartPanel(_panel_title(bars[0][1]), (bars[0][1].input_h, bars[0][1].input_w), tuple(bars))
        for _, bars in sorted(panels.items())
    )


def _panel_title(timing: PartLatency) -> str:
    return "Window" if timing.scale is None else f"Scale {timing.scale:g}"


def _conditions(records: Sequence[Record]) -> dict[str, dict[str, tuple[str, ...]]]:
    """A condition that is None in every record is left out: huge pages kept, so no reason why not."""
    table: dict[str, dict[str, tuple[str, ...]]] = {}
    for record in records:
        for key, value in flatten(record.conditions).items():
            names = table.setdefault(key, {})
            text = "none" if value is None else value
            names[text] = (*names.get(text, ()), record.name)
    told = {key for record in records for key, value in flatten(record.conditions).items() if value is not None}
    return {key: names for key, names in table.items() if key in told}


def _group(places: tuple[int, ...], runs: Sequence[RunFacts], views: Sequence[RunView]) -> RunGroup:
    members = [runs[place] for place in places]
    if len(members) == 1:
        return RunGroup(places, None, None)
    first = members[0]
    records = [
        record.model_copy(update={"name": f"{record.name} ({views[place].label})"})
        for place in places
        for record in views[place].ranked
    ]
    # Goals are each recipe's own; a budget is that of the whole report.
    joint = recommend(records, first.objectives, budget=first.budget) if first.budget else None
    return RunGroup(places, _explorer(members, first.objectives), joint)
