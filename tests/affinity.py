"""One core for each test process, chosen before numpy and torch count the cores; folders in memory where there is room.

Torch that has counted two cores and runs on one computes with two threads which wait for each other actively: a
backward pass of a small network then takes 80 times as much CPU.
"""

import os
import shutil
from pathlib import Path

_WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if _WORKER and hasattr(os, "sched_setaffinity"):
    _CORES = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_CORES[int(_WORKER.removeprefix("gw")) % len(_CORES)]})

# Runs flush each fact to the disk and SQLite each trial: tens of milliseconds each on a disk, nothing in memory.
_MEMORY = Path("/dev/shm")
if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > 4 << 30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
