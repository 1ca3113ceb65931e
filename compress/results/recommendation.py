"""The recommended model, as facts: from the recipe's goals, from a budget, or without either by a rule that is stated.

Limits define what is enough. Among the candidates that keep all of them the first objective decides; a budget moves the
objectives that it limits behind those that it leaves open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from compress.results.budget import open_first
from compress.results.column_text import indistinguishable_in
from compress.results.goal_quantities import TIER
from compress.results.goals import Goal, GoalResult, closest, judge, meets_all, parse_goals, preference
from compress.results.pareto import TIME_OBJECTIVES, front, only_by_noise
from compress.results.records import Record
from compress.results.tables import teacher_first

LimitsFrom = Literal["goals", "budget", "default"]
DEFAULT_GOAL = f"{TIER} >= usable with care"
"""Without goals or a budget: the fastest candidate that may be used for joint angles, as `compress kinematics` does."""
_NEIGHBOURS = 2
"""So many of the front are compared on either side of the recommended model."""


@dataclass(frozen=True)
class JudgedRecord:
    """A record against every limit."""

    record: Record
    results: tuple[GoalResult, ...]
    """In the order of the limits."""
    on_front: bool

    @property
    def met(self) -> int:
        return sum(result.met is True for result in self.results)

    @property
    def missed(self) -> tuple[GoalResult, ...]:
        """Limits that were measured and not kept."""
        return tuple(result for result in self.results if result.met is False)

    @property
    def unmeasured(self) -> tuple[GoalResult, ...]:
        return tuple(result for result in self.results if result.met is None)


@dataclass(frozen=True)
class Relaxation:
    """What one limit would have to become, all others staying, for a candidate to keep them all."""

    goal: Goal
    name: str
    value: float


@dataclass(frozen=True)
class Recommendation:
    """Everything that is said of the limits and of the model that they choose."""

    limits_from: LimitsFrom
    goals: tuple[Goal, ...]
    order: tuple[str, ...]
    """The objectives, the deciding one first."""
    rows: tuple[JudgedRecord, ...]
    """The teacher first."""
    able: tuple[str, ...]
    """The candidates that keep all limits."""
    best: JudgedRecord | None
    """The recommended model; None if no candidate keeps all limits."""
    nearest: JudgedRecord | None
    """Where there is none: the candidate that keeps most limits; None if every candidate failed."""
    neighbours: tuple[Record, ...]
    """The teacher, then the front around the named candidate, itself included, best in the first objective first."""
    within_noise: tuple[str, ...]
    """Candidates whose time cannot be told apart from that of the named one."""
    passed_over: tuple[str, ...]
    """They keep the limits and lead only by timing noise of a candidate that is better elsewhere."""
    relaxations: tuple[Relaxation, ...]
    """Empty where a candidate keeps all limits."""
    teacher_fits: bool

    @property
    def named(self) -> JudgedRecord | None:
        """The recommended model, or else the nearest one."""
        return self.best or self.nearest


def recommend(
    records: Sequence[Record], objectives: Sequence[str], goals: Sequence[str] = (), budget: Sequence[str] = ()
) -> Recommendation:
    """Judges every record. Limits are spelt as goals; a budget takes the place of the goals."""
    limits_from: LimitsFrom = "budget" if budget else "goals" if goals else "default"
    limits = parse_goals(budget or goals or (DEFAULT_GOAL,))
    order = _order(objectives, limits, limits_from)
    members = front(records, objectives)
    rows = {id(r): JudgedRecord(r, judge(r, limits), r.name in members) for r in teacher_first(records)}
    able = [record for record in records if record.role == "candidate" and meets_all(record, limits)]
    # A time difference within noise does not outweigh a real difference in another objective.
    steady = [record for record in able if not only_by_noise(record, able, objectives)]
    best = min(steady, key=lambda record: preference(record, order), default=None)
    nearest = closest(records, limits, order) if best is None and limits_from != "default" else None
    named = best or nearest
    return Recommendation(
        limits_from=limits_from,
        goals=limits,
        order=order,
        rows=tuple(rows.values()),
        able=tuple(record.name for record in able),
        best=rows.get(id(best)),
        nearest=rows.get(id(nearest)),
        neighbours=_neighbours(records, members, named, order),
        within_noise=_within_noise(records, named),
        passed_over=tuple(r.name for r in able if best and preference(r, order) < preference(best, order)),
        relaxations=() if best else _relaxations(records, limits, order),
        teacher_fits=any(record.role == "teacher" and meets_all(record, limits) for record in records),
    )


def _order(objectives: Sequence[str], limits: Sequence[Goal], limits_from: LimitsFrom) -> tuple[str, ...]:
    if limits_from == "budget":
        return open_first(objectives, limits)
    if limits_from == "goals":
        return tuple(objectives)
    times = [name for name in objectives if name in TIME_OBJECTIVES] or ["latency_ms"]
    return (*times, *(name for name in objectives if name not in times))


def _neighbours(
    records: Sequence[Record], members: Sequence[str], named: Record | None, order: Sequence[str]
) -> tuple[Record, ...]:
    names = {*members} | ({named.name} if named else set())
    ranked = [record for record in records if record.name in names and record.role == "candidate"]
    ranked.sort(key=lambda record: preference(record, order))
    at = next((index for index, record in enumerate(ranked) if record is named), 0)
    near = ranked[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS + 1]
    return (*(r for r in records if r.role == "teacher" and r.error is None), *near)


def _within_noise(records: Sequence[Record], named: Record | None) -> tuple[str, ...]:
    if named is None:
        return ()
    others = [record for record in records if record.role == "candidate" and record is not named]
    return tuple(other.name for other in others if indistinguishable_in(named, other, TIME_OBJECTIVES[0]))


def _relaxations(records: Sequence[Record], limits: Sequence[Goal], order: Sequence[str]) -> tuple[Relaxation, ...]:
    """For each limit alone, the least by which it would have to give way."""
    found = []
    for goal in limits:
        others = [other for other in limits if other is not goal]
        able = [r for r in records if r.role == "candidate" and meets_all(r, others) and goal.judge(r).met is False]
        nearest = closest(able, [goal], order)
        value = None if nearest is None else goal.judge(nearest).value
        if nearest is not None and isinstance(value, float):
            found.append(Relaxation(goal, nearest.name, value))
    return tuple(found)
