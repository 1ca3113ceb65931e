"""What every candidate costs: time in paired rounds with the teacher, memory of a fresh process. Facts go through
the journal, so a continued run measures only what is missing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from compress.build import Built
from compress.conditions import machine
from compress.journal import Journal, fact_key
from compress.records import Latency, Memory, ScaleLatency
from eval.latency import Lap, LatencySettings, LatencySummary, run_laps, summarise
from eval.maps import prepare
from eval.memory import MemoryPeak, peak_memory
from eval.runtimes import RUNTIMES

TrackLaps = Callable[[Iterable[Lap], str, int, int], Iterable[Lap]]


@dataclass(frozen=True)
class CostPlan:
    """What is timed: artefacts, the teacher first, on one real frame at every scale."""

    candidates: Sequence[Built]
    image: NDArray[np.uint8]
    """(H, W, 3) BGR; time depends on its size alone."""
    scales: tuple[float, ...]
    stride: int
    runtime: str
    settings: LatencySettings
    seed: int

    def inputs(self) -> dict[float, NDArray[np.float32]]:
        """Network input by scale."""
        return {scale: prepare(self.image, scale, self.stride) for scale in self.scales}

    def _conditions(self) -> list[object]:
        runtime = RUNTIMES[self.runtime]
        return [runtime.name, runtime.version, asdict(self.settings), machine()]

    def lap_key(self, scale: float, input_hw: tuple[int, int]) -> str:
        """Laps belong together only if the same artefacts ran in turn under the same conditions."""
        return fact_key("lap", 1, [b.candidate.id for b in self.candidates], scale, input_hw, self._conditions())

    def memory_key(self, built: Built, input_hw: tuple[int, int]) -> str:
        """Under which a candidate's peak memory is noted."""
        return fact_key("memory", 1, built.candidate.id, input_hw, self._conditions())


def measure_latency(plan: CostPlan, journal: Journal, track: TrackLaps) -> dict[str, Latency]:
    """The latency of each candidate by name."""
    laps: list[Lap] = []
    inputs = plan.inputs()
    keys = {scale: plan.lap_key(scale, _hw(image)) for scale, image in inputs.items()}
    done = {scale: len(journal.facts(key)) for scale, key in keys.items()}
    total = plan.settings.rounds * len(inputs)
    missing = any(count < plan.settings.rounds for count in done.values())
    for lap_key, lap in (
        track(_laps(plan, inputs, keys, done), "latency, laps", total, sum(done.values())) if missing else ()
    ):
        journal.add(lap_key, asdict(lap))
    for key in keys.values():
        laps += [Lap(**fact) for fact in journal.facts(key)]
    teacher = plan.candidates[0].name
    summaries = summarise(laps, teacher, plan.seed)
    sizes = {scale: _hw(image) for scale, image in inputs.items()}
    return {name: _latency(plan, summary, sizes) for name, summary in summaries.items()}
