"""ExecuTorch, one input size, lowered to XNNPACK: NAME.pte."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from compress.export.exporters.base import ExportRequest, Precision, kept_quiet
from compress.export.exporters.qdq_network import traceable
from eval.runtimes import RUNTIMES
from eval.runtimes.base import missing_extra
from teachers.posenet import PoseNet


class ExecuTorchExporter:
    """torch.export, then XNNPACK takes whatever it can; for float networks that is the whole graph."""

    name, suffix, fixed_size = "executorch", ".pte", True
    runtime: str | None = "executorch"
    precisions: tuple[Precision, ...] = ("fp32", "int8")

    @property
    def version(self) -> str:
        """Of the executorch package."""
        return RUNTIMES["executorch"].version

    def missing(self) -> str | None:
        """See `Exporter`."""
        return missing_extra("ExecuTorch", "executorch", ["executorch.exir", "executorch.backends.xnnpack"])

    def convert(self, network: PoseNet, path: Path, request: ExportRequest) -> Sequence[str]:
        """See `Exporter`."""
        with kept_quiet(self.name), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner  # noqa: PLC0415
            from executorch.exir import to_edge_transform_and_lower  # noqa: PLC0415

            program = torch.export.export(traceable(network, request), (torch.zeros(1, 3, *request.input_hw),))
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
            path.write_bytes(lowered.to_executorch().buffer)
        return [path.name]
