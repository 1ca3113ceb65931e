"""Peak resident memory of a fresh process that loads an artefact and runs it.

The process runs with the C library's default allocator, whatever this process or the user has set: settings that keep
freed memory or ask for huge pages (eval.allocation) make runs faster and the resident size larger, and a phone has
neither. The runtime's own settings are those of eval.runtimes, as in every other measurement.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT_S = 600
_ALLOCATOR = ("GLIBC_TUNABLES", "THP_MEM_ALLOC_ENABLE", "LD_PRELOAD")


@dataclass(frozen=True)
class MemoryPeak:
    """Resident bytes of the process."""

    peak_bytes: int
    before_load_bytes: int
    """Interpreter, numpy and runtime imported, no artefact or image yet."""


class ProbeError(RuntimeError):
    """The fresh process failed; the message is what it said."""


def peak_memory(artefact: Path, input_hw: tuple[int, int], runtime: str, threads: int) -> MemoryPeak:
    """Starts the process, waits for it and reads what it printed; `input_hw` in pixels. ProbeError if it fails."""
    words = [str(artefact), str(input_hw[0]), str(input_hw[1]), runtime, str(threads)]
    try:
        done = subprocess.run(
            # -P: a folder `eval` where the user happens to stand must not be taken for ours.
            [sys.executable, "-P", "-m", "eval.memory_probe", *words],
            env=_environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"{artefact.name}: the memory probe had not ended after {_TIMEOUT_S} s") from error
    if done.returncode:
        hint = " (killed, perhaps for want of memory)" if done.returncode == -9 else ""
        raise ProbeError(
            f"{artefact.name}: the memory probe ended with {done.returncode}{hint}: {done.stderr.strip()[-2000:]}"
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return MemoryPeak(found["peak_bytes"], found["before_load_bytes"])


def _environment() -> dict[str, str]:
    """This process's environment without a preloaded allocator, and with our packages to be found."""
    kept = {
        name: text for name, text in os.environ.items() if name not in _ALLOCATOR and not name.startswith("MALLOC_")
    }
    ours = str(Path(__file__).resolve().parents[1])
    kept["PYTHONPATH"] = os.pathsep.join(path for path in (kept.get("PYTHONPATH"), ours) if path)
    return kept
