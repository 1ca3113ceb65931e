"""What a goal may speak of: a numeric column of candidates.csv, the tier, or one number of a joint.

A quantity reads a record. Where it reads several series, a goal holds only if it holds for each of them.
"""

import math
import re
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, get_args

from compress.measure.kinematics import Kinematics
from compress.results.columns import COLUMNS, READERS, WORDS, number, reasons
from compress.results.records import Record
from eval.angle_errors import AngleErrors
from eval.angles import MEASURES
from eval.kinematic_motion import MOTION_FIELDS
from eval.kinematic_tiers import JUDGED, TierName
from eval.measure_names import joint_of
from teachers.zoo import nearest

Relation = Literal["<=", ">="]
RELATIONS: tuple[Relation, ...] = get_args(Relation)

SECTION = "kinematics"
TIER = "kinematic_tier"
TIER_NAMES: tuple[str, ...] = get_args(TierName)
"""Best first."""

NUMERIC_COLUMNS = tuple(name for name in READERS if name not in (*WORDS, TIER))
JOINTS = tuple(dict.fromkeys((*JUDGED, *(joint_of(m.name) for m in MEASURES), *(m.name for m in MEASURES))))
"""Both sides together (`knee`), then each column (`right knee`)."""
ERROR_FIELDS = tuple(field.name for field in fields(AngleErrors) if field.type in (int, float | None))
SIGNED = ("bias", "rom_error", "peak_error")
"""Errors that may lie on both sides of zero; their size is what is compared."""

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


class GoalError(ValueError):
    """A goal that cannot be read; says what would do. Where it stands is known to the reader of the recipe."""


@dataclass(frozen=True)
class GoalValue:
    """One value as the record has it; None with the reason why there is none."""

    value: float | str | None
    reason: str = ""


class Quantity(Protocol):
    """What stands before the relation; `str()` of it is how recipes spell it."""

    @property
    def part(self) -> str | None:
        """The switch under `measure` that gives the value; None where it is always measured."""

    def limit(self, relation: Relation, text: str) -> float | str:
        """What stands behind the relation; GoalError if it cannot."""

    def values(self, record: Record) -> tuple[GoalValue, ...]:
        """One for each series."""

    def size(self, value: float | str) -> float:
        """What is compared: more is larger."""


@dataclass(frozen=True)
class Column:
    """A numeric column of candidates.csv."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def part(self) -> str | None:
        metric = COLUMNS[self.name][0] if self.name in COLUMNS else None
        return None if metric is None or metric.always else metric.key

    def limit(self, relation: Relation, text: str) -> float | str:
        return _plain_number(relation, text)

    def values(self, record: Record) -> tuple[GoalValue, ...]:
        return (_goal_value(number(record, self.name), _why_empty(record, self.name)),)

    def size(self, value: float | str) -> float:
        return float(value)


@dataclass(frozen=True)
class TierColumn:
    """The tier of the kinematics; a better one is larger."""

    def __str__(self) -> str:
        return TIER

    @property
    def part(self) -> str | None:
        return "kinematics"

    def limit(self, relation: Relation, text: str) -> float | str:
        if text not in TIER_NAMES:
            raise GoalError(f"no tier is called {text[:80]!r}{nearest(text[:80], TIER_NAMES)}")
        if relation != ">=":
            raise GoalError(f"a tier is asked for with >=: {TIER} >= {text} is this tier or a better one")
        return text

    def values(self, record: Record) -> tuple[GoalValue, ...]:
        kinematics = record.facts(Kinematics)
        tier = None if kinematics is None else kinematics.tier
        if tier is not None and tier not in TIER_NAMES:
            return (GoalValue(None, f"the record names a tier that is not known here: {tier}"),)
        told = "; ".join(kinematics.tier_reasons) if kinematics is not None else ""
        return (GoalValue(tier, "" if tier is not None else told or _why_empty(record, TIER)),)

    def size(self, value: float | str) -> float:
        return -float(TIER_NAMES.index(str(value)))


@dataclass(frozen=True)
class JointField:
    """One number of a joint, in one series, or without one in raw and filtered."""

    joint: str
    series: Literal["raw", "filtered"] | None
    field: str

    def __str__(self) -> str:
        return ".".join(filter(None, (SECTION, self.joint, self.series, self.field)))

    @property
    def part(self) -> str | None:
        return "kinematics"

    def limit(self, relation: Relation, text: str) -> float | str:
        limit = _plain_number(relation, text)
        if self.field in SIGNED and limit < 0:
            raise GoalError(f"{self.field} is compared by its size, so the limit must not be negative")
        return limit

    def values(self, record: Record) -> tuple[GoalValue, ...]:
        series = (self.series,) if self.series else ("motion",) if self.field in MOTION_FIELDS else ("raw", "filtered")
        kinematics = record.facts(Kinematics)
        if kinematics is None:
            return (GoalValue(None, _why_empty(record, TIER)),)
        joint = kinematics.joints.get(self.joint)
        if joint is None:
            return (GoalValue(None, _why_absent(self.joint, kinematics.conditions.get("absent"))),)
        return tuple(self._of(joint.get(name), name) for name in series)

    def _of(self, numbers: Any, series: str) -> GoalValue:
        known: dict[str, Any] = numbers if isinstance(numbers, dict) else {}
        untold = "could not be measured on this clip" if self.field in known else "the record holds no such number"
        return _goal_value(known.get(self.field), f"{series}: {known.get('reason') or untold}")

    def size(self, value: float | str) -> float:
        return abs(float(value)) if self.field in SIGNED else float(value)


def _plain_number(relation: Relation, text: str) -> float:
    if text.lower().lstrip("+-.") in ("nan", "inf", "infinity"):
        raise GoalError(f"expected a finite number after {relation}")
    if not _NUMBER.fullmatch(text):
        raise GoalError(f"expected a plain number after {relation}, without a unit")
    if not math.isfinite(float(text)):
        raise GoalError(f"expected a finite number after {relation}")
    return float(text)


def _goal_value(value: Any, reason: str) -> GoalValue:
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return GoalValue(float(value))
    return GoalValue(None, reason)


def _why_empty(record: Record, column: str) -> str:
    told = (reason for reason, columns in reasons(record).items() if column in columns)
    return next(told, "not measured, and the record does not say why")


def _why_absent(joint: str, absent: Any) -> str:
    known: dict[str, str] = absent if isinstance(absent, dict) else {}
    told = (reason for name, reason in known.items() if joint in (name, joint_of(name)))
    return next(told, f"the record has no joint {joint}")
