"""One model for a budget, as facts: who, next to whom, from whom it cannot be told apart, what would have to give."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from compress.report.goals import GoalFacts, GoalRow, goal_facts
from compress.report.readings import overlapping
from compress.results.budget import open_first
from compress.results.goal_quantities import Column
from compress.results.goals import Goal, closest, meets_all, parse_goals, preference
from compress.results.pareto import only_by_noise
from compress.results.records import Record

_RIVALS = 2
"""So many of the front are shown on either side of the one that is named."""


@dataclass(frozen=True)
class Alike:
    """Somebody whose values in these columns cannot be told from those of the one that is named."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Relief:
    """What one limit would have to become, all others staying, for somebody to fit."""

    goal: Goal
    name: str
    value: float


@dataclass(frozen=True)
class Recommendation:
    """Everything that is said of a budget, or of a recipe's goals."""

    facts: GoalFacts
    order: tuple[str, ...]
    """The objectives, the deciding one first."""
    is_budget: bool
    rivals: tuple[Record, ...]
    """The teacher, then the neighbours on the front, the one that is named among them, best in the first objective
    first."""
    alike: tuple[Alike, ...]
    reliefs: tuple[Relief, ...]
    """Empty where somebody fits."""
    passed_over: tuple[str, ...]
    """Who fits and decides better, but only by timing noise of somebody who is better elsewhere."""
    teacher_fits: bool

    @property
    def named(self) -> GoalRow | None:
        """Who fits best, or else comes nearest."""
        return self.facts.ship or self.facts.closest


def recommendation(
    records: Sequence[Record], limits: Sequence[str], objectives: Sequence[str], is_budget: bool = True
) -> Recommendation:
    """Judges every record; limits as goals spell them.

    A budget says what is enough, so an objective that it leaves open decides; a recipe's goals leave its order.
    """
    goals = parse_goals(limits)
    order = open_first(objectives, goals) if is_budget else tuple(objectives)
    able = [record for record in records if record.role == "candidate" and meets_all(record, goals)]
    # Who is on the front by noise alone stands back, so that a hair of time is not paid for with something real.
    noisy = [record.name for record in able if is_budget and only_by_noise(record, able, objectives)]
    facts = goal_facts([record for record in records if record.name not in noisy], limits, order)
    facts = replace(facts, able=tuple(record.name for record in able))
    named = facts.ship or facts.closest
    chosen = None if named is None else named.record
    ahead = [r.name for r in able if chosen is not None and preference(r, order) < preference(chosen, order)]
    columns = (*order, *(goal.quantity.name for goal in goals if isinstance(goal.quantity, Column)))
    return Recommendation(
        facts=facts,
        order=order,
        is_budget=is_budget,
        rivals=_rivals(records, facts, chosen, order),
        alike=_alike(records, chosen, tuple(dict.fromkeys(columns))),
        reliefs=() if facts.ship else _reliefs(records, goals, order),
        passed_over=tuple(ahead),
        teacher_fits=any(record.role == "teacher" and meets_all(record, goals) for record in records),
    )


def _rivals(
    records: Sequence[Record], facts: GoalFacts, chosen: Record | None, order: Sequence[str]
) -> tuple[Record, ...]:
    members = {row.record.name for row in facts.rows if row.on_front} | ({chosen.name} if chosen else set())
    ranked = [record for record in records if record.name in members and record.role == "candidate"]
    ranked.sort(key=lambda record: preference(record, order))
    at = next((index for index, record in enumerate(ranked) if record is chosen), 0)
    near = ranked[max(0, at - _RIVALS) : at + _RIVALS + 1]
    return (*(r for r in records if r.role == "teacher" and r.error is None), *near)


def _alike(records: Sequence[Record], chosen: Record | None, columns: Sequence[str]) -> tuple[Alike, ...]:
    if chosen is None:
        return ()
    others = [r for r in records if r.role == "candidate" and r is not chosen and r.error is None]
    found = [
        Alike(other.name, tuple(column for column in columns if overlapping(chosen, other, column))) for other in others
    ]
    return tuple(one for one in found if one.columns)


def _reliefs(records: Sequence[Record], goals: Sequence[Goal], order: Sequence[str]) -> tuple[Relief, ...]:
    """For each limit alone, the least that it would have to give."""
    found = []
    for goal in goals:
        others = [other for other in goals if other is not goal]
        able = [r for r in records if r.role == "candidate" and meets_all(r, others) and goal.judge(r).met is False]
        nearest = closest(able, [goal], order)
        value = None if nearest is None else goal.judge(nearest).value
        if nearest is not None and isinstance(value, float):
            found.append(Relief(goal, nearest.name, value))
    return tuple(found)
