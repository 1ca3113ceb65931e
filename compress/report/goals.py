"""Which candidate to ship: every candidate against every goal of the recipe, and a sentence that names one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import NONE, listed, significant
from compress.report.document import Block
from compress.report.words import better
from compress.results.goals import Goal, GoalResult, chosen, closest, judge, meets_all, parse_goals
from compress.results.objectives import OBJECTIVES
from compress.results.pareto import TIME_OBJECTIVES, front, objective_values, within_timing_noise
from compress.results.records import Record
from compress.results.tables import teacher_first


@dataclass(frozen=True)
class GoalRow:
    """One line of the table."""

    record: Record
    results: tuple[GoalResult, ...]
    """In the order of the goals."""
    on_front: bool

    @property
    def met(self) -> int:
        return sum(result.met is True for result in self.results)


@dataclass(frozen=True)
class GoalFacts:
    """Everything that is said about the goals."""

    goals: tuple[Goal, ...]
    objective: str
    """The first objective decides among those that meet all goals."""
    rows: tuple[GoalRow, ...]
    """The teacher first."""
    able: tuple[str, ...]
    """The candidates that meet all goals."""
    ship: GoalRow | None
    """The best of them; None if nobody meets all goals."""
    near: tuple[str, ...]
    """Of them, those that lie within timing noise of it, where time decides."""
    closest: GoalRow | None
    """Who meets most, where nobody meets all; None if every candidate failed."""


def goal_facts(records: Sequence[Record], goals: Sequence[str], objectives: Sequence[str]) -> GoalFacts:
    """Judges every record; goals as the recipe spells them, objectives as columns of candidates.csv."""
    parsed = parse_goals(goals)
    members = front(records, objectives)
    rows = {id(r): GoalRow(r, judge(r, parsed), r.name in members) for r in teacher_first(records)}
    able = [record for record in records if record.role == "candidate" and meets_all(record, parsed)]
    best = chosen(records, parsed, objectives)
    next_best = closest(records, parsed, objectives) if best is None else None
    timed = best is not None and objectives[0] in TIME_OBJECTIVES
    return GoalFacts(
        goals=parsed,
        objective=objectives[0],
        rows=tuple(rows.values()),
        able=tuple(record.name for record in able),
        ship=rows.get(id(best)),
        near=tuple(r.name for r in able if timed and best and r is not best and within_timing_noise(r, best)),
        closest=rows.get(id(next_best)),
    )


def goal_blocks(
    records: Sequence[Record], goals: Sequence[str], objectives: Sequence[str], ranked: Collection[str] | None = None
) -> list[Block]:
    """The section on goals; nothing for a recipe without any. `ranked`: whose rows the table has, all if left out."""
    if not goals:
        return []
    facts = goal_facts(records, goals, objectives)
    shown = replace(facts, rows=tuple(row for row in facts.rows if ranked is None or row.record.name in ranked))
    why = _reasons(shown)
    note = "Goals judge what was measured. One that speaks of a joint without raw or filtered must hold for both."
    blocks: list[Block] = [Paragraph(verdict(facts), verdict=True), _table(shown), Paragraph(note)]
    return [*blocks, Paragraph("Why a goal could not be judged:"), why] if why.items else blocks


def verdict(facts: GoalFacts) -> str:
    """Whom to ship, in a sentence or two."""
    if facts.ship is not None:
        return _to_ship(facts, facts.ship)
    if facts.closest is None:
        return "There is nobody to ship: no candidate was finished."
    best, count = facts.closest, len(facts.goals)
    if not best.met:
        any_goal = "the goal" if count == 1 else f"any of the {count} goals"
        return f"There is nobody to ship: no candidate is known to meet {any_goal}."
    missed = [f"{r.goal} ({value_shown(r)})" for r in best.results if r.met is False]
    unknown = [str(result.goal) for result in best.results if result.met is None]
    parts = [f"it misses {listed(missed)}"] if missed else []
    parts += [f"not measured: {listed(unknown)}"] if unknown else []
    return (
        f"Nobody meets {_all(facts)}. {best.record.name} comes nearest with {best.met} of {count}; {'; '.join(parts)}."
    )


def _to_ship(facts: GoalFacts, best: GoalRow) -> str:
    name, whole = best.record.name, _all(facts)
    if len(facts.able) == 1:
        return f"Ship {name}: it alone meets {whole}."
    objective = OBJECTIVES[facts.objective]
    value = objective_values(best.record, [facts.objective])[0]
    if value is None:
        return f"Ship {name}: it meets {whole}, as do {len(facts.able) - 1} more; {objective.label} was not measured."
    reading = f"{significant(value)} {objective.unit}".strip()
    text = (
        f"Ship {name}: of the {len(facts.able)} candidates that meet {whole} it is the best in {objective.label} "
        f"({better(objective)}), with {reading}."
    )
    return f"{text} Within timing noise of it: {listed(facts.near)}." if facts.near else text


def _all(facts: GoalFacts) -> str:
    return {1: "the goal", 2: "both goals"}.get(len(facts.goals), f"all {len(facts.goals)} goals")


def _table(facts: GoalFacts) -> Table:
    head = ("Candidate", "Goals met", *(str(goal) for goal in facts.goals))
    rows = []
    for row in facts.rows:
        summed = f"{row.met} of {len(facts.goals)}"
        rows.append(Row((_name(row, facts), summed, *(_cell(result) for result in row.results)), _kind(row)))
    words = (0, *range(2, len(head)))
    return Table("Each candidate against the goals of the recipe", head, tuple(rows), key=1, words=words)


def _name(row: GoalRow, facts: GoalFacts) -> str:
    marks = ["to ship"] if facts.ship is row else []
    marks += ["failed"] if row.record.error is not None else []
    return f"{row.record.name} ({', '.join(marks)})" if marks else row.record.name


def _kind(row: GoalRow) -> Literal["plain", "teacher", "front", "failed"]:
    if row.record.error is not None:
        return "failed"
    if row.record.role == "teacher":
        return "teacher"
    return "front" if row.on_front else "plain"


def _cell(result: GoalResult) -> str:
    return NONE if result.met is None else f"{value_shown(result)}, {'met' if result.met else 'missed'}"


def value_shown(result: GoalResult) -> str:
    """Three significant digits, and more where they would tell another story than the verdict: 5.004 against 5."""
    if not isinstance(result.value, float) or isinstance(result.goal.limit, str):
        return str(result.value)
    shown = (significant(result.value, digits) for digits in range(3, 18))
    return next((text for text in shown if result.goal.keeps(float(text)) == result.met), repr(result.value))


def _reasons(facts: GoalFacts) -> Bullets:
    """Goal -> why it could not be judged, and for whom; a failed candidate stands for itself."""
    finished = [row for row in facts.rows if row.record.error is None]
    found: dict[tuple[str, str], list[str]] = {}
    for row in finished:
        for result in row.results:
            if result.met is None:
                found.setdefault((str(result.goal), result.reason), []).append(row.record.name)
    items = []
    for (goal, reason), names in found.items():
        items.append((goal, f"{reason} ({'everybody' if len(names) == len(finished) else ', '.join(names)})"))
    return Bullets(tuple(items))
