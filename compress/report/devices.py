"""Times that `compress bench` took on other devices: read, matched with candidates by hash, made into facts."""

from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compress.report.facts import DeviceTime, DeviceView, PlotFacts, PlotPoint
from compress.report.views import plot_axes
from compress.results.columns import number
from compress.results.objectives import OBJECTIVES, Objective
from compress.results.records import Record
from eval.runtimes.facts import sha256
from teachers.common.errors import UserError

_LARGEST = 16 * 2**20
_SUFFIXES = (".onnx", ".xml", ".pte", ".tflite", ".param")
Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(max_length=500)]


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
    """sha256 of every artefact in the candidates' folders -> who has it: two candidates may be the same network."""
    names: dict[str, tuple[str, ...]] = {}
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
    known = [(row, name) for row in bench.artefacts for name in names.get(row.sha256, ())]
    by_name = {record.name: record for record in records}
    y_axis = OBJECTIVES[plot_axes(objectives)[1]]
    values = [number(by_name[name], y_axis.name) for _, name in known]
    sign = 1 if y_axis.smaller_is_better else -1
    places = [
        None if value is None else (row.median_ms, sign * value) for (row, _), value in zip(known, values, strict=True)
    ]
    on_front = [place is not None and not _dominated(place, places) for place in places]
    times = tuple(
        DeviceTime(
            candidate=name,
            file=row.file,
            runtime=f"{row.runtime} {row.version or ''}".strip(),
            median_ms=row.median_ms,
            p90_ms=row.p90_ms,
            ratio=(row.ratio, row.ratio_ci_low, row.ratio_ci_high),
            on_front=member,
            energy_mj=row.energy_mj,
        )
        for (row, name), member in zip(known, on_front, strict=True)
    )
    unknown = tuple(row.file for row in bench.artefacts if row.sha256 not in names)
    plot = _plot(times, values, y_axis, {record.name for record in records if record.role == "teacher"})
    return DeviceView(bench.label, bench.artefacts[0].file, times, unknown, plot, bench.energy)


def _dominated(place: tuple[float, float], others: Sequence[tuple[float, float] | None]) -> bool:
    return any(
        other is not None and other != place and other[0] <= place[0] and other[1] <= place[1] for other in others
    )


def _plot(
    times: Sequence[DeviceTime], values: Sequence[float | None], y_axis: Objective, teachers: set[str]
) -> PlotFacts | None:
    several = len({time.runtime for time in times}) > 1
    points = tuple(
        PlotPoint(
            name=f"{time.candidate} ({time.runtime.partition(' ')[0]})" if several else time.candidate,
            run=0,
            x=time.median_ms,
            y=value,
            x_bounds=(time.median_ms, time.median_ms),
            y_bounds=(value, value),
            is_teacher=time.candidate in teachers,
            on_front=time.on_front,
        )
        for time, value in zip(times, values, strict=True)
        if value is not None
    )
    if not points:
        return None
    left_out = tuple(time.candidate for time, value in zip(times, values, strict=True) if value is None)
    x_axis = Objective("device_ms", "network time on this device", "ms", True, "latency")
    return PlotFacts(x_axis, y_axis, points, (), left_out, ("",))
