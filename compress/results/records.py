"""Records: one JSON line per finished candidate, appended and flushed to disk the moment it is finished."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, RootModel, SerializeAsAny, ValidationError, field_validator

from compress.measure.coco_ap import LabelledAp
from compress.measure.energy import Activations, Energy
from compress.measure.facts import Count, F, Facts, MetricFacts
from compress.measure.fidelity import Fidelity
from compress.measure.kinematics import Kinematics
from compress.measure.latency import Latencies, Latency, ScaleLatency
from compress.measure.memory import Memory
from compress.measure.metrics import METRICS
from compress.measure.packed_size import Packed, PackedStage
from compress.measure.size import Size
from teachers.common.files import append_line
from teachers.licence import Licence

__all__ = [
    "Activations", "Energy", "Fidelity", "Kinematics", "LabelledAp", "Latencies", "Latency", "Measurement", "Memory",
    "Packed", "PackedStage", "Record", "ScaleLatency", "Size", "append_record", "read_records",
]  # fmt: skip


class UnknownFacts(MetricFacts):
    """Facts of a metric that is not installed here, as they were recorded."""

    model_config = ConfigDict(extra="allow")


class Measurement(RootModel[dict[str, SerializeAsAny[MetricFacts]]]):
    """What was measured on a candidate: each metric's facts under its name. What was not is not there."""

    model_config = ConfigDict(frozen=True)

    @field_validator("root", mode="before")
    @classmethod
    def _by_metric(cls, found: Any) -> Any:
        if not isinstance(found, Mapping):
            return found
        return {key: _read(key, facts) for key, facts in found.items()}

    @classmethod
    def of(cls, *facts: MetricFacts) -> "Measurement":
        """Of these facts."""
        return cls({one.key: one for one in facts})

    def facts(self, kind: type[F]) -> F | None:
        """A metric's facts; None if it was not measured."""
        found = self.root.get(kind.key)
        return found if isinstance(found, kind) else None

    def replaced(self, *facts: MetricFacts) -> "Measurement":
        """The same with these facts in place of those of the same metrics."""
        return Measurement(self.root | {one.key: one for one in facts})

    def without(self, *kinds: type[MetricFacts]) -> "Measurement":
        """The same without these metrics' facts."""
        return Measurement({key: one for key, one in self.root.items() if key not in [kind.key for kind in kinds]})

    # Short ways for programs and notebooks to the facts that are asked for most.
    @property
    def params(self) -> int | None:
        size = self.facts(Size)
        return None if size is None else size.params

    @property
    def macs(self) -> int | None:
        size = self.facts(Size)
        return None if size is None else size.macs

    @property
    def macs_input_hw(self) -> tuple[int, int] | None:
        size = self.facts(Size)
        return None if size is None else size.macs_input_hw

    @property
    def size_bytes(self) -> int | None:
        size = self.facts(Size)
        return None if size is None else size.bytes

    @property
    def fidelity(self) -> Fidelity | None:
        return self.facts(Fidelity)

    @property
    def latency(self) -> tuple[Latency, ...]:
        found = self.facts(Latencies)
        return () if found is None else found.runtimes

    @property
    def memory(self) -> Memory | None:
        return self.facts(Memory)

    @property
    def energy(self) -> Energy | None:
        return self.facts(Energy)

    @property
    def activations(self) -> Activations | None:
        energy = self.facts(Energy)
        return None if energy is None else energy.activations

    @property
    def packed(self) -> Packed | None:
        return self.facts(Packed)

    @property
    def kinematics(self) -> Kinematics | None:
        return self.facts(Kinematics)

    @property
    def ap(self) -> LabelledAp | None:
        return self.facts(LabelledAp)


def _read(key: str, facts: Any) -> Any:
    if isinstance(facts, MetricFacts):
        return facts
    kind = METRICS[key].facts if key in METRICS else UnknownFacts
    return kind.model_validate(facts)


class Record(Facts):
    """One candidate: where it came from, what it measured, under which conditions, or the error that ended it."""

    format: Literal[1] = 1
    name: str
    role: Literal["teacher", "candidate"]
    key: str
    """Hash of what was asked: teacher, steps, frames and measuring settings. Equal keys need no second run."""
    id: str | None
    """Hash of the candidate's content: spec and weights."""
    parent: str | None
    teacher: str
    steps: tuple[dict[str, Any], ...]
    stages: Count | None
    backbone: str | None
    measurement: Measurement
    parity_max_abs: float | None = None
    """Largest difference between the artefact's maps and the network's on real frames."""
    missing: dict[str, str]
    """Column of candidates.csv -> why it is empty."""
    conditions: dict[str, Any]
    licence: Licence
    error: str | None = None
    notes: tuple[dict[str, Any], ...] = ()
    """What its steps found out on their way, each with a `kind`: the curve of a training, for instance."""

    def facts(self, kind: type[F]) -> F | None:
        """What a metric found; None if it was not measured, and `missing` says why."""
        return self.measurement.facts(kind)


def append_record(path: Path, record: Record) -> None:
    """Adds one line and flushes it to disk."""
    append_line(path, json.dumps(record.model_dump(mode="json"), sort_keys=True))


def read_records(path: Path) -> list[Record]:
    """The records of a run, the newest for each name, in the order of their first appearance.

    A line cut short by a kill is passed over: its candidate was not finished.
    """
    found: dict[str, Record] = {}
    for record in _lines(path):
        found[record.name] = record
    return list(found.values())


def _lines(path: Path) -> Iterator[Record]:
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            yield Record.model_validate_json(line)
        except ValidationError:
            continue
