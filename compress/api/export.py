"""compress.export: a model in the format of another runtime, proved equal to the network."""

from pathlib import Path

from compress.api.exported import Exported
from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import Exporter, ExportRequest, Precision
from compress.export.shipping import parity_image, ship
from compress.quantization.integer_network import int8_maps
from compress.run.load_candidate import saved_candidate
from teachers.common.errors import UserError
from teachers.common.files import is_same_file
from teachers.zoo import nearest


def export(
    model: str | Path,
    to: str,
    *,
    out: str | Path | None = None,
    input_hw: tuple[int, int] = (368, 656),
    precision: Precision | None = None,
) -> Exported:
    """Converts a model to a runtime's format and compares the maps of both.

    model: a teacher's or a shipped model's name, a model's folder, or an .onnx file of ours in float32 or int8.
    to: name of a format, for instance "onnx". out: the file; the model's name with the format's suffix if left out.
    input_hw: height and width of the input, where the format has a fixed one. precision: of the stored weights; of a
    quantized model its own, else fp32, if left out.
    Raises UserError for what is not installed or not possible, ParityError where the maps differ; then no file is
    left behind.

    >>> compress.export("openpose-mobilenet-thin", "onnx", out="teacher.onnx").parity.max_abs
    """
    exporter = find_exporter(to)
    reporter = Reporter()
    with reporter.download(f"model {model}") as on_bytes:
        candidate = saved_candidate(str(model), on_bytes)
    name = Path(model).resolve().name
    name = Path(name).stem if name.lower().endswith(".onnx") else name
    path = Path(f"{name}{exporter.suffix}") if out is None else Path(out)
    if is_same_file(path, Path(model)):
        raise UserError(f"{path}: would be written over the model itself; --out another file")
    made_for = _precision(candidate, precision, model)
    quantization = candidate.quantization
    int8 = int8_maps(candidate.network, quantization)
    request = ExportRequest(input_hw, made_for, candidate.licence, candidate.inference, quantization, int8)
    image = parity_image()
    shipped = reporter.wait(
        f"converting to {exporter.name}", lambda: ship(candidate.network, exporter, path, request, image)
    )
    size = input_hw if exporter.fixed_size else None
    about = (exporter.name, made_for, size, candidate.licence, shipped.parity)
    return Exported(shipped.path, shipped.files, *about, candidate, str(model))


def _precision(candidate: Candidate, asked: Precision | None, model: str | Path) -> Precision:
    """A quantized network has one precision; a float one is written in fp32 unless fp16 is asked for."""
    if candidate.quantization is not None:
        made = candidate.quantization.precision
        if asked not in (None, made):
            raise UserError(
                f"{model}: computes in {made}, so it cannot be written in {asked}; give the candidate that it was "
                "quantized from"
            )
        return made
    if asked == "int8":
        raise UserError(
            f"{model}: is a float network; int8 needs grids found on frames: make a candidate with the step "
            "`quantize` (recipes/quantize.yaml) and export its folder"
        )
    return asked or "fp32"


def find_exporter(name: str) -> Exporter:
    """The converter of this name. UserError with the nearest name."""
    if name not in EXPORTERS:
        raise UserError(f"{name}: no such format{nearest(name, list(EXPORTERS))}; there are {', '.join(EXPORTERS)}")
    return EXPORTERS[name]
