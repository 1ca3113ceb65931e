"""ncnn, any input size: NAME.ncnn.param with the graph, NAME.ncnn.bin with the weights."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from compress.export.exporters.base import ExportRequest, Precision, TwoOutputs, kept_quiet
from eval.runtimes.base import missing_extra, version_of
from teachers.posenet import PoseNet


class NcnnExporter:
    """pnnx, from a trace. With fp16 the weights are stored so; they are widened when they are loaded."""

    name, suffix, fixed_size = "ncnn", ".ncnn.param", False
    runtime: str | None = "ncnn"
    precisions: tuple[Precision, ...] = ("fp32", "fp16")

    @property
    def version(self) -> str:
        """Of the pnnx package."""
        return version_of("pnnx")

    def missing(self) -> str | None:
        """See `Exporter`."""
        return missing_extra("ncnn's converter", "ncnn", ["pnnx", "ncnn"])

    def convert(self, network: PoseNet, path: Path, request: ExportRequest) -> Sequence[str]:
        """See `Exporter`."""
        weights = path.with_suffix(".bin")
        image = torch.zeros(1, 3, *request.input_hw)
        with kept_quiet(self.name), warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            import pnnx  # noqa: PLC0415

            pnnx.export(
                TwoOutputs(network).eval(),
                str(path.with_name("by-way.pt")),
                image,
                ncnnparam=str(path),
                ncnnbin=str(weights),
                fp16=request.precision == "fp16",
                check_trace=False,
            )
            if not path.is_file() or not weights.is_file():
                raise RuntimeError("pnnx wrote no ncnn model")
        return [path.name, weights.name]
