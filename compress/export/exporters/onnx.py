"""ONNX, any input size: what every candidate's folder holds."""

from collections.abc import Sequence
from pathlib import Path

from compress.core.candidate import Candidate, content_id
from compress.core.qparams import Half
from compress.export.exporters.base import ExportRequest, Precision
from compress.export.graph_writer import BRANCHES, write_graph
from compress.export.onnx_export import save_candidate
from eval.runtimes.base import version_of
from teachers.posenet import PoseNet


class OnnxExporter:
    """Written node by node; spec and licence go into the file's own metadata."""

    name, suffix, fixed_size = "onnx", ".onnx", False
    runtime: str | None = "onnxruntime"
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")

    @property
    def version(self) -> str:
        """Of the onnx package."""
        return version_of("onnx")

    def missing(self) -> str | None:
        """Nothing: it is a dependency."""
        return None

    def convert(self, network: PoseNet, path: Path, request: ExportRequest) -> Sequence[str]:
        """See `Exporter`."""
        quantization = request.quantization or (Half() if request.precision == "fp16" else None)
        last = len(network.stages) - 1
        graph = write_graph(network, quantization, {branch: (last, branch) for branch in BRANCHES})
        save_candidate(
            graph,
            Candidate(
                network=network,
                licence=request.licence,
                id=content_id(network, request.quantization),
                quantization=request.quantization,
                inference=request.inference,
            ),
            path,
        )
        return [path.name]
