"""Several runs in one report: which of them compare, their common front, the candidates that they share."""

from collections.abc import Sequence

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import NONE, listed
from compress.report.document import Block, Section
from compress.report.facts import ModelFile, ReportFacts, RunGroup, RunView
from compress.report.sections.pareto_front import pareto_picture
from compress.report.sections.recommended_model import recommended_model
from compress.results.column_text import difference_text, indistinguishable_in, value_text
from compress.results.columns import number
from compress.results.objectives import Objective
from compress.results.pareto import front
from compress.results.records import Record

NOT_COMPARABLE = (
    "These runs do not share a reference, so there is no common front. Their ratios, L2 and angles are relative to "
    "different conditions."
)


def joint_sections(facts: ReportFacts) -> list[Section]:
    """What is said of all runs together, before each run's own sections."""
    sections = []
    if facts.differences:
        sections.append(Section(2, "Not comparable", tuple(_differences(facts)), is_folded=False))
    groups = [group for group in facts.groups if len(group.runs) > 1]
    for place, group in enumerate(groups, 1):
        runs = [facts.runs[index] for index in group.runs]
        of = "" if len(facts.groups) == 1 else f" of {listed([run.label for run in runs])}"
        blocks: list[Block] = []
        if group.recommendation is not None:
            blocks += recommended_model(group.recommendation, _joint_files(runs))
            sections.append(Section(2, f"Recommended model{of}", tuple(blocks), False, True))
        name = "pareto-all" if place == 1 else f"pareto-all-{place}"
        sections.append(Section(2, f"Pareto front{of or ' of all runs'}", tuple(_front(group, name)), False, True))
        sections.append(Section(2, f"Runs{of}", tuple(_comparison(runs)), is_folded=False))
    return sections


def _differences(facts: ReportFacts) -> list[Block]:
    labels = [run.label for run in facts.runs]
    items = tuple(
        (
            condition.replace("_", " ").replace(".", ": "),
            "; ".join(_of(value, labels, values) for value in dict.fromkeys(values)),
        )
        for condition, values in facts.differences.items()
    )
    return [Paragraph(NOT_COMPARABLE, verdict=True), Bullets(items)]


def _of(value: str, labels: Sequence[str], values: Sequence[str]) -> str:
    return f"{value} ({', '.join(label for label, other in zip(labels, values, strict=True) if other == value)})"


def _joint_files(runs: Sequence[RunView]) -> dict[str, ModelFile]:
    return {f"{name} ({run.label})": file for run in runs for name, file in run.files.items()}


def _front(group: RunGroup, name: str) -> list[Block]:
    if group.explorer is None:
        return [Paragraph("There is no Pareto plot: no candidate has values on both of its axes.")]
    return [pareto_picture(group.explorer, name)]


def _comparison(runs: Sequence[RunView]) -> list[Block]:
    """A row for each run, then a row for each candidate that several of them have."""
    shared = _shared(runs, runs[0].objectives)
    return [_runs(runs), shared or Paragraph("No two runs share a candidate's name.")]


def joint_records(runs: Sequence[RunView]) -> list[Record]:
    """All that rank, of all runs; a run's label keeps equal names apart."""
    return [record.model_copy(update={"name": f"{record.name} ({run.label})"}) for run in runs for record in run.ranked]


def _runs(runs: Sequence[RunView]) -> Table:
    objectives = runs[0].objectives
    names = [objective.name for objective in objectives]
    members = set(front(joint_records(runs), names))
    head = ("Run", "Candidates", "On its own front", "On the common front",
            *(f"Best {objective.label}" for objective in objectives))  # fmt: skip
    rows = []
    for run in runs:
        candidates = [record for record in run.ranked if record.role == "candidate"]
        own = set(front(run.ranked, names))
        joint = [record.name for record in candidates if f"{record.name} ({run.label})" in members]
        counts = (len(candidates), sum(record.name in own for record in candidates), len(joint))
        rows.append(Row((run.label, *map(str, counts), *(_best(candidates, objective) for objective in objectives))))
    words = (0, *range(4, len(head)))
    return Table("Each run, and how many of its candidates are on the common front", head, tuple(rows), words=words)


def _best(candidates: Sequence[Record], objective: Objective) -> str:
    known = [
        (value, r.name) for r in candidates if r.error is None and (value := number(r, objective.name)) is not None
    ]
    if not known:
        return NONE
    value, name = min(known) if objective.smaller_is_better else max(known)
    return f"{value_text(objective.name, value)} ({name})"


def _shared(runs: Sequence[RunView], objectives: Sequence[Objective]) -> Table | None:
    """By name, because a recipe that was changed keeps its names; whether it is the same network is told."""
    names = list(dict.fromkeys(record.name for run in runs for record in run.ranked))
    by_run = [{record.name: record for record in run.ranked if record.error is None} for run in runs]
    rows = []
    for name in names:
        found = [records.get(name) for records in by_run]
        there = [record for record in found if record is not None]
        if len(there) < 2:
            continue
        first = found.index(there[0])
        cells = [
            _cell(record, None if run <= first else there[0], objective.name)
            for objective in objectives
            for run, record in enumerate(found)
        ]
        same = "yes" if len({record.id for record in there}) == 1 else "no"
        rows.append(Row((name, *cells, same), "teacher" if there[0].role == "teacher" else "plain"))
    if not rows:
        return None
    columns = [
        f"{objective.label[:1].upper()}{objective.label[1:]}, {run.label}" for objective in objectives for run in runs
    ]
    head = ("Candidate", *columns, "Same network")
    text = "Candidates that several runs have; in brackets the difference from the first run that has it"
    return Table(text, head, tuple(rows), words=(0, len(head) - 1))


def _cell(record: Record | None, first: Record | None, column: str) -> str:
    """A value, beside that of the first run that has the candidate; None for that run itself."""
    if record is None:
        return "not there"
    value = number(record, column)
    if first is None:
        return value_text(column, value)
    if indistinguishable_in(record, first, column):
        return f"{value_text(column, value)} (intervals overlap)"
    return difference_text(column, value, number(first, column))
