"""Candidates in the runtimes that a recipe names: their artefacts, made beside model.onnx where another is needed."""

from collections.abc import Callable, Sequence
from pathlib import Path

from compress.common.fact_cache import Journal
from compress.common.progress import Reporter
from compress.core.built import Built
from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import ConversionError, Exporter, Wanted
from compress.export.parity import ParityError
from compress.export.shipping import parity_image, ship
from compress.measure.latency_memory import Artefact, CostPlan, Track, measure_latency
from compress.results.records import Latency
from eval.runtimes import RUNTIMES
from eval.runtimes.facts import facts_file, read_facts
from teachers.common.errors import UserError


def require_runtimes(names: Sequence[str]) -> None:
    """UserError for a runtime that is not installed, or whose artefacts cannot be made here; it names the extra."""
    for name in names:
        hint = RUNTIMES[name].missing()
        if hint is None and not _reads_onnx(name):
            hint = _exporter(name).missing()
        if hint is not None:
            raise UserError(f"measure.latency: {hint}")


class RuntimeArtefacts:
    """Makes what each runtime loads; a candidate that cannot be had in one is left out there, with the reason."""

    def __init__(self, runtimes: Sequence[str], reporter: Reporter) -> None:
        self._runtimes, self._reporter = tuple(runtimes), reporter
        self._failed: dict[tuple[str, str], str] = {}

    def make(self, built: Sequence[Built], sizes: Sequence[tuple[int, int]]) -> None:
        """For every candidate; of a format with a fixed input size one artefact for each size."""
        waiting = [(name, one) for name in self._runtimes if not _reads_onnx(name) for one in built]
        for name, one in self._reporter.track(waiting, "artefacts for other runtimes", len(waiting)) if waiting else ():
            try:
                for size in sizes:
                    _make(one, _exporter(name), size)
            except (UserError, ParityError, ConversionError) as error:
                self._failed[name, one.name] = str(error)
                self._reporter.warn(f"{one.name}: is not measured in {name}: {error}")
        for name in self._runtimes:
            if (name, built[0].name) in self._failed:
                for one in built[1:]:
                    self._failed.setdefault((name, one.name), f"the teacher could not be had in {name}")

    def usable(self, built: Sequence[Built], runtime: str) -> list[Built]:
        """Who can be run there; nobody without the teacher, whom the ratios are to. The teacher comes first."""
        if (runtime, built[0].name) in self._failed:
            return []
        return [one for one in built if (runtime, one.name) not in self._failed]

    def of(self, runtime: str) -> Artefact:
        """What the runtime loads of a candidate at an input size."""
        find: Callable[[Built, tuple[int, int]], Path] = (
            (lambda one, _: one.artefact)
            if _reads_onnx(runtime)
            else lambda one, hw: _path(one, _exporter(runtime), hw)
        )
        return find

    def reasons(self) -> dict[str, dict[str, str]]:
        """Candidate -> column, or `latency in RUNTIME` of a further one -> why it is missing."""
        found: dict[str, dict[str, str]] = {}
        for (runtime, name), reason in self._failed.items():
            first = runtime == self._runtimes[0]
            columns = ("latency_ms", "peak_memory_bytes") if first else (f"latency in {runtime}",)
            found.setdefault(name, {}).update(dict.fromkeys(columns, reason))
        return found


def in_each_runtime(plans: Sequence[CostPlan], journal: Journal, track: Track) -> dict[str, tuple[Latency, ...]]:
    """Times of each candidate by name, the first plan's runtime first; who has none there has none at all."""
    found = [measure_latency(plan, journal, track) if plan.candidates else {} for plan in plans]
    return {name: tuple(times[name] for times in found if name in times) for name in found[0]}


def _reads_onnx(runtime: str) -> bool:
    return ".onnx" in RUNTIMES[runtime].suffixes


def _exporter(runtime: str) -> Exporter:
    return next(one for one in EXPORTERS.values() if one.runtime == runtime)


def _path(built: Built, exporter: Exporter, size: tuple[int, int]) -> Path:
    words = f"-{size[0]}x{size[1]}" if exporter.fixed_size else ""
    return built.artefact.with_name(f"model{words}{exporter.suffix}")


def _make(built: Built, exporter: Exporter, size: tuple[int, int]) -> None:
    path = _path(built, exporter, size)
    if built.candidate.quantization is not None:
        precision = built.candidate.quantization.precision
        raise UserError(f"its {precision} numbers are in model.onnx alone, which {exporter.name} does not read")
    if not _is_whole(path, built):
        ship(built.candidate.network, exporter, path, Wanted(size, "fp32", built.candidate.licence), parity_image())


def _is_whole(path: Path, built: Built) -> bool:
    """Whether an earlier call made it of this very network."""
    if not facts_file(path).is_file():
        return False
    try:
        return read_facts(path).network == built.candidate.id
    except UserError:
        return False  # damaged since: made again
