"""Candidates in the runtimes that a recipe names: their artefacts, made beside model.onnx where another is needed."""

from collections.abc import Sequence
from pathlib import Path

from compress.common.progress import Reporter
from compress.core.built import Built
from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import ConversionError, Exporter, ExportRequest
from compress.export.parity import ParityError
from compress.export.shipping import parity_image, ship
from compress.quantization.integer_network import int8_maps
from eval.runtimes import RUNTIMES
from eval.runtimes.facts import facts_file, read_facts
from teachers.common.errors import UserError

ONNX = "onnxruntime"
"""The runtime in which artefacts are proved equal to their networks."""


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

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._failed: dict[tuple[str, str], str] = {}
        self._tried: set[tuple[str, str, Sequence[tuple[int, int]]]] = set()

    def usable(self, built: Sequence[Built], runtime: str, sizes: Sequence[tuple[int, int]]) -> list[Built]:
        """Those of the candidates whose artefacts for these input sizes could be made; the teacher comes first.

        Of a format with a fixed input size there is one artefact for each size. There is none without the
        teacher's, to which all ratios refer.
        """
        if not _reads_onnx(runtime):
            self._make(built, runtime, tuple(sizes))
        if (runtime, built[0].name) in self._failed:
            return []
        return [one for one in built if (runtime, one.name) not in self._failed]

    def why_not(self, built: Built, teacher: Built, runtime: str) -> str | None:
        """Why a candidate is not among the usable ones."""
        if (runtime, teacher.name) in self._failed and built.name != teacher.name:
            return self._failed.get((runtime, built.name), f"the teacher could not be had in {runtime}")
        return self._failed.get((runtime, built.name))

    def path(self, built: Built, runtime: str, size: tuple[int, int]) -> Path:
        """What the runtime loads of a candidate at an input size."""
        return built.artefact if _reads_onnx(runtime) else _path(built, _exporter(runtime), size)

    def _make(self, built: Sequence[Built], runtime: str, sizes: tuple[tuple[int, int], ...]) -> None:
        waiting = [one for one in built if (runtime, one.name, sizes) not in self._tried]
        for one in self._reporter.track(waiting, f"artefacts for {runtime}", len(waiting)) if waiting else ():
            self._tried.add((runtime, one.name, sizes))
            try:
                for size in sizes:
                    _make(one, _exporter(runtime), size)
            except (UserError, ParityError, ConversionError) as error:
                self._failed[runtime, one.name] = str(error)
                self._reporter.warn(f"{one.name}: is not measured in {runtime}: {error}")


def _reads_onnx(name: str) -> bool:
    return ".onnx" in RUNTIMES[name].suffixes


def _exporter(name: str) -> Exporter:
    return next(one for one in EXPORTERS.values() if one.runtime == name)


def _path(built: Built, exporter: Exporter, size: tuple[int, int]) -> Path:
    words = f"-{size[0]}x{size[1]}" if exporter.fixed_size else ""
    return built.artefact.with_name(f"model{words}{exporter.suffix}")


def _make(built: Built, exporter: Exporter, size: tuple[int, int]) -> None:
    path = _path(built, exporter, size)
    if _is_whole(path, built):
        return
    candidate = built.candidate
    quantization = candidate.quantization
    precision = "fp32" if quantization is None else quantization.precision
    int8 = int8_maps(candidate.network, quantization)
    request = ExportRequest(size, precision, candidate.licence, quantization=quantization, int8=int8)
    ship(candidate.network, exporter, path, request, parity_image())


def _is_whole(path: Path, built: Built) -> bool:
    """Whether an earlier call made it of this very network."""
    if not facts_file(path).is_file():
        return False
    try:
        return read_facts(path).network == built.candidate.id
    except UserError:
        return False  # damaged since: made again
