"""Core ML, one input size: the folder NAME.mlpackage. It converts anywhere and runs only on Apple's systems."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from compress.export.exporters.base import ExportRequest, Precision, TwoOutputs, kept_quiet
from eval.runtimes.base import missing_extra, version_of
from teachers.posenet import PoseNet


class CoreMlExporter:
    """coremltools, from a trace, as an ML program for iOS 15 and macOS 12 or later."""

    name, suffix, fixed_size = "coreml", ".mlpackage", True
    runtime: str | None = None
    precisions: tuple[Precision, ...] = ("fp32", "fp16")

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
        with kept_quiet(self.name), warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            import coremltools as ct  # noqa: PLC0415

            whole = request.precision == "fp32"
            model = ct.convert(
                torch.jit.trace(TwoOutputs(network).eval(), torch.zeros(shape)),  # type: ignore[no-untyped-call]
                convert_to="mlprogram",
                inputs=[ct.TensorType(name="image", shape=shape)],
                outputs=[ct.TensorType(name="heatmaps"), ct.TensorType(name="pafs")],
                compute_precision=ct.precision.FLOAT32 if whole else ct.precision.FLOAT16,
                minimum_deployment_target=ct.target.iOS15,
            )
            model.user_defined_metadata["spec"] = network.spec.to_json()
            model.user_defined_metadata["licence"] = request.licence.model_dump_json()
            model.save(str(path))
        return [path.name]
