"""Under which conditions a run measures: the machine, the versions, what the process may use."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from eval.allocation import keep_freed_memory
from eval.process_memory import machine_bytes
from teachers.common.errors import UserError

MOST_THREADS = 512
"""No machine gains from more, and starting a million of them never ends."""

_PACKAGES = ("pose-compress", "torch", "numpy", "onnx", "onnxruntime", "opencv-python-headless", "av")


def environment() -> dict[str, Any]:
    """Facts about machine and software, JSON-able; nothing here names a user, a host or a path."""
    return {
        "machine": machine(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "allocation": keep_freed_memory()._asdict(),
    }


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def session_threads(given: int | None, option: str = "--threads") -> int:
    """Threads of a network's session: all cores if none is given; UserError outside 1 to `MOST_THREADS`."""
    if given is None:
        return usable_cores()
    if not 1 <= given <= MOST_THREADS:
        raise UserError(f"{option}: must lie between 1 and {MOST_THREADS}, got {given}")
    return given


def machine() -> dict[str, Any]:
    """The part that timings depend on; a run continued on another machine measures its times anew."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gib": round(machine_bytes() / 2**30, 1),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
