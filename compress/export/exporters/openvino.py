"""OpenVINO's own format, any input size: NAME.openvino.xml with the graph, NAME.openvino.bin with the weights."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compress.export.exporters.base import ExportRequest, Precision, kept_quiet
from compress.export.exporters.onnx import OnnxExporter
from eval.onnx_session import sums_may_overflow
from eval.runtimes import RUNTIMES
from eval.silent_imports import import_openvino
from teachers.common.errors import UserError
from teachers.posenet import PoseNet


class OpenVinoExporter:
    """By way of ONNX. With fp16 the weights are stored so; they are widened when they are loaded.

    int8: OpenVINO reads our pairs of quantise and dequantise as `FakeQuantize`, with the candidate's own numbers.
    """

    name, suffix, fixed_size = "openvino", ".openvino.xml", False
    runtime: str | None = "openvino"
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")

    @property
    def version(self) -> str:
        """Of the openvino package."""
        return RUNTIMES["openvino"].version

    def missing(self) -> str | None:
        """See `Exporter`."""
        return RUNTIMES["openvino"].missing()

    def convert(self, network: PoseNet, path: Path, request: ExportRequest) -> Sequence[str]:
        """See `Exporter`."""
        ov = import_openvino()
        by_way = path.with_name("by-way.onnx")
        # In half precision it is OpenVINO that narrows the weights: what it computes stays float32.
        whole = request if request.precision == "int8" else replace(request, precision="fp32", quantization=None)
        OnnxExporter().convert(network, by_way, whole)
        if request.precision == "int8" and sums_may_overflow(by_way):
            raise UserError(
                f"{self.name}: the network's int8 sums may overflow the 16 bits in which OpenVINO adds them on x86 "
                "without VNNI; quantize again for weights whose sums fit"
            )
        with kept_quiet(self.name):
            ov.save_model(ov.Core().read_model(by_way), path, compress_to_fp16=request.precision == "fp16")
        return [path.name, path.with_suffix(".bin").name]
