"""Runtimes behind one small contract: load an artefact, run it. onnxruntime is imported here only; torch nowhere."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from teachers.errors import UserError

Array = NDArray[np.float32]


class Session(Protocol):
    """A loaded artefact."""

    def run(self, image: Array) -> tuple[Array, Array]:
        """(1, 3, H, W) raw pixels 0..255 -> heatmaps (1, K+1, h, w) and PAFs (1, 2L, h, w)."""

    def outputs(self, image: Array, names: Sequence[str]) -> list[Array]:
        """The named outputs alone, in this order, for artefacts that have more than one pair of maps."""


class Runtime(Protocol):
    """A way to run artefacts."""

    name: str

    @property
    def version(self) -> str:
        """Of the package that runs them."""

    def load(self, artefact: Path, threads: int) -> Session:
        """UserError if the artefact is missing or damaged."""


class OnnxSession:
    """A session of ONNX Runtime on the CPU."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, image: Array) -> tuple[Array, Array]:
        """See `Session`."""
        heatmaps, pafs = self.outputs(image, ("heatmaps", "pafs"))
        return heatmaps, pafs

    def outputs(self, image: Array, names: Sequence[str]) -> list[Array]:
        """See `Session`."""
        found: list[Array] = self._session.run(list(names), {"image": image})
        return found


class OnnxRuntime:
    """ONNX Runtime, CPU execution provider."""

    name = "onnxruntime"

    @property
    def version(self) -> str:
        """Of the onnxruntime package."""
        return version("onnxruntime")

    def load(self, artefact: Path, threads: int) -> OnnxSession:
        """See `Runtime`."""
        import onnxruntime as ort  # noqa: PLC0415 - only here, so that reading a recipe does not wait for it

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 4  # what goes wrong comes back as an exception
        if not artefact.is_file():
            raise UserError(f"{artefact}: no such artefact")
        try:
            return OnnxSession(ort.InferenceSession(str(artefact), options, providers=["CPUExecutionProvider"]))
        except (_damaged_errors()) as error:
            raise UserError(f"{artefact}: not a whole ONNX file: {error}") from error


@cache
def _damaged_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    return (state.InvalidProtobuf, state.InvalidGraph, state.Fail, state.InvalidArgument, state.NoSuchFile)


RUNTIMES: Mapping[str, Runtime] = {"onnxruntime": OnnxRuntime()}
