"""compress.export: a model in the format of another runtime, proved equal to the network."""

from dataclasses import dataclass
from pathlib import Path

from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import Exporter, ExportRequest, Precision
from compress.export.onnx_export import save_artefact
from compress.export.parity import Parity
from compress.export.shipping import parity_image, ship
from compress.quantization.qdq_graph import quantized_graph
from compress.run.builder import largest_difference
from compress.run.load_candidate import saved_candidate
from eval.maps import prepare
from teachers.common.errors import UserError
from teachers.common.files import replacing
from teachers.licence import Licence
from teachers.zoo import nearest


@dataclass(frozen=True)
class Exported:
    """An artefact on disk, and how it compares with its network."""

    path: Path
    files: tuple[Path, ...]
    runtime: str
    precision: str
    input_hw: tuple[int, int] | None
    """The only size it takes; None where it takes any."""
    licence: Licence
    parity: Parity | None
    """None where no runtime on this system loads the format, and for a quantized network."""
    quantized_max_abs: float | None = None
    """Of a quantized network: the largest difference from the maps of the network on its grids."""


def export(
    model: str | Path,
    to: str,
    *,
    out: str | Path | None = None,
    input_hw: tuple[int, int] = (368, 656),
    precision: Precision = "fp32",
) -> Exported:
    """Converts a teacher or a candidate's folder to a runtime's format and compares the maps of both.

    to: name of a format, for instance "onnx". out: the file; the model's name with the format's suffix if left out.
    input_hw: height and width of the input, where the format has a fixed one. precision: of the stored weights.
    Raises UserError for what is not installed or not possible, ParityError where the maps differ; then no file is
    left behind.

    >>> compress.export("openpose-mobilenet-thin", "onnx", out="teacher.onnx").parity.max_abs
    """
    exporter = find_exporter(to)
    if Path(model).suffix == ".onnx":
        raise UserError(f"{model}: is an artefact already; give the folder that it lies in, with the weights")
    reporter = Reporter()
    with reporter.download(f"model {model}") as on_bytes:
        candidate = saved_candidate(str(model), on_bytes)
    path = Path(f"{Path(model).resolve().name}{exporter.suffix}") if out is None else Path(out)
    if candidate.quantization is not None:
        return _export_quantized(candidate, exporter, path, str(model))
    request = ExportRequest(input_hw, precision, candidate.licence, candidate.inference)
    image = parity_image()
    shipped = reporter.wait(
        f"converting to {exporter.name}", lambda: ship(candidate.network, exporter, path, request, image)
    )
    size = input_hw if exporter.fixed_size else None
    return Exported(shipped.path, shipped.files, exporter.name, precision, size, candidate.licence, shipped.parity)


def _export_quantized(candidate: Candidate, exporter: Exporter, out: Path, model: str) -> Exported:
    """Its numbers are in ONNX alone, in the precision that it was made for."""
    assert candidate.quantization is not None
    precision = candidate.quantization.precision
    if exporter.suffix != ".onnx":
        raise UserError(
            f"{exporter.name}: {model} computes in {precision}, which is written as onnx alone; "
            "ONNX Runtime and OpenVINO read that"
        )
    if out.suffix != ".onnx":
        raise UserError(f"{out}: the name of an artefact for {exporter.name} ends with .onnx")
    pixels = prepare(parity_image().pixels, 0.5, candidate.spec.stride)
    with replacing(out) as temporary:
        graph = quantized_graph(candidate.network, candidate.quantization)
        save_artefact(graph, candidate.network, candidate.licence, temporary, candidate.inference)
        apart = largest_difference(candidate, temporary, [pixels])
    return Exported(out, (out,), exporter.name, precision, None, candidate.licence, None, apart)


def find_exporter(name: str) -> Exporter:
    """The converter of this name. UserError with the nearest name."""
    if name not in EXPORTERS:
        raise UserError(f"{name}: no such format{nearest(name, list(EXPORTERS))}; there are {', '.join(EXPORTERS)}")
    return EXPORTERS[name]
