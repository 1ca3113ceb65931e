"""Whether a round was disturbed: by memory faulted in anew, or by other load that took the CPU away.

A laptop or a shared server is never quite quiet. So nothing here is absolute: what the warm-up showed is taken as
normal, and a round is disturbed when one of its runs was clearly worse off. Drift that slows a whole round alike
(a warm chip, a neighbour that stays) is not a disturbance, because the ratios are taken within the round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from eval.counters import Counters

FAULTS_ALLOWED = 64
"""256 KiB of fresh pages beyond the normal: what a log line or an allocator's bookkeeping may cost."""
_SHARE_LOST = 0.08
"""A run may get this much less CPU per wall second than normal; more means that it waited for others."""
_SHARE_LOST_IF_PREEMPTED = 0.03
"""The same where the kernel also says that it took the CPU from us more often than normal."""
_SWITCHES_ALLOWED = 5
_UNEVEN = 1.5
"""A run slowed this much more than the least slowed run of its round was slowed alone, by whatever it was."""
_OTHERS_ALLOWED = 0.2
"""Cores that others may use beyond what is normal, where too few are left for us."""


@dataclass(frozen=True)
class RunUsage:
    """One timed run."""

    wall_s: float
    cpu_s: float
    """Of all threads of the process."""
    faults: int = 0
    switches: int = 0
    """Times that the kernel took the CPU from one of our threads (involuntary context switches)."""

    @staticmethod
    def between(before: Counters, after: Counters, wall_s: float) -> "RunUsage":
        """What has been used between two states of the counters, `wall_s` seconds apart."""
        return RunUsage(
            wall_s, after.cpu_s - before.cpu_s, after.faults - before.faults, after.switches - before.switches
        )

    @property
    def share(self) -> float:
        """CPU seconds per wall second: the threads that were really running."""
        return self.cpu_s / self.wall_s if self.wall_s > 0 else 0.0


@dataclass(frozen=True)
class RoundUsage:
    """One turn of every artefact."""

    runs: Mapping[str, RunUsage]
    others: float | None
    """Cores that other processes kept busy meanwhile; None where the system does not report it."""


@dataclass(frozen=True)
class Normal:
    """What the warm-up showed: the medians of each runner, and of other load."""

    runs: Mapping[str, RunUsage]
    others: float | None
    cores: int

    @staticmethod
    def of(rounds: Sequence[RoundUsage], cores: int) -> "Normal":
        """From the rounds of the warm-up whose memory was in place."""
        runs = {
            name: RunUsage(
                wall_s := median(timed.runs[name].wall_s for timed in rounds),
                median(timed.runs[name].share for timed in rounds) * wall_s,
                int(median(timed.runs[name].faults for timed in rounds)),
                int(median(timed.runs[name].switches for timed in rounds)),
            )
            for name in rounds[0].runs
        }
        others = [timed.others for timed in rounds if timed.others is not None]
        return Normal(runs, median(others) if others else None, cores)

    def disturbed(self, timed: RoundUsage) -> bool:
        """Whether any run of the round was clearly worse off than normal."""
        return (
            self._crowded(timed)
            or any(self._took_memory(name, run) or self._waited(name, run) for name, run in timed.runs.items())
            or self._uneven(timed)
        )

    def _took_memory(self, name: str, run: RunUsage) -> bool:
        return run.faults > 1.5 * self.runs[name].faults + FAULTS_ALLOWED

    def _waited(self, name: str, run: RunUsage) -> bool:
        normal = self.runs[name]
        preempted = run.switches > 2 * normal.switches + _SWITCHES_ALLOWED
        lost = _SHARE_LOST_IF_PREEMPTED if preempted else _SHARE_LOST
        return run.share < normal.share * (1 - lost)

    def _uneven(self, timed: RoundUsage) -> bool:
        slowed = [run.wall_s / self.runs[name].wall_s for name, run in timed.runs.items() if self.runs[name].wall_s > 0]
        return bool(slowed) and max(slowed) > _UNEVEN * min(slowed)

    def _crowded(self, timed: RoundUsage) -> bool:
        """Others used more than normal, and more than the cores that we leave free."""
        if self.others is None or timed.others is None:
            return False
        free = self.cores - max(run.share for run in self.runs.values())
        return timed.others > max(self.others, free) + _OTHERS_ALLOWED


def settled(before: RoundUsage, last: RoundUsage) -> bool:
    """Whether the warm-up is over: no run faulted memory in, and the last round was hardly faster than the previous."""
    in_place = all(run.faults <= FAULTS_ALLOWED for run in last.runs.values())
    return in_place and _seconds(last) > 0.95 * _seconds(before)


def _seconds(timed: RoundUsage) -> float:
    return sum(run.wall_s for run in timed.runs.values())
