"""One core for each test process, chosen before numpy and torch count the cores.

Torch that has counted two cores and runs on one computes with two threads which wait for each other actively: a
backward pass of a small network then takes 80 times as much CPU.
"""

import os

_WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if _WORKER and hasattr(os, "sched_setaffinity"):
    _CORES = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {_CORES[int(_WORKER.removeprefix("gw")) % len(_CORES)]})
