"""The fresh process of eval.memory: loads an artefact, runs it a few times, prints its resident sizes as JSON."""

import json
import sys
from pathlib import Path

import numpy as np

from eval.runtimes import RUNTIMES

_RUNS = 3
"""The second run can need more than the first: a runtime's arena grows by what the first has taught it."""
_STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    """What is resident now."""
    if _STATUS.exists():
        return _status_bytes("VmRSS")
    import psutil  # noqa: PLC0415 - the probe's own size counts, so it imports nothing that it does not need

    return int(psutil.Process().memory_info().rss)


def peak_bytes() -> int:
    """The most that was ever resident in this process.

    On Linux not getrusage's ru_maxrss: a child inherits it through fork and exec, so a large parent's size would be
    reported for a small child. VmHWM belongs to the address space and starts anew with exec.
    """
    if _STATUS.exists():
        return _status_bytes("VmHWM")
    import psutil  # noqa: PLC0415

    windows_peak: int | None = getattr(psutil.Process().memory_info(), "peak_wset", None)
    if windows_peak is not None:
        return windows_peak
    import resource  # noqa: PLC0415

    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: bytes


def _status_bytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def main(arguments: list[str]) -> None:
    """ARTEFACT HEIGHT WIDTH RUNTIME THREADS"""
    artefact, height, width, name, threads = arguments
    runtime = RUNTIMES[name]
    runtime.start()
    before = resident_bytes()
    image = np.full((1, 3, int(height), int(width)), 128.0, dtype=np.float32)
    session = runtime.load(Path(artefact), int(threads))
    for _ in range(_RUNS):
        session.run(image)
    print(json.dumps({"peak_bytes": peak_bytes(), "before_load_bytes": before}))


if __name__ == "__main__":
    main(sys.argv[1:])
