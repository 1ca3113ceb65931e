"""Rounds of candidates with an `inference` of their own: each round runs everything that a frame needs, of all of them.

The teacher's inputs at all scales of the reference are run in the same round, so every ratio compares neighbours in
time. Candidates that share a network and an input size share the run.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from compress.common.fact_cache import fact_key
from compress.core.built import Built
from compress.measure.base import MeasureContext
from compress.measure.inference_parts import Part
from compress.measure.latency_facts import Latency, PartLatency
from compress.measure.latency_rounds import FEWEST_FOR_PRECISION, PRECISE
from compress.measure.runtime_plan import cost_conditions, frame_parts
from eval.latency import LatencySettings, Round, Sum, run_rounds, summarise_sums
from eval.runtimes import RUNTIMES

_TOGETHER = 0.0
"""Instead of a scale: all inputs are run in one round."""


@dataclass(frozen=True)
class InferencePlan:
    """Candidates that are run in ways of their own, beside the teacher."""

    candidates: Mapping[str, tuple[Part, ...]]
    """Name -> what a frame needs."""
    runs: Mapping[tuple[str, int], str]
    """Candidate and position of a part -> the run that times it."""
    reference: tuple[str, ...]
    """The runs of the teacher, one for each scale."""
    artefacts: Mapping[str, tuple[Path, tuple[int, int]]]
    """Run -> what is loaded, and the input's height and width."""
    runtime: str
    settings: LatencySettings

    @property
    def key(self) -> str:
        """Rounds belong together only if the same artefacts ran in turn under the same conditions."""
        return fact_key("inference rounds", 1, list(self.artefacts), cost_conditions(self.runtime, self.settings))


def inference_plan(
    built: Sequence[Built], context: MeasureContext, settings: LatencySettings, runtime: str
) -> InferencePlan:
    """Makes the artefacts that are not there yet; a candidate that cannot be had in the runtime is left out."""
    teacher = built[0]
    own = [one for one in built if one.inference is not None]
    parts = {one.name: frame_parts(one, context) for one in (teacher, *own)}
    usable = {
        one.name
        for one in ((teacher, *own) if own else ())
        if context.artefacts.usable([one], runtime, [part.size for part in parts[one.name]])
    }
    if teacher.name not in usable:
        usable = set()
    runs: dict[tuple[str, int], str] = {}
    artefacts: dict[str, tuple[Path, tuple[int, int]]] = {}
    for one in (teacher, *own):
        timed = context.timed_as(one)
        for position, part in enumerate(parts[one.name] if one.name in usable else ()):
            run = f"{timed.candidate.id} {part.size[0]}x{part.size[1]}"
            runs[one.name, position] = run
            artefacts.setdefault(run, (context.artefacts.path(timed, runtime, part.size), part.size))
    return InferencePlan(
        candidates={one.name: parts[one.name] for one in own if one.name in usable},
        runs=runs,
        reference=tuple(runs[key] for key in runs if key[0] == teacher.name),
        artefacts=artefacts,
        runtime=runtime,
        settings=settings,
    )


def measure_inferences(plan: InferencePlan, context: MeasureContext) -> dict[str, Latency]:
    """The latency of each candidate by name."""
    cache, seed = context.cache, context.data.seed
    done = len(cache.facts(plan.key))
    if not _enough(plan, _rounds(plan, context), seed):
        runtime = RUNTIMES[plan.runtime]
        sessions = {path: runtime.load(path, plan.settings.threads) for path, _ in plan.artefacts.values()}
        inputs = {size: np.zeros((1, 3, *size), np.float32) + 128.0 for _, size in plan.artefacts.values()}
        runners = {run: partial(sessions[path].run, inputs[size]) for run, (path, size) in plan.artefacts.items()}
        rounds = run_rounds(runners, _TOGETHER, plan.settings, done)
        title = "latency of own inference, rounds (at most)"
        for timed in context.reporter.track(rounds, title, plan.settings.rounds, done):
            cache.add(plan.key, asdict(timed))
            if _enough(plan, _rounds(plan, context), seed):
                break
    return _latencies(plan, _rounds(plan, context), seed)


def _rounds(plan: InferencePlan, context: MeasureContext) -> list[Round]:
    return [Round(**fact) for fact in context.cache.facts(plan.key)]


def _enough(plan: InferencePlan, rounds: Sequence[Round], seed: int) -> bool:
    """Whether there are all rounds, or so many that every ratio is known to 1%."""
    if len(rounds) >= plan.settings.rounds:
        return True
    if len(rounds) < FEWEST_FOR_PRECISION:
        return False
    found = _latencies(plan, rounds, seed).values()
    return all(one.ratio_ci_high - one.ratio_ci_low <= 2 * PRECISE * one.ratio for one in found)


def _latencies(plan: InferencePlan, rounds: Sequence[Round], seed: int) -> dict[str, Latency]:
    # Two scales may need inputs of one size, which are run once. The empty name is one that no candidate can have.
    sums: dict[str, Sum] = {"": {run: float(count) for run, count in Counter(plan.reference).items()}}
    for name, parts in plan.candidates.items():
        whole: dict[str, float] = {}
        for position, part in enumerate(parts):
            run = plan.runs[name, position]
            whole[run] = whole.get(run, 0.0) + part.per_frame
            sums[f"{name} {position}"] = {run: 1.0}
        sums[name] = whole
    timings = summarise_sums(rounds, sums, "", seed)
    return {
        name: Latency(
            runtime=plan.runtime,
            threads=plan.settings.threads,
            rounds=len(rounds),
            disturbed=sum(timed.repeats for timed in rounds),
            kept_disturbed=sum(timed.disturbed for timed in rounds),
            total_ms=timings[name].median_ms,
            ratio=timings[name].ratio,
            ratio_ci_low=timings[name].ratio_ci_low,
            ratio_ci_high=timings[name].ratio_ci_high,
            parts=tuple(
                PartLatency(
                    part=part.kind,
                    scale=part.scale,
                    input_h=part.size[0],
                    input_w=part.size[1],
                    per_frame=part.per_frame,
                    **asdict(timings[f"{name} {position}"]),
                )
                for position, part in enumerate(parts)
            ),
        )
        for name, parts in plan.candidates.items()
    }
