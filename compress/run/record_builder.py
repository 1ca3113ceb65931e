"""Measurements -> records: pure assembly, so a continued run writes what an undisturbed one would have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compress.core.built import Built
from compress.measure.energy import Power
from compress.measure.measured import Measured
from compress.recipe.models import FEWEST_FRAMES
from compress.results.records import Kinematics, Measurement, Record
from eval.size import count_macs, count_parameters, size_on_disk
from teachers.licence import Licence

_SWITCHED_OFF = "the recipe does not ask for it"
_QUICK_LOOK = f"joint angles need {FEWEST_FRAMES} frames of video, and data.images allows fewer: a quick look"


@dataclass(frozen=True)
class Identity:
    """What a record says whether or not its candidate could be made."""

    name: str
    role: Literal["teacher", "candidate"]
    key: str
    teacher: str
    steps: tuple[dict[str, Any], ...]
    conditions: Mapping[str, Any]
    licence: Licence


def finished_record(identity: Identity, built: Built, measured: Measured) -> Record:
    """The record of a candidate whose measurements are complete."""
    network, name = built.candidate.network, built.name
    parts = {
        "heat_l2": measured.fidelity,
        "latency_ms": measured.latency,
        "peak_memory_bytes": measured.memory,
        "oks": measured.kinematics,
        "ap": measured.ap,
        "energy_estimate_mj": measured.power,
        "packed_bytes": measured.packed,
    }
    kinematics = None if measured.kinematics is None else measured.kinematics[name]
    ap = None if measured.ap is None else measured.ap[name]
    power, no_power = _power(measured, name)
    measurement = Measurement(
        params=count_parameters(network),
        macs=count_macs(network.spec, measured.macs_input_hw),
        macs_input_hw=measured.macs_input_hw,
        size_bytes=size_on_disk(built.artefact),
        fidelity=None if measured.fidelity is None else measured.fidelity[name],
        latency=() if measured.latency is None else measured.latency.get(name, ()),
        memory=None if measured.memory is None else measured.memory.get(name),
        activations=None if power is None else power.activations,
        energy=None if power is None else power.energy,
        packed=None if measured.packed is None else measured.packed[name],
        kinematics=kinematics,
        ap=ap,
        parity_max_abs=built.parity_max_abs,
    )
    return _record(
        identity,
        id=built.candidate.id,
        parent=built.candidate.parent,
        stages=len(network.spec.stages),
        backbone=network.spec.backbone.name,
        measurement=measurement,
        notes=built.candidate.notes,
        missing=dict(measured.no_latency.get(name, {}))
        | _not_asked(parts, measured.quick_look)
        | _without_people(kinematics)
        | ({"ap": ap.note} if ap is not None and ap.ap is None else {})
        | no_power
        | ({"peak_memory_bytes": measured.no_memory[name]} if name in measured.no_memory else {}),
    )


def _power(measured: Measured, name: str) -> tuple[Power | None, dict[str, str]]:
    """What is known of a candidate's energy, and why what is not."""
    if measured.power is None:
        return None, {}
    known, reasons = measured.power
    if name not in known:
        return None, {"energy_estimate_mj": reasons[name]}
    power = known[name]
    return power, {} if power.energy.measured_mj is not None else {"energy_mj": power.energy.why_not_measured}


def _not_asked(parts: Mapping[str, object], quick_look: bool) -> dict[str, str]:
    reasons = {column: _SWITCHED_OFF for column, part in parts.items() if part is None}
    return reasons | {"oks": _QUICK_LOOK} if quick_look else reasons


def _without_people(kinematics: Kinematics | None) -> dict[str, str]:
    """Why parts of the kinematics are empty although they were asked for."""
    if kinematics is None:
        return {}
    reasons = {}
    if kinematics.oks is None:
        reasons["oks"] = "nobody of the teacher's was found again on the clip"
    if kinematics.people_recall is None:
        reasons["people_recall"] = "the teacher found nobody on the clip"
    if kinematics.error_over_noise is None:
        reasons["angle_error_over_noise"] = "the teacher's noise floor could not be measured for every judged joint"
    if kinematics.median_deg is None:
        reasons["angle_median_deg"] = "no joint angle could be compared on the clip"
    return reasons


def failed_record(identity: Identity, error: str) -> Record:
    """The record of a candidate that could not be made; nothing was measured, and the error says why."""
    return _record(identity, measurement=Measurement(), missing={}, error=error)


def _record(identity: Identity, **found: Any) -> Record:
    blank: dict[str, Any] = {"id": None, "parent": None, "stages": None, "backbone": None}
    return Record(
        name=identity.name,
        role=identity.role,
        key=identity.key,
        teacher=identity.teacher,
        steps=identity.steps,
        conditions=dict(identity.conditions),
        licence=identity.licence,
        **(blank | found),
    )
