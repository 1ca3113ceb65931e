"""Several runs side by side: who of each stays on the front of all, and what became of candidates that runs share."""

from collections.abc import Sequence

from compress.common.document import Paragraph, Row, Table
from compress.common.formatting import NONE, listed
from compress.report.document import Block
from compress.report.facts import ReportFacts, RunView
from compress.report.readings import beside, overlapping, reading
from compress.report.recommendation import budget_blocks
from compress.results.columns import number
from compress.results.objectives import Objective
from compress.results.pareto import front
from compress.results.records import Record


def joint_records(runs: Sequence[RunView]) -> list[Record]:
    """Everybody who ranks, of all runs; a run's label keeps equal names apart."""
    return [record.model_copy(update={"name": f"{record.name} ({run.label})"}) for run in runs for record in run.ranked]


def comparison_blocks(facts: ReportFacts) -> list[Block]:
    """A row for each run, then a row for each candidate that several runs have."""
    runs = facts.runs
    objectives = runs[0].objectives
    if any(run.objectives != objectives for run in runs):
        return []
    blocks: list[Block] = [_runs(runs, objectives)]
    machines = {text for run in runs for key, texts in run.conditions.items() if key.endswith("cpu") for text in texts}
    if len(machines) > 1:
        blocks.append(Paragraph(f"Not the same machine: {listed(sorted(machines))}. Compare ratios, not milliseconds."))
    shared = _shared(runs, objectives)
    return [*blocks, shared] if shared is not None else [*blocks, Paragraph("No two runs share a candidate's name.")]


def joint_budget_blocks(facts: ReportFacts) -> list[Block]:
    """One model out of all runs."""
    runs = facts.runs
    if not runs[0].budget or any(run.objectives != runs[0].objectives for run in runs):
        return []
    return budget_blocks(joint_records(runs), runs[0].budget, [objective.name for objective in runs[0].objectives])


def _runs(runs: Sequence[RunView], objectives: Sequence[Objective]) -> Table:
    names = [objective.name for objective in objectives]
    members = set(front(joint_records(runs), names))
    head = ("Run", "Teacher", "Candidates", "On its own front", "On the front of all",
            *(f"Best {objective.label}" for objective in objectives))  # fmt: skip
    rows = []
    for run in runs:
        candidates = [record for record in run.ranked if record.role == "candidate"]
        own = set(front(run.ranked, names))
        joint = [record.name for record in candidates if f"{record.name} ({run.label})" in members]
        cells = [
            run.label,
            run.teacher.teacher if run.teacher is not None else NONE,
            str(len(candidates)),
            str(sum(record.name in own for record in candidates)),
            str(len(joint)),
            *(_best(candidates, objective) for objective in objectives),
        ]
        rows.append(Row(tuple(cells)))
    words = (0, 1, *range(5, len(head)))
    return Table("Each run, and how many of its candidates nobody of any run beats", head, tuple(rows), words=words)


def _best(candidates: Sequence[Record], objective: Objective) -> str:
    known = [
        (value, r.name) for r in candidates if r.error is None and (value := number(r, objective.name)) is not None
    ]
    if not known:
        return NONE
    value, name = min(known) if objective.smaller_is_better else max(known)
    return f"{reading(objective.name, value)} ({name})"


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
    columns = [f"{_capital(objective.label)}, {run.label}" for objective in objectives for run in runs]
    head = ("Candidate", *columns, "The same network")
    text = "Candidates that several runs have; in brackets against the first run that has it"
    return Table(text, head, tuple(rows), words=(0, len(head) - 1))


def _cell(record: Record | None, first: Record | None, column: str) -> str:
    """A value, beside that of the first run that has the candidate; None for that run itself."""
    if record is None:
        return "not there"
    value = number(record, column)
    if first is None:
        return reading(column, value)
    if overlapping(record, first, column):
        return f"{reading(column, value)} (intervals overlap)"
    return beside(column, value, number(first, column))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
