"""OpenVINO on the CPU. It reads its own format and ONNX, so an int8 ONNX artefact keeps its precision there."""

from pathlib import Path
from typing import Any

import numpy as np

from eval.onnx_session import cpu_saturates, sums_may_overflow
from eval.runtimes.base import Array, MapsSession, missing_extra, require, version_of
from eval.runtimes.facts import ArtefactFacts, read_facts
from eval.silent_imports import import_openvino
from teachers.common.errors import UserError

_LONGEST_REASON = 300


class OpenVino:
    """OpenVINO, CPU device, latency hint, computing in float32."""

    name = "openvino"
    suffixes: tuple[str, ...] = (".openvino.xml", ".onnx")

    @property
    def version(self) -> str:
        """Of the openvino package."""
        return version_of("openvino")

    def missing(self) -> str | None:
        """See `Runtime`."""
        return missing_extra("OpenVINO", "openvino", ["openvino"])

    def start(self) -> None:
        """See `Runtime`."""
        require(self.missing())
        import_openvino()

    def load(self, artefact: Path, threads: int) -> MapsSession:
        """See `Runtime`."""
        require(self.missing())
        ov = import_openvino()
        if not artefact.is_file():
            raise UserError(f"{artefact}: no such artefact")
        _refuse_overflow(artefact)
        facts = None if artefact.suffix == ".onnx" else read_facts(artefact)
        core = ov.Core()
        # bfloat16 is OpenVINO's default where the CPU has it, and is not what the parity of the maps was proved for.
        settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        try:
            compiled = core.compile_model(core.read_model(artefact), "CPU", settings)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-_LONGEST_REASON:]
            raise UserError(f"{artefact}: not a whole file that OpenVINO can run: {reason}") from error
        inputs = [name for put in compiled.inputs for name in put.names]
        if inputs != ["image"]:
            raise UserError(f"{artefact}: takes {', '.join(inputs) or 'nothing'}, expected one input, `image`")
        return MapsSession(artefact, facts or _facts_of_onnx(compiled), _runner(compiled))


def _refuse_overflow(artefact: Path) -> None:
    """OpenVINO has no switch for exact sums."""
    if artefact.suffix == ".onnx" and cpu_saturates() and sums_may_overflow(artefact):
        raise UserError(
            f"{artefact}: its int8 sums may overflow the 16 bits in which OpenVINO adds them on this CPU (x86 without "
            "VNNI), and its maps would be wrong; quantize again for weights whose sums fit, or use onnxruntime"
        )


def _runner(compiled: Any) -> Any:
    request = compiled.create_infer_request()

    def run(image: Array) -> tuple[Array, Array]:
        found = request.infer({"image": image}, share_inputs=True)
        return np.array(found["heatmaps"]), np.array(found["pafs"])

    return run


def _facts_of_onnx(compiled: Any) -> ArtefactFacts:
    """OpenVINO keeps no metadata of an ONNX file; ONNX Runtime reads them."""
    return ArtefactFacts("onnx", "", "", None, "", "", "", {})
