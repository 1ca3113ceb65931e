"""Core ML, one input size: the folder NAME.mlpackage. It converts anywhere and runs only on Apple's systems."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from compress.export.exporters.base import ExportRequest, Precision, TwoOutputs, kept_quiet
from compress.export.exporters.qdq_network import traceable
from eval.runtimes.base import missing_extra, version_of
from teachers.posenet import PoseNet


class CoreMlExporter:
    """coremltools, as an ML program: of a float network from a trace, for iOS 15 and macOS 12 or later.

    int8: from the quantise and dequantise pairs of torch.export, with the candidate's own numbers, for iOS 17 and macOS
    14 or later, which have those operators.
    """

    name, suffix, fixed_size = "coreml", ".mlpackage", True
    runtime: str | None = None
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")

    @property
    def version(self) -> str:
        """Of the coremltools package."""
        return version_of("coremltools")

    def missing(self) -> str | None:
        """See `Exporter`."""
        return missing_extra("Core ML's converter", "coreml", ["coremltools"])

    def convert(self, network: PoseNet, path: Path, request: ExportRequest) -> Sequence[str]:
        """See `Exporter`."""
        shape = (1, 3, *request.input_hw)
        with kept_quiet(self.name), warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            import coremltools as ct  # noqa: PLC0415

            half, int8 = request.precision == "fp16", request.precision == "int8"
            model = ct.convert(
                _exported(network, request) if int8 else _traced(network, shape),
                convert_to="mlprogram",
                inputs=[ct.TensorType(name="image", shape=shape)],
                outputs=[ct.TensorType(name="heatmaps"), ct.TensorType(name="pafs")],
                compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
                minimum_deployment_target=ct.target.iOS17 if int8 else ct.target.iOS15,
            )
            model.user_defined_metadata["spec"] = network.spec.to_json()
            model.user_defined_metadata["licence"] = request.licence.model_dump_json()
            model.save(str(path))
        return [path.name]


def _traced(network: PoseNet, shape: tuple[int, ...]) -> Any:
    return torch.jit.trace(TwoOutputs(network).eval(), torch.zeros(shape))  # type: ignore[no-untyped-call]


def _exported(network: PoseNet, request: ExportRequest) -> Any:
    program = torch.export.export(traceable(network, request), (torch.zeros(1, 3, *request.input_hw),))
    return program.run_decompositions({})
