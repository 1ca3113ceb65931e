"""The section that names one model: the verdict, its reasons, and what each of the next ones would cost instead."""

from collections.abc import Sequence

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import listed, significant
from compress.report.document import Block
from compress.report.goals import goal_blocks, value_shown
from compress.report.readings import beside, bounds, reading
from compress.report.recipe_words import made_from
from compress.report.recommend import Recommendation, recommendation
from compress.results.budget import limited
from compress.results.columns import number
from compress.results.goal_quantities import Column
from compress.results.goals import Goal, GoalResult, meets_all
from compress.results.objectives import OBJECTIVES
from compress.results.records import Record

HINT = (
    "For one model in place of a front, state a budget: compress report DIR --budget latency_ms=30,angle_rmse_deg=3 "
    "names it, with its reason. Any numeric column of candidates.csv can be limited."
)


def budget_blocks(records: Sequence[Record], budget: Sequence[str], objectives: Sequence[str]) -> list[Block]:
    """One model for a budget; nothing without one."""
    if not budget:
        return []
    found = recommendation(records, budget, objectives)
    return [Paragraph(budget_verdict(found), verdict=True), *_reasons(found)]


def answer(records: Sequence[Record], budget: Sequence[str], objectives: Sequence[str]) -> str:
    """The verdict alone."""
    return budget_verdict(recommendation(records, budget, objectives))


def budget_verdict(found: Recommendation) -> str:
    """Whom to take, in a sentence or two; or that nothing fits, and what comes nearest."""
    facts, best = found.facts, found.facts.ship
    limits = listed([_limit(goal) for goal in facts.goals])
    if best is None and facts.closest is None:
        return f"Nothing fits the budget ({limits}): no candidate was finished."
    if best is None:
        return _nearest(found, limits)
    value = number(best.record, found.order[0])
    reached = f"{OBJECTIVES[found.order[0]].label} {reading(found.order[0], value)}"
    if len(facts.able) == 1:
        return f"Take {best.record.name}: it alone fits the budget ({limits}), with {reached}."
    return (
        f"Take {best.record.name}: of the {len(facts.able)} that fit the budget ({limits}) it is best, with {reached}."
    )


def _nearest(found: Recommendation, limits: str) -> str:
    named = found.facts.closest
    assert named is not None
    misses = [f"{r.goal.quantity} {_shown(r.goal, r.value)}" for r in named.results if r.met is False]
    unknown = [str(result.goal.quantity) for result in named.results if result.met is None]
    parts = [f"it misses with {listed(misses)}"] if misses else []
    parts += [f"not measured: {listed(unknown)}"] if unknown else []
    return f"Nothing fits the budget ({limits}). {named.record.name} comes nearest; {'; '.join(parts)}."


def goals_and_reasons(
    records: Sequence[Record], goals: Sequence[str], objectives: Sequence[str], ranked: Sequence[str]
) -> list[Block]:
    """The same for the goals of a recipe, with the table of who meets which."""
    if not goals:
        return []
    judged, *rest = goal_blocks(records, goals, objectives, ranked)
    return [judged, *_reasons(recommendation(records, goals, objectives, is_budget=False)), *rest]


def _reasons(found: Recommendation) -> list[Block]:
    items = _items(found)
    blocks: list[Block] = [Bullets(items)] if items else []
    return [*blocks, _table(found, found.named.record)] if found.named is not None else blocks


def _items(found: Recommendation) -> tuple[tuple[str, str], ...]:
    items: list[tuple[str, str]] = []
    if found.named is not None:
        record = found.named.record
        items.append(("What it is", f"{made_from(record)}."))
        if found.facts.ship is not None and len(found.facts.able) > 1:
            items.append(("Why this one", _rule(found)))
        items += [(str(result.goal.quantity), _room(record, result)) for result in found.named.results]
        items.append(("Cannot be told apart from it", _alike(found)))
    if found.passed_over:
        text = "the lead lies within timing noise of somebody who loses less elsewhere."
        items.append(("Passed over", f"{listed(found.passed_over)}; {text}"))
    for relief in found.reliefs:
        would = f"{_shown(relief.goal, relief.value)} in place of {_limit(relief.goal, name=False)}"
        items.append((f"What would have to give: {relief.goal.quantity}", f"{would}; then {relief.name} fits."))
    if found.teacher_fits and found.facts.ship is None:
        items.append(("The teacher", "fits; nothing smaller does."))
    return tuple(items)


def _rule(found: Recommendation) -> str:
    decides = OBJECTIVES[found.order[0]].label
    if not found.is_budget:
        return f"of those that meet the goals, the first objective of the recipe decides: {decides}."
    if len(limited(found.order, found.facts.goals)) == len(found.order):
        return f"the budget limits every objective, so of those that fit the first one decides: {decides}."
    return f"the budget says what is enough; of those that fit, the objective that it leaves open decides: {decides}."


def _room(record: Record, result: GoalResult) -> str:
    """`28.4 ms of at most 30 ms, 5% to spare`; and whether its own interval crosses the limit."""
    goal = result.goal
    if result.met is None:
        return f"not measured ({result.reason}), so it counts as not kept."
    text = f"{_shown(goal, result.value)}, {_limit(goal, name=False)}"
    if isinstance(result.value, float) and isinstance(goal.limit, float) and goal.limit:
        share = abs(goal.quantity.size(result.value) - goal.limit) / abs(goal.limit)
        far = f"{share + 1:.3g} times as much" if share > 1 and not result.met else f"{share:.0%} beyond"
        text += f": {share:.0%} to spare" if result.met else f": {far}"
    column = goal.quantity.name if isinstance(goal.quantity, Column) else ""
    found = bounds(record, column) if column else None
    if found is not None and goal.keeps(found[0]) != goal.keeps(found[1]):
        text += f". Its 95% interval, {reading(column, found[0])} to {reading(column, found[1])}, crosses the limit"
    return f"{text}."


def _limit(goal: Goal, name: bool = True) -> str:
    bound = "at most" if goal.relation == "<=" else "at least"
    text = f"{bound} {_shown(goal, goal.limit)}"
    return f"{goal.quantity} {text}" if name else text


def _shown(goal: Goal, value: float | str | None) -> str:
    """With its unit; a value that would round to the limit without being it with as many digits as tell them apart."""
    if not isinstance(value, float) or not isinstance(goal.quantity, Column):
        return f"{value:g}" if isinstance(value, float) else str(value)
    column, limit = goal.quantity.name, float(goal.limit)
    text = reading(column, value)
    if value == limit or text != reading(column, limit):
        return text
    shown = (significant(value, digits) for digits in range(3, 18))
    return next((digits for digits in shown if float(digits) != limit), repr(value))


def _alike(found: Recommendation) -> str:
    if not found.alike:
        return "nobody: its time's interval overlaps with no other candidate's."
    by_columns: dict[tuple[str, ...], list[str]] = {}
    for one in found.alike:
        by_columns.setdefault(one.columns, []).append(one.name)
    parts = [
        f"{listed(names)} in {listed([_label(column) for column in columns])}" for columns, names in by_columns.items()
    ]
    return f"{'; '.join(parts)}. Their 95% intervals overlap."


def _label(column: str) -> str:
    return OBJECTIVES[column].label if column in OBJECTIVES else column


def _table(found: Recommendation, chosen: Record) -> Table:
    """The next ones on the front beside the one that is named: what each costs or gains against it."""
    goals = found.facts.goals
    columns = [*found.order]
    columns += [g.quantity.name for g in goals if isinstance(g.quantity, Column) and g.quantity.name not in columns]
    others = [goal for goal in goals if not isinstance(goal.quantity, Column)]
    head = ("Candidate", *(_heading(column) for column in columns), *(str(g.quantity) for g in others), "Fits")
    rows = []
    for record in found.rivals:
        cells = [beside(column, number(record, column), number(chosen, column)) for column in columns]
        results = [goal.judge(record) for goal in others]
        cells += ["not measured" if result.met is None else value_shown(result) for result in results]
        missed = [str(goal.quantity) for goal in goals if goal.judge(record).met is not True]
        fits = "yes" if meets_all(record, goals) else f"no: {', '.join(missed)}"
        mark = ""
        if record is chosen:
            mark = " (to take)" if found.facts.ship else " (nearest)"
        cells = [f"{record.name}{mark}", *cells, fits]
        rows.append(Row(tuple(cells), "teacher" if record.role == "teacher" else "front", record is chosen))
    name = f"{chosen.name} beside the next ones on the front; in brackets against {chosen.name}"
    return Table(name, head, tuple(rows), words=(0, len(head) - 1))


def _heading(column: str) -> str:
    label = _label(column)
    return label[:1].upper() + label[1:]
