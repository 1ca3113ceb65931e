"""ONNX Runtime on the CPU, the runtime that everything else is measured in unless a recipe says otherwise."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from eval.onnx_session import model_of, session_options
from eval.runtimes.base import Array, missing_extra, require, version_of
from eval.silent_imports import import_onnxruntime
from teachers.common.errors import UserError


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

    def metadata(self) -> dict[str, str]:
        """See `Session`."""
        return dict(self._session.get_modelmeta().custom_metadata_map)


class OnnxRuntime:
    """ONNX Runtime, CPU execution provider."""

    name = "onnxruntime"
    suffixes: tuple[str, ...] = (".onnx",)

    @property
    def version(self) -> str:
        """Of the onnxruntime package."""
        return version_of("onnxruntime")

    def missing(self) -> str | None:
        """See `Runtime`; it is a dependency, so only a broken install lacks it."""
        return missing_extra("ONNX Runtime", None, ["onnxruntime"])

    def start(self) -> None:
        """See `Runtime`."""
        _share_arena()

    def load(self, artefact: Path, threads: int) -> OnnxSession:
        """See `Runtime`."""
        require(self.missing())
        ort = import_onnxruntime()  # only here, so that reading a recipe does not wait for it
        if not artefact.is_file():
            raise UserError(f"{artefact}: no such artefact")
        options = session_options(ort, artefact, threads)
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        # Sessions that run in turn share one arena, and no plan is kept for each input size that was seen. Six
        # sessions at four scales up to 736x1312 then peak at 379 MiB instead of 2652 MiB, at the same speed.
        _share_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.enable_mem_pattern = False
        try:
            session = ort.InferenceSession(model_of(artefact), options, providers=["CPUExecutionProvider"])
        except _damaged_errors() as error:
            raise UserError(f"{artefact}: not a whole ONNX file that ONNX Runtime can run: {error}") from error
        inputs = [put.name for put in session.get_inputs()]
        if inputs != ["image"]:
            raise UserError(f"{artefact}: takes {', '.join(inputs) or 'nothing'}, expected one input, `image`")
        return OnnxSession(session)


@cache
def _share_arena() -> None:
    """One arena for all sessions of this process; it can be registered only once."""
    ort = import_onnxruntime()
    info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(info, None)


@cache
def _damaged_errors() -> tuple[type[Exception], ...]:
    import_onnxruntime()
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    return (
        state.InvalidProtobuf,
        state.InvalidGraph,
        state.Fail,
        state.InvalidArgument,
        state.NoSuchFile,
        state.NotImplemented,
    )
