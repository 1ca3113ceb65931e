"""Records: one JSON line per finished candidate, appended and flushed to disk the moment it is finished."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, RootModel, SerializeAsAny, ValidationError, field_validator

from compress.core.notes import Note
from compress.measure.facts import Count, F, Facts, MetricFacts
from compress.measure.metrics import METRICS
from eval.inference import Inference
from teachers.common.files import append_line
from teachers.licence import Licence


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
    inference: Inference | None = None
    """How it was run; None: at the scales of the reference."""
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
    rejected_reason: str | None = None
    """Why a finished candidate is on no front and meets no goal: collapsed int8 maps, for instance."""
    notes: tuple[Note, ...] = ()
    """What its steps found out on their way: the curve of a training, for instance."""

    @property
    def usable(self) -> bool:
        """Whether it was finished and not rejected."""
        return self.error is None and self.rejected_reason is None

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
