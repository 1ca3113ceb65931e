"""Times that `compress bench` took on other devices: read, matched with candidates, made into facts.

An artefact is a candidate's by the hash of its file where that lies in the candidate's folder, and wherever it lies
by the hash of the network that it was made of; never by its name.
"""

from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compress.report.explorer import Explorer, ExplorerPoint, pair_front, plot_axes
from compress.report.facts import DeviceTime, DeviceView
from compress.results.columns import number
from compress.results.objectives import OBJECTIVES, Objective
from compress.results.records import Record
from eval.runtimes.facts import sha256
from teachers.common.errors import UserError

_LARGEST = 16 * 2**20
_SUFFIXES = (".onnx", ".xml", ".pte", ".tflite", ".param")
Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(max_length=9000)]
"""A file's name; of artefacts of the same name, as much of their paths as tells them apart."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BenchRow(_Facts):
    """One artefact."""

    file: Text
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    runtime: Text
    version: Text | None
    median_ms: Positive
    p90_ms: Positive
    ratio: Positive
    ratio_ci_low: Positive
    ratio_ci_high: Positive
    energy_mj: Positive | None = None
    network: str | None = None
    """The network's hash, as the artefact says it; files of earlier versions do not."""
    precision: Text | None = None
    """That its weights were rounded to, where it says so."""


class Bench(_Facts):
    """A file of `compress bench`, as compress/bench/standalone.py writes it."""

    format: Literal[1]
    machine: dict[str, Any]
    threads: Annotated[int, Field(ge=1)]
    input_hw: tuple[int, int]
    rounds: Annotated[int, Field(ge=1)]
    energy: Text | None = None
    """The counter, or why there is none; files of earlier versions do not say."""
    artefacts: Annotated[tuple[BenchRow, ...], Field(min_length=1)]

    @property
    def label(self) -> str:
        """The conditions in words."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        cpu = f"{self.machine.get('cpu', 'unknown CPU')}, {self.machine.get('system', 'unknown system')}"
        return f"{cpu}, {threads}, input {self.input_hw[0]}x{self.input_hw[1]}"


def read_bench(path: Path) -> Bench:
    """The file, checked. UserError says what is wrong with it."""
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path}: is too large to be a file of `compress bench`")
        return Bench.model_validate_json(path.read_bytes().removeprefix(BOM_UTF8))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: is not what `compress bench` writes: {where}: {first['msg']}") from error


def artefact_names(candidates: Path, records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """Hash of a network, and of every artefact in its folder -> its names: two candidates may be the same network."""
    names: dict[str, tuple[str, ...]] = {}
    for record in records:
        if record.id is not None:
            names[record.id] = (*names.get(record.id, ()), record.name)
    for record in records:
        for file in sorted((candidates / record.name).glob("*")):
            if file.is_file() and file.suffix in _SUFFIXES:
                digest = sha256(file)
                names[digest] = (*names.get(digest, ()), record.name)
    return names


def device_view(
    bench: Bench, names: Mapping[str, Sequence[str]], records: Sequence[Record], objectives: Sequence[str]
) -> DeviceView:
    """The times of a run's candidates there, and the front of time there against the first objective of quality."""
    known = [(row, name) for row in bench.artefacts for name in _found(row, names)]
    by_name = {record.name: record for record in records}
    quality = OBJECTIVES[plot_axes(objectives)[1]]
    points = [_point(row, by_name[name], quality, _several_runtimes(known)) for row, name in known]
    axes = (Objective("device_ms", "network time on this device", "ms", True, "latency"), quality)
    members = pair_front(points, axes, 0, 1)
    times = tuple(
        DeviceTime(
            candidate=name + _rounded(row, by_name[name]),
            file=row.file,
            runtime=f"{row.runtime} {row.version or ''}".strip(),
            median_ms=row.median_ms,
            p90_ms=row.p90_ms,
            ratio=(row.ratio, row.ratio_ci_low, row.ratio_ci_high),
            on_front=place in members,
            energy_mj=row.energy_mj,
            precision=_rounded(row, by_name[name]),
        )
        for place, (row, name) in enumerate(known)
    )
    unknown = tuple(row.file for row in bench.artefacts if not _found(row, names))
    shown = tuple(replace(point, on_front=place in members) for place, point in enumerate(points))
    plot = Explorer(axes, (0, 1), shown, {(0, 1): members}, ("",), ("device_ms", quality.name)) if members else None
    return DeviceView(bench.label, bench.artefacts[0].file, times, unknown, plot, bench.energy)


def _found(row: BenchRow, names: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return names.get(row.sha256) or names.get(row.network or "", ())


def _rounded(row: BenchRow, record: Record) -> str:
    """Behind a candidate's name where its maps were measured before the artefact's weights were rounded."""
    made_so = any(step.get("step") == "quantize" for step in record.steps)
    return "" if made_so or row.precision in (None, "fp32") else f" ({row.precision})"


def _several_runtimes(known: Sequence[tuple[BenchRow, str]]) -> bool:
    return len({row.runtime for row, _ in known}) > 1


def _point(row: BenchRow, record: Record, quality: Objective, names_runtime: bool) -> ExplorerPoint:
    return ExplorerPoint(
        name=record.name + _rounded(row, record) + (f" ({row.runtime})" if names_runtime else ""),
        recipe="",
        kind="teacher" if record.role == "teacher" else "candidate",
        run=0,
        on_front=False,
        values=(row.median_ms, None if record.error else number(record, quality.name)),
        intervals=(None, None),
    )
