"""Which runs compare: only those that share teacher, frames, scales, machine, runtime, threads and objectives.

A ratio or an L2 is relative to the run's own reference. Runs with different references have no common front.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from compress.measure.coco_ap import LabelledAp
from compress.measure.kinematics import Kinematics
from compress.measure.latency_facts import Latencies
from compress.results.records import Record

CANNOT_CHANGE_NUMBERS = ("python", "packages", "images_unreadable", "machine.memory_gib", "allocation.reason")
"""Conditions in which runs may differ and still compare. Any other one keeps them apart."""
RUNTIME_PACKAGES = ("packages.onnxruntime", "packages.openvino", "packages.ncnn", "packages.executorch")
"""Their versions decide times."""
NOT_RECORDED = "not recorded"
_OF_MEASUREMENTS = ("runtime", "threads", "timed at", "clip", "labels")


def reference(records: Sequence[Record], objectives: Sequence[str]) -> dict[str, str]:
    """What a run's numbers are relative to, as condition -> value.

    Told by the teacher's record, against which every candidate was measured; without one by all records.
    """
    teachers = [record for record in records if record.role == "teacher"]
    values: dict[str, set[str]] = {"objectives": {", ".join(objectives)}}
    values["teacher"] = {record.teacher for record in records}
    for record in teachers or records:
        for key, value in (flatten(record.conditions) | _measured_with(record)).items():
            if value is not None and _decides(key):
                values.setdefault(key, set()).add(value)
    return {key: " and ".join(sorted(found)) for key, found in values.items()}


def _decides(key: str) -> bool:
    if key in RUNTIME_PACKAGES:
        return True
    return not any(key == name or key.startswith(f"{name}.") for name in CANNOT_CHANGE_NUMBERS)


def _measured_with(record: Record) -> dict[str, str]:
    """Conditions that stand beside the numbers themselves."""
    found: dict[str, str] = {}
    if (latencies := record.facts(Latencies)) is not None:
        first = latencies.first
        found |= {"runtime": first.runtime, "threads": str(first.threads)}
        found["timed at"] = ", ".join(f"{timing.input_h}x{timing.input_w}" for timing in first.parts)
    if (clip := record.facts(Kinematics)) is not None:
        found["clip"] = f"{clip.frames} frames of {clip.clip} from frame {clip.conditions.get('first_frame')}"
    if (ap := record.facts(LabelledAp)) is not None:
        found["labels"] = f"{ap.images} images of {ap.labels}"
    return found


def comparable(references: Sequence[Mapping[str, str]]) -> tuple[tuple[int, ...], ...]:
    """Groups of runs that compare, as places, in the order of their first run."""
    groups: list[list[int]] = []
    for place in range(len(references)):
        joined = next((g for g in groups if not differences([references[other] for other in (*g, place)])), None)
        if joined is None:
            groups.append([place])
        else:
            joined.append(place)
    return tuple(map(tuple, groups))


def differences(references: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, ...]]:
    """Condition -> its value in each run, for every condition in which the runs differ.

    A run that did not measure angles, for instance, has no clip that could be another one.
    """
    keys = dict.fromkeys(key for found in references for key in found)
    values = {key: tuple(found.get(key, NOT_RECORDED) for found in references) for key in keys}
    return {key: found for key, found in values.items() if len({*found} - _unmeasured(key)) > 1}


def _unmeasured(key: str) -> set[str]:
    return {NOT_RECORDED} if key in _OF_MEASUREMENTS else set()


def flatten(conditions: Mapping[str, Any]) -> dict[str, str | None]:
    """`{"versions": {"torch": "2.13"}}` -> `{"versions.torch": "2.13"}`; lists become one text, None stays."""
    flat: dict[str, str | None] = {}
    for key, value in conditions.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": text for inner, text in flatten(value).items()}
        elif isinstance(value, list | tuple):
            flat[key] = ", ".join(_item(item) for item in value) or "none"
        else:
            flat[key] = None if value is None else str(value)
    return flat


def _item(item: Any) -> str:
    return ": ".join(str(value) for value in item.values()) if isinstance(item, Mapping) else str(item)
