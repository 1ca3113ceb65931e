"""LiteRT (TensorFlow Lite), one input size, channels first as in PyTorch: NAME.tflite."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from compress.export.exporters.base import ExportRequest, Precision, TwoOutputs, kept_quiet
from eval.runtimes.base import missing_extra, version_of
from teachers.posenet import PoseNet


class LiteRtExporter:
    """litert-torch, by way of torch.export; needs no TensorFlow."""

    name, suffix, fixed_size = "litert", ".tflite", True
    runtime: str | None = "litert"
    precisions: tuple[Precision, ...] = ("fp32",)

    @property
    def version(self) -> str:
        """Of the litert-torch package."""
        return version_of("litert-torch")

    def missing(self) -> str | None:
        """See `Exporter`."""
        return missing_extra("LiteRT's converter", "litert", ["litert_torch", "ai_edge_litert"])

    def convert(self, network: PoseNet, path: Path, request: ExportRequest) -> Sequence[str]:
        """See `Exporter`."""
        with kept_quiet(self.name), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import litert_torch  # noqa: PLC0415

            converted = litert_torch.convert(TwoOutputs(network).eval(), (torch.zeros(1, 3, *request.input_hw),))
            converted.export(str(path))
        return [path.name]
