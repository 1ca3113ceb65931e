"""Runtimes behind one small contract: load an artefact, run it. Each library is imported in its own file, when used.

No torch here: what measures time also runs where only a runtime is installed.
"""

from collections.abc import Mapping

from eval.runtimes.base import Runs, Runtime, Session
from eval.runtimes.executorch import ExecuTorch
from eval.runtimes.litert import LiteRt
from eval.runtimes.ncnn import Ncnn
from eval.runtimes.onnxruntime import OnnxRuntime
from eval.runtimes.openvino import OpenVino

__all__ = ["RUNTIMES", "Runs", "Runtime", "Session"]

_ALL: tuple[Runtime, ...] = (OnnxRuntime(), OpenVino(), ExecuTorch(), LiteRt(), Ncnn())
RUNTIMES: Mapping[str, Runtime] = {runtime.name: runtime for runtime in _ALL}
