"""OpenVINO's own format, any input size: NAME.openvino.xml with the graph, NAME.openvino.bin with the weights."""

from collections.abc import Sequence
from pathlib import Path

from compress.export.exporters.base import ExportRequest, Precision, kept_quiet
from compress.export.exporters.onnx import OnnxExporter
from eval.runtimes import RUNTIMES
from eval.silent_imports import import_openvino
from teachers.posenet import PoseNet


class OpenVinoExporter:
    """By way of ONNX. With fp16 the weights are stored so; they are widened when they are loaded."""

    name, suffix, fixed_size = "openvino", ".openvino.xml", False
    runtime: str | None = "openvino"
    precisions: tuple[Precision, ...] = ("fp32", "fp16")

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
        OnnxExporter().convert(network, by_way, request)
        with kept_quiet(self.name):
            ov.save_model(ov.Core().read_model(by_way), path, compress_to_fp16=request.precision == "fp16")
        return [path.name, path.with_suffix(".bin").name]
