"""What the operating system counts about this process and the machine, as far as it reports it.

Linux gives everything; macOS no load of others by core; Windows only CPU time, so less is seen there.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Counters:
    """Since the process started, all threads together: a runtime's workers fault and wait as well."""

    cpu_s: float
    faults: int
    """Minor page faults; 0 where they are not counted."""
    switches: int
    """Involuntary context switches; 0 where they are not counted."""


class Meter(Protocol):
    """Clock and counters; tests bring their own."""

    cores: int
    """That this process may run on."""

    def clock_s(self) -> float:
        """Wall time in seconds, from any start."""

    def counters(self) -> Counters:
        """As they stand."""

    def busy_s(self) -> float | None:
        """Seconds that our cores have been busy for anyone, the hypervisor's other guests included; None if unknown."""


class ProcessMeter:
    """The real one."""

    def __init__(self) -> None:
        self._cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
        self.cores = len(self._cores)

    def clock_s(self) -> float:
        """See `Meter`."""
        return time.perf_counter_ns() / 1e9

    def counters(self) -> Counters:
        """See `Meter`."""
        if resource is None:
            return Counters(time.process_time(), 0, 0)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return Counters(time.process_time(), usage.ru_minflt, usage.ru_nivcsw)

    def busy_s(self) -> float | None:
        """See `Meter`; from /proc/stat, whose unit is 10 ms: fit for a round, too coarse for one short run."""
        try:
            lines = _STAT.read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        ticks = 0
        for words in (line.split() for line in lines):
            if words and words[0].startswith("cpu") and words[0][3:].isdigit() and int(words[0][3:]) in self._cores:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[1:9])
                ticks += user + nice + system + irq + softirq + steal
        return ticks / os.sysconf("SC_CLK_TCK")
