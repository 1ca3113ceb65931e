"""Measurements -> records: pure assembly, so a continued run writes what an undisturbed one would have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compress.core.built import Built
from compress.measure.evaluator import Evaluation
from compress.results.records import Measurement, Record
from eval.inference import Inference
from teachers.licence import Licence

Role = Literal["teacher", "candidate"]


@dataclass(frozen=True)
class Identity:
    """What a record holds whether or not its candidate could be made."""

    name: str
    role: Role
    key: str
    teacher: str
    steps: tuple[dict[str, Any], ...]
    inference: Inference | None
    conditions: Mapping[str, Any]
    licence: Licence


def finished_record(identity: Identity, built: Built, measured: Evaluation) -> Record:
    """The record of a candidate whose measurements are complete."""
    spec = built.candidate.spec
    return _record(
        identity,
        id=built.candidate.id,
        parent=built.candidate.parent,
        stages=len(spec.stages),
        backbone=spec.backbone.name,
        measurement=Measurement.of(*measured.facts),
        parity_max_abs=built.parity_max_abs,
        notes=built.candidate.notes,
        rejected_reason=built.candidate.rejected_reason,
        missing=dict(measured.missing),
    )


def failed_record(identity: Identity, error: str) -> Record:
    """The record of a candidate that could not be made; nothing was measured, and the error says why."""
    return _record(identity, measurement=Measurement.of(), missing={}, error=error)


def _record(identity: Identity, **found: Any) -> Record:
    blank: dict[str, Any] = {"id": None, "parent": None, "stages": None, "backbone": None}
    return Record(
        name=identity.name,
        role=identity.role,
        key=identity.key,
        teacher=identity.teacher,
        steps=identity.steps,
        inference=identity.inference,
        conditions=dict(identity.conditions),
        licence=identity.licence,
        **(blank | found),
    )
