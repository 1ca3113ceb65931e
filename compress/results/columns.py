"""The columns of candidates.csv, in one place: what each is called, in which order, and where a record keeps it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from compress.common.values import Value
from compress.results.records import Energy, Fidelity, Kinematics, Latency, Record
from compress.steps import STEPS

Reader = Callable[[Record], Value]


def steps_text(steps: tuple[dict[str, Any], ...]) -> str:
    """`remove_stages(stages=3) > quantize(precision=int8)`; empty for the teacher."""
    return " > ".join(_step_text(step) for step in steps)


def _step_text(step: dict[str, Any]) -> str:
    settings = ", ".join(f"{name}={value}" for name, value in _chosen(step) if value is not None)
    return f"{step.get('step', '?')}({settings})"


def _chosen(step: dict[str, Any]) -> list[tuple[str, Any]]:
    """What differs from the defaults, settings within settings as `schedule.steps`; of a step unknown here, all."""
    kind = next((kind for kind in STEPS if kind.model_fields["step"].default == step.get("step")), None)
    try:
        # JSON, because a record holds lists where the settings hold tuples.
        found = kind.model_validate_json(json.dumps(step)).model_dump(exclude_defaults=True) if kind else step
    except ValidationError:
        found = step  # recorded by another version, whose settings were others
    return [pair for name, value in found.items() if name != "step" for pair in _flat(name, value)]


def _flat(name: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [pair for inner, part in value.items() for pair in _flat(f"{name}.{inner}", part)]
    return [(name, list(value) if isinstance(value, tuple) else value)]


def _fidelity(read: Callable[[Fidelity], float]) -> Reader:
    return lambda record: None if record.measurement.fidelity is None else read(record.measurement.fidelity)


def _latency(read: Callable[[Latency], float]) -> Reader:
    # The first latency of a record is the one that counts as an objective.
    return lambda record: read(record.measurement.latency[0]) if record.measurement.latency else None


def _kinematics(read: Callable[[Kinematics], Value]) -> Reader:
    return lambda record: None if record.measurement.kinematics is None else read(record.measurement.kinematics)


def _peak(record: Record) -> Value:
    memory = record.measurement.memory
    return None if memory is None else memory.peak_bytes


def _activations(record: Record) -> Value:
    activations = record.measurement.activations
    return None if activations is None else activations.peak_bytes


def _energy(read: Callable[[Energy], float | None]) -> Reader:
    return lambda record: None if record.measurement.energy is None else read(record.measurement.energy)


def _packed(record: Record) -> Value:
    return None if record.measurement.packed is None else record.measurement.packed.bytes


FIRST: Mapping[str, Reader] = {
    "name": lambda record: record.name,
    "steps": lambda record: steps_text(record.steps),
    "stages": lambda record: record.stages,
    "backbone": lambda record: record.backbone,
    "params": lambda record: record.measurement.params,
    "macs": lambda record: record.measurement.macs,
    "size_bytes": lambda record: record.measurement.size_bytes,
    "heat_l2": _fidelity(lambda fidelity: fidelity.heat_l2),
    "paf_l2": _fidelity(lambda fidelity: fidelity.paf_l2),
    "heat_rel_l2": _fidelity(lambda fidelity: fidelity.heat_rel_l2),
    "joint_rel_l2": _fidelity(lambda fidelity: fidelity.joint_rel_l2),
    "paf_rel_l2": _fidelity(lambda fidelity: fidelity.paf_rel_l2),
    "latency_ms": _latency(lambda latency: latency.total_ms),
    "latency_ratio": _latency(lambda latency: latency.ratio),
    "latency_ratio_ci_low": _latency(lambda latency: latency.ratio_ci_low),
    "latency_ratio_ci_high": _latency(lambda latency: latency.ratio_ci_high),
    "peak_memory_bytes": _peak,
}
"""These stand before `on_front` and `note` and never change."""

LATER: Mapping[str, Reader] = {
    "oks": _kinematics(lambda kinematics: kinematics.oks),
    "ap": lambda record: None if record.measurement.ap is None else record.measurement.ap.ap,
    "people_recall": _kinematics(lambda kinematics: kinematics.people_recall),
    "angle_median_deg": _kinematics(lambda kinematics: kinematics.median_deg),
    "angle_p95_deg": _kinematics(lambda kinematics: kinematics.p95_deg),
    "angle_rmse_deg": _kinematics(lambda kinematics: kinematics.rmse_deg),
    "angle_error_over_noise": _kinematics(lambda kinematics: kinematics.error_over_noise),
    "kinematic_tier": _kinematics(lambda kinematics: kinematics.tier),
    "angular_velocity_rmse_deg_s": _kinematics(lambda kinematics: kinematics.velocity_rmse_deg_s),
    "activation_peak_bytes": _activations,
    "energy_mj": _energy(lambda energy: energy.measured_mj),
    "energy_estimate_mj": _energy(lambda energy: energy.estimate_mj),
    "packed_bytes": _packed,
}
"""Later measurements stand after `note`, in this order: add `"column": reader` here and nowhere else."""

KINEMATIC = ("oks", "people_recall", "kinematic_tier", *(name for name in LATER if name.startswith("ang")))

READERS: Mapping[str, Reader] = {**FIRST, **LATER}
"""Every column that one record alone can fill; any number among them may be an objective."""

CANDIDATE_COLUMNS = (*FIRST, "on_front", "note", *LATER)

TOGETHER = (
    ("heat_l2", "paf_l2", "heat_rel_l2", "joint_rel_l2", "paf_rel_l2"),
    ("latency_ms", "latency_ratio", "latency_ratio_ci_low", "latency_ratio_ci_high"),
    KINEMATIC,
    ("energy_estimate_mj", "energy_mj", "activation_peak_bytes"),
)
"""Columns that one measurement fills: the reason why one of them is empty holds for its neighbours."""


def number(record: Record, column: str) -> float | None:
    """A numeric column of a record, None where it was not measured; KeyError for a column that does not exist."""
    value = READERS[column](record)
    if value is None:
        return None
    if isinstance(value, str):
        raise TypeError(f"column {column} holds words, not numbers")
    return float(value)


def reasons(record: Record) -> dict[str, tuple[str, ...]]:
    """Why columns are empty: reason -> columns. An error explains every column that has no reason of its own."""
    told = dict(record.missing)
    for columns in TOGETHER:
        known = next((told[column] for column in columns if column in told), None)
        if known is not None:
            told |= {column: known for column in columns if column not in told and READERS[column](record) is None}
    if record.error is None:
        told |= {
            column: "not measured, and the record does not say why"
            for column, read in READERS.items()
            if column not in told and read(record) is None
        }
    grouped: dict[str, tuple[str, ...]] = {}
    for column, reason in sorted(told.items(), key=lambda item: _position(item[0])):
        grouped[reason] = (*grouped.get(reason, ()), column)
    return grouped


def _position(column: str) -> tuple[int, str]:
    return (CANDIDATE_COLUMNS.index(column) if column in CANDIDATE_COLUMNS else len(CANDIDATE_COLUMNS), column)
