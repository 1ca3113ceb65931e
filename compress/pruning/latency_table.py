"""How long each convolution takes at each width, measured in the runtime that will run it, once per machine.

Multiply-accumulates predict time poorly: runtimes compute 8 or 16 channels at once, depthwise convolutions wait for
memory, and small layers pay for being started. So every convolution that a search asks about is run alone and timed;
what was measured is kept in CACHE/latency, one file for each runtime, version, number of threads and CPU.

Measured alone, a convolution also pays for bringing its input into the runtime's own order, which within a network
happens only at the ends, and finds its input in the caches more often. Pools and concatenations are not in the table.
So a prediction is an estimate, to be reported beside what was measured in the end.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from compress.common.environment import machine
from compress.pruning.channel_graph import Convolution, Layout, Widths
from compress.pruning.layer_model import save_layer
from eval.runtimes import RUNTIMES
from teachers.assets import cache_part
from teachers.common.files import write_text

_FORMAT = 1
_WARM_UP = 2
_FEWEST, _MOST = 5, 50
_LEAST_S = 0.02
"""Time spent on one entry, within the fewest and the most runs."""

Timer = Callable[[Convolution, tuple[int, int]], float]
"""Milliseconds of one convolution with so many channels in and out."""


@dataclass(frozen=True)
class TableConditions:
    """Under which a time holds; another runtime, version, number of threads or CPU has a table of its own."""

    runtime: str
    version: str
    threads: int
    cpu: str

    @staticmethod
    def here(runtime: str, threads: int) -> "TableConditions":
        """Of this machine, now."""
        return TableConditions(runtime, RUNTIMES[runtime].version, threads, str(machine()["cpu"]))

    def path(self) -> Path:
        """Where the table of these conditions is kept."""
        digest = hashlib.sha256(json.dumps([_FORMAT, *vars(self).values()]).encode()).hexdigest()
        return cache_part("latency") / f"{self.runtime}-{digest[:16]}.json"


@dataclass
class LatencyTable:
    """Times by layer shape and width; what is not there is measured when it is asked for."""

    conditions: TableConditions
    timer: Timer
    times_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    """Layer shape -> "in>out" channels -> milliseconds."""
    measured: int = 0
    """Entries that were not there yet."""

    def time_ms(self, convolution: Convolution, seen: int, made: int) -> float:
        """Milliseconds at these channels, cleaned: at most what wider layers of this shape took that were there before.

        Other load only ever adds time, so a narrower layer that took longer than a wider one was disturbed, or it is
        one that the runtime is bad at; either way nothing would be saved by choosing it. A search goes from wide to
        narrow, and an entry never changes, so that the same search finds the same widths again.
        """
        row = self.times_ms.setdefault(_shape(convolution), {})
        width = f"{seen}>{made}"
        if width not in row:
            wider = [ms for other, ms in row.items() if _at_least(other, seen, made)]
            row[width] = min([self.timer(convolution, (seen, made)), *wider])
            self.measured += 1
        return row[width]

    def network_ms(self, layout: Layout, widths: Widths) -> float:
        """The sum over all convolutions: what is predicted for the network."""
        return sum(self.time_ms(one, *one.channels(widths)) for one in layout.convolutions)

    def save(self) -> None:
        """Keeps what was measured; nothing is written if nothing was."""
        if self.measured:
            content = {"format": _FORMAT, "conditions": vars(self.conditions), "times_ms": self.times_ms}
            write_text(self.conditions.path(), json.dumps(content, indent=1, sort_keys=True) + "\n")


def _shape(convolution: Convolution) -> str:
    kind = "depthwise" if convolution.makes is None else "dense"
    c = convolution
    return f"{kind} k{c.kernel} s{c.stride} p{c.pad[0]},{c.pad[1]} d{c.dilation} {c.hw[0]}x{c.hw[1]}"


def _at_least(width: str, seen: int, made: int) -> bool:
    """Whether the measured width, "in>out", is this one or a wider one."""
    wide_seen, _, wide_made = width.partition(">")
    return int(wide_seen) >= seen and int(wide_made) >= made


def open_table(runtime: str, threads: int) -> LatencyTable:
    """The table of this machine as far as it was measured before; a file that cannot be read counts as none."""
    conditions = TableConditions.here(runtime, threads)
    table = LatencyTable(conditions, timer_of(runtime, threads))
    try:
        table.times_ms.update(_read(json.loads(conditions.path().read_text(encoding="utf-8")), conditions))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return LatencyTable(conditions, table.timer)  # a cache: measured again, and then written whole
    return table


def _read(content: Any, conditions: TableConditions) -> dict[str, dict[str, float]]:
    """ValueError for a file of other conditions or with a time that is none."""
    if content["format"] != _FORMAT or content["conditions"] != vars(conditions):
        raise ValueError("a table of other conditions")
    found: dict[str, dict[str, float]] = {}
    for shape, row in content["times_ms"].items():
        for width, ms in row.items():
            _at_least(width, 0, 0)
            if not 0 < float(ms) < float("inf"):
                raise ValueError(f"{shape} {width}: {ms} is no time")
            found.setdefault(str(shape), {})[width] = float(ms)
    return found


def timer_of(runtime: str, threads: int) -> Timer:
    """Times one convolution alone in this runtime: the least of several runs, because other load only adds time."""

    def timed(convolution: Convolution, channels: tuple[int, int]) -> float:
        with tempfile.TemporaryDirectory(prefix="compress-latency-") as folder:
            artefact = Path(folder) / "layer.onnx"
            save_layer(artefact, convolution, channels)
            session = RUNTIMES[runtime].load(artefact, threads)
        image = np.random.default_rng(0).random((1, channels[0], *convolution.hw), dtype=np.float32)
        taken: list[float] = []
        while len(taken) < _WARM_UP + _FEWEST or (sum(taken) < _LEAST_S and len(taken) < _MOST):
            start = time.perf_counter()
            session.outputs(image, ("made",))
            taken.append(time.perf_counter() - start)
        return min(taken[_WARM_UP:]) * 1e3

    return timed
