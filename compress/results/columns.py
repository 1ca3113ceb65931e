"""The columns of candidates.csv, in one place: what each is called, in which order, and where a record keeps it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from compress.common.values import Value
from compress.measure.base import Metric
from compress.measure.facts import Column
from compress.measure.metrics import METRICS
from compress.results.records import Record
from compress.steps import STEPS
from eval.inference import Inference, in_words

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


BEFORE_NOTE = (
    "params", "macs", "size_bytes",
    "heat_l2", "paf_l2", "heat_rel_l2", "joint_rel_l2", "paf_rel_l2",
    "latency_ms", "latency_ratio", "latency_ratio_ci_low", "latency_ratio_ci_high", "peak_memory_bytes",
)  # fmt: skip
"""Columns of metrics that stand before `on_front` and `note`; those of all other metrics stand after it."""

COLUMNS: Mapping[str, tuple[type[Metric], Column[Any]]] = {
    column.name: (metric, column) for metric in METRICS.values() for column in metric.columns
}
"""Every column that a metric fills, and which metric that is."""

INFERENCE = "inference"


def run_as(record: Record) -> str:
    """`scales 0.5, 1` or `window 256x192`: how a candidate is run; the teacher at the scales of the reference."""
    if record.inference is not None:
        return in_words(record.inference)
    scales = record.conditions.get("scales")
    return in_words(Inference(scales=tuple(scales))) if scales else ""


IDENTITY: Mapping[str, Reader] = {
    "name": lambda record: record.name,
    "steps": lambda record: steps_text(record.steps),
    "stages": lambda record: record.stages,
    "backbone": lambda record: record.backbone,
}


def _reader(metric: type[Metric], column: Column[Any]) -> Reader:
    def read(record: Record) -> Value:
        facts = record.facts(metric.facts)
        return None if facts is None else column.read(facts)

    return read


READERS: Mapping[str, Reader] = {
    **IDENTITY,
    INFERENCE: run_as,
    **{name: _reader(*found) for name, found in COLUMNS.items()},
}
"""Every column that one record alone can fill; any number among them may be a goal."""

WORDS = ("name", "steps", "backbone", INFERENCE)
"""Columns of a record that hold no number."""

FIRST = (*IDENTITY, *BEFORE_NOTE)
LATER = tuple(name for name in COLUMNS if name not in BEFORE_NOTE)
CANDIDATE_COLUMNS = (*FIRST, "on_front", "note", INFERENCE, *LATER)


def neighbours(column: str) -> tuple[str, ...]:
    """The columns of the same metric: the reason why one of them is empty holds for the others."""
    return tuple(one.name for one in COLUMNS[column][0].columns) if column in COLUMNS else (column,)


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
    for metric in METRICS.values():
        columns = [column.name for column in metric.columns]
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
