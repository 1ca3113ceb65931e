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
from teachers.common.plugins import extended

__all__ = ["RUNTIMES", "Runs", "Runtime", "Session"]

_CONTRACT = ("name", "suffixes", "missing", "start", "load")
_ALL: tuple[Runtime, ...] = (OnnxRuntime(), OpenVino(), ExecuTorch(), LiteRt(), Ncnn())
RUNTIMES: Mapping[str, Runtime] = extended(
    "compress.runtimes",
    {runtime.name: runtime for runtime in _ALL},
    name=lambda runtime: runtime.name,
    fits=lambda found: not isinstance(found, type) and all(hasattr(found, name) for name in _CONTRACT),
    expected="an object with the attributes and methods of eval.runtimes.base.Runtime",
)
"""By name. Those of other packages are named by entry points `compress.runtimes`."""
