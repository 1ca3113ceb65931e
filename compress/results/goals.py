"""Goals of a recipe: `angle_p95_deg <= 10`, `kinematic_tier >= usable with care`. They judge, they never measure.

A goal is met, missed, or neither where its value was not measured; then no candidate passes, with the reason.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from compress.results.goal_names import quantity_of
from compress.results.goal_quantities import RELATIONS, GoalError, Quantity, Relation
from compress.results.pareto import directions, objective_values
from compress.results.records import Record

__all__ = ["Goal", "GoalError", "GoalResult", "chosen", "closest", "judge", "meets_all", "parse_goal", "parse_goals"]

_KEEPS: Mapping[Relation, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}
_HARDEST: Mapping[Relation, Callable[..., float | str]] = {"<=": max, ">=": min}
_ANY_RELATION = re.compile(r"<=|>=|=<|=>|==|!=|[<>=≤≥≠]")
_MEANT = {"<": "<=", "=<": "<=", "≤": "<=", ">": ">=", "=>": ">=", "≥": ">="}


@dataclass(frozen=True)
class Goal:
    """One comparison; `str()` of it is the canonical text, which reads back to an equal goal."""

    quantity: Quantity
    relation: Relation
    limit: float | str
    """A number, or the name of a tier."""

    def __str__(self) -> str:
        return f"{self.quantity} {self.relation} {_spelt(self.limit)}"

    @property
    def part(self) -> str | None:
        """The switch under `measure` that gives the value; None where it is always measured."""
        return self.quantity.part

    def judge(self, record: Record) -> "GoalResult":
        """Whether the record keeps the goal: in every series that the goal speaks of."""
        if record.error is not None:
            return GoalResult(self, None, None, f"failed: {record.error}")
        values = self.quantity.values(record)
        unknown = [reading.reason for reading in values if reading.value is None]
        if unknown:
            return GoalResult(self, None, None, "; ".join(unknown))
        known = (reading.value for reading in values if reading.value is not None)
        value = _HARDEST[self.relation](known, key=self.quantity.size)
        return GoalResult(self, value, self.keeps(value), "")

    def keeps(self, value: float | str) -> bool:
        """Whether a value lies on the right side of the limit, or on it."""
        size = self.quantity.size
        return _KEEPS[self.relation](size(value), size(self.limit))


@dataclass(frozen=True)
class GoalResult:
    """What one record makes of one goal."""

    goal: Goal
    value: float | str | None
    """As measured, with its sign; of several series the one that is hardest for the goal."""
    met: bool | None
    """None where the value was not measured: never taken for met, nor for missed."""
    reason: str
    """Why it was not measured; empty otherwise."""

    @property
    def shortfall(self) -> float | None:
        """How far beyond the limit, as a share of the limit; a tier counts whole steps. None if not measured."""
        if self.value is None:
            return None
        if self.met:
            return 0.0
        limit = self.goal.limit
        beyond = abs(self.goal.quantity.size(self.value) - self.goal.quantity.size(limit))
        return beyond if isinstance(limit, str) or limit == 0 else beyond / abs(limit)


def parse_goal(text: str) -> Goal:
    """`QUANTITY <= LIMIT` or `QUANTITY >= LIMIT`; GoalError says what would do, with the nearest valid name."""
    line = " ".join(text.split())
    found = _ANY_RELATION.search(line)
    name, rest = (line[: found.start()].strip(), line[found.end() :].strip()) if found else ("", "")
    if found is None or not name or not rest:
        raise GoalError("expected COLUMN <= NUMBER or COLUMN >= NUMBER")
    relation = next((known for known in RELATIONS if known == found[0]), None)
    if relation is None:
        wanted = _MEANT.get(found[0])
        raise GoalError(f"write {wanted} in place of {found[0]}" if wanted else f"write <= or >=, not {found[0]}")
    if _ANY_RELATION.search(rest):
        raise GoalError("a goal is one comparison; write a second goal for the other")
    if re.fullmatch(r"[-+.0-9]+", name):
        raise GoalError(f"the number stands last: {rest} {'>=' if relation == '<=' else '<='} {name}")
    quantity = quantity_of(name)
    return Goal(quantity, relation, quantity.limit(relation, rest))


def parse_goals(texts: Sequence[str]) -> tuple[Goal, ...]:
    """The goals of a recipe."""
    return tuple(parse_goal(text) for text in texts)


def judge(record: Record, goals: Sequence[Goal]) -> tuple[GoalResult, ...]:
    """Every goal's result, in the order of the goals."""
    return tuple(goal.judge(record) for goal in goals)


def meets_all(record: Record, goals: Sequence[Goal]) -> bool:
    """Whether every goal is known to be met; a record with an error or a collapsed int8 network meets none."""
    return record.usable and all(result.met is True for result in judge(record, goals))


def chosen(records: Sequence[Record], goals: Sequence[Goal], objectives: Sequence[str]) -> Record | None:
    """Of the candidates that meet all goals the best in the first objective; equal ones by the next, then by order."""
    able = [record for record in records if record.role == "candidate" and meets_all(record, goals)]
    return min(able, key=lambda record: preference(record, objectives), default=None)


def closest(records: Sequence[Record], goals: Sequence[Goal], objectives: Sequence[str]) -> Record | None:
    """The candidate that meets most goals, of equal ones the one whose largest shortfall is least.

    None if every candidate failed. A goal that could not be judged weighs more than one that was missed.
    """

    def rank(record: Record) -> tuple[int, int, float, tuple[tuple[bool, float], ...]]:
        results = judge(record, goals)
        unmet = sum(result.met is not True for result in results)
        unknown = sum(result.met is None for result in results)
        largest = max((result.shortfall or 0.0 for result in results), default=0.0)
        return unmet, unknown, largest, preference(record, objectives)

    there = [record for record in records if record.role == "candidate" and record.error is None]
    return min(there, key=rank, default=None)


def preference(record: Record, objectives: Sequence[str]) -> tuple[tuple[bool, float], ...]:
    """A key by which better records sort first; a value that was not measured sorts last."""
    pairs = zip(objective_values(record, objectives), directions(objectives), strict=True)
    return tuple((True, 0.0) if value is None else (False, value if smaller else -value) for value, smaller in pairs)


def _spelt(limit: float | str) -> str:
    if isinstance(limit, str):
        return limit
    return str(int(limit)) if limit.is_integer() and abs(limit) < 1e15 else repr(limit)
