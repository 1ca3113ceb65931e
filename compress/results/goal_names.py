"""The names that a goal may begin with -> the quantity they stand for, or the nearest valid name."""

from collections.abc import Sequence

from compress.results.columns import CANDIDATE_COLUMNS
from compress.results.goal_quantities import (
    ERROR_FIELDS,
    JOINTS,
    NUMERIC_COLUMNS,
    SECTION,
    TIER,
    Column,
    GoalError,
    JointField,
    Quantity,
    TierColumn,
)
from eval.angles import NOT_COMPUTABLE
from eval.kinematic_motion import MOTION_FIELDS
from teachers.zoo import nearest

_LONGEST = 80
"""Characters of a wrong name that are compared and shown."""


def quantity_of(name: str) -> Quantity:
    """`latency_ratio`, `kinematic_tier`, `kinematics.right knee.raw.bias`; GoalError for anything else."""
    if "." in name:
        return _joint_field([part.strip() for part in name.split(".")])
    if name == TIER:
        return TierColumn()
    if name in CANDIDATE_COLUMNS and name not in NUMERIC_COLUMNS:
        raise GoalError(f"column {name} holds no number; a goal compares numbers or {TIER}")
    _known("column", name, (*NUMERIC_COLUMNS, TIER))
    return Column(name)


def _joint_field(parts: Sequence[str]) -> JointField:
    section, *path = parts
    if section in JOINTS:
        raise GoalError(f"the angles stand under {SECTION} (did you mean {SECTION}.{'.'.join(parts)[:_LONGEST]}?)")
    _known("group", section, (SECTION,))
    if len(path) not in (2, 3):
        raise GoalError(f"expected {SECTION}.JOINT.FIELD or {SECTION}.JOINT.SERIES.FIELD before the relation")
    joint, field = path[0], path[-1]
    if joint in NOT_COMPUTABLE:
        raise GoalError(f"{joint} is never measured: it {NOT_COMPUTABLE[joint]}")
    _known("joint", joint, JOINTS)
    _known("field", field, (*ERROR_FIELDS, *MOTION_FIELDS))
    if len(path) == 2:
        return JointField(joint, None, field)
    series = path[1]
    _known("series", series, ("raw", "filtered", "motion"))
    if (series == "motion") != (field in MOTION_FIELDS):
        raise GoalError(f"{field} is no number of {series}; write {SECTION}.{joint}.{field}")
    if series == "motion":
        return JointField(joint, None, field)  # it has no other series; one spelling each shows what is there twice
    return JointField(joint, "raw" if series == "raw" else "filtered", field)


def _known(what: str, name: str, there: Sequence[str]) -> None:
    if name not in there:
        raise GoalError(f"no {what} is called {name[:_LONGEST]!r}{nearest(name[:_LONGEST], there)}")
