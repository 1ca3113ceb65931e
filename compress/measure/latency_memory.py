"""What every candidate costs: time in paired rounds with the teacher, memory of a fresh process.

Facts go through the journal, so a continued run measures only what is missing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.common.environment import machine
from compress.common.fact_cache import Journal, fact_key
from compress.core.built import Built
from compress.recipe.models import LatencyPlan, Recipe
from compress.results.records import Latency, Memory, ScaleLatency
from eval.latency import Lap, LatencySettings, LatencySummary, run_laps, summarise
from eval.maps import prepare
from eval.memory import ProbeError, peak_memory
from eval.runtimes import RUNTIMES

_FEWEST_ROUNDS = 5
_PRECISE = 0.01
"""Half the width of a ratio's 95% interval, relative to the ratio, from which more laps would tell nobody anything."""

Artefact = Callable[[Built, tuple[int, int]], Path]
"""What a runtime loads of a candidate at an input height and width."""

Track = Callable[[Iterable[Any], str, int, int], Iterable[Any]]


@dataclass(frozen=True)
class CostPlan:
    """What is timed: artefacts, the teacher's first, on one real frame at every scale."""

    candidates: Sequence[Built]
    image: NDArray[np.uint8]
    """(H, W, 3) BGR; time depends on its size alone."""
    scales: tuple[float, ...]
    multiple: int
    """Of which heights and widths of inputs are multiples, for all of them."""
    runtime: str
    settings: LatencySettings
    seed: int
    artefact: Artefact = lambda built, input_hw: built.artefact

    def inputs(self) -> dict[float, NDArray[np.float32]]:
        """Network input by scale."""
        return {scale: prepare(self.image, scale, self.multiple) for scale in self.scales}

    def lap_key(self, scale: float, input_hw: tuple[int, int]) -> str:
        """Laps belong together only if the same artefacts ran in turn under the same conditions."""
        names = [(built.name, built.candidate.id) for built in self.candidates]
        return fact_key("lap", 1, names, scale, input_hw, self._conditions())

    def memory_key(self, built: Built, input_hw: tuple[int, int]) -> str:
        """Under which a candidate's peak memory is noted."""
        return fact_key("memory", 1, built.candidate.id, input_hw, self._conditions())

    def _conditions(self) -> list[object]:
        runtime = RUNTIMES[self.runtime]
        return [runtime.name, runtime.version, asdict(self.settings), machine()]


def latency_settings(recipe: Recipe) -> LatencySettings:
    """What the recipe asks for."""
    return LatencySettings(threads=(recipe.measure.latency or LatencyPlan()).threads, rounds=recipe.rounds)


def measure_latency(plan: CostPlan, journal: Journal, track: Track) -> dict[str, Latency]:
    """The latency of each candidate by name."""
    inputs = plan.inputs()
    keys = {scale: plan.lap_key(scale, _hw(image)) for scale, image in inputs.items()}
    done = sum(len(journal.facts(key)) for key in keys.values())
    if not all(_enough(plan, journal.facts(key)) for key in keys.values()):
        laps_at_most = plan.settings.rounds * len(inputs)
        for key, lap in track(
            _missing_laps(plan, inputs, keys, journal), "latency, laps (at most)", laps_at_most, done
        ):
            journal.add(key, asdict(lap))
    laps = [Lap(**fact) for key in keys.values() for fact in journal.facts(key)]
    sizes = {scale: _hw(image) for scale, image in inputs.items()}
    found = summarise(laps, plan.candidates[0].name, plan.seed)
    return {name: _latency(plan, summary, laps, sizes) for name, summary in found.items()}


def _missing_laps(
    plan: CostPlan, inputs: dict[float, NDArray[np.float32]], keys: dict[float, str], journal: Journal
) -> Iterator[tuple[str, Lap]]:
    runtime = RUNTIMES[plan.runtime]
    # All of them before any is loaded: making one loads it too, and some runtimes have one pool for all that is loaded.
    paths = {scale: {b.name: plan.artefact(b, _hw(image)) for b in plan.candidates} for scale, image in inputs.items()}
    for scale, image in inputs.items():
        done = len(journal.facts(keys[scale]))
        if _enough(plan, journal.facts(keys[scale])):
            continue
        # Loaded anew for each scale: a session keeps the memory of the largest input that it has seen.
        sessions = {name: runtime.load(path, plan.settings.threads) for name, path in paths[scale].items()}
        runners = {name: partial(session.run, image) for name, session in sessions.items()}
        for lap in run_laps(runners, scale, plan.settings, done):
            yield keys[scale], lap
            if _enough(plan, journal.facts(keys[scale])):
                break
        del sessions, runners


def _enough(plan: CostPlan, facts: Sequence[dict[str, Any]]) -> bool:
    """Whether a scale has all its laps, or so many that every ratio is known to 1%."""
    if len(facts) >= plan.settings.rounds:
        return True
    if len(facts) < _FEWEST_ROUNDS:
        return False
    found = summarise([Lap(**fact) for fact in facts], plan.candidates[0].name, plan.seed)
    return all(
        one.total.ratio_ci_high - one.total.ratio_ci_low <= 2 * _PRECISE * one.total.ratio for one in found.values()
    )


def _latency(
    plan: CostPlan, summary: LatencySummary, laps: Sequence[Lap], sizes: dict[float, tuple[int, int]]
) -> Latency:
    total = summary.total
    return Latency(
        runtime=plan.runtime,
        threads=plan.settings.threads,
        rounds=min(sum(lap.scale == scale for lap in laps) for scale in sizes),
        disturbed=summary.disturbed,
        kept_disturbed=summary.kept_disturbed,
        total_ms=total.median_ms,
        ratio=total.ratio,
        ratio_ci_low=total.ratio_ci_low,
        ratio_ci_high=total.ratio_ci_high,
        scales=tuple(
            ScaleLatency(scale=scale, input_h=sizes[scale][0], input_w=sizes[scale][1], **asdict(timing))
            for scale, timing in summary.scales.items()
        ),
    )


def measure_memory(plan: CostPlan, journal: Journal, track: Track) -> tuple[dict[str, Memory], dict[str, str]]:
    """The peak memory of each candidate by name, at the largest scale; and of whom it could not be taken, and why."""
    input_hw = _hw(prepare(plan.image, max(plan.scales), plan.multiple))
    keys = {built.name: plan.memory_key(built, input_hw) for built in plan.candidates}
    # By key: two candidates of the same content, under two names, are measured once.
    different = {keys[built.name]: built for built in plan.candidates}
    waiting = [key for key in different if not journal.facts(key)]
    done = len(different) - len(waiting)
    reasons = {}
    for key in track(waiting, "peak memory", len(different), done) if waiting else ():
        try:
            peak = peak_memory(plan.artefact(different[key], input_hw), input_hw, plan.runtime, plan.settings.threads)
        except ProbeError as error:
            reasons[key] = str(error)
        else:
            journal.add(key, asdict(peak))
    found = {
        name: Memory(
            runtime=plan.runtime,
            threads=plan.settings.threads,
            input_h=input_hw[0],
            input_w=input_hw[1],
            **journal.facts(key)[-1],
        )
        for name, key in keys.items()
        if key not in reasons
    }
    return found, {name: reasons[key] for name, key in keys.items() if key in reasons}


def _hw(image: NDArray[np.float32]) -> tuple[int, int]:
    return image.shape[2], image.shape[3]
