"""Network time of every candidate, in paired rounds with the teacher, in one or more runtimes.

Rounds go through the cache, so a continued run times only what is missing.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from compress.common.fact_cache import FactCache, fact_key
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Facts, Found, MetricFacts
from compress.measure.frames import Data
from compress.measure.runtime_artefacts import ONNX, require_runtimes
from compress.measure.runtime_plan import RuntimePlan, runtime_plan
from compress.steps.base import SettingError
from eval.latency import LatencySettings, LatencySummary, Round, run_rounds, summarise
from eval.runtimes import RUNTIMES
from teachers.spec import PoseNetSpec

LEAST_ROUNDS = 3
_FEWEST_FOR_PRECISION = 5
_PRECISE = 0.01
"""Half the width of a ratio's 95% interval, relative to the ratio, below which more rounds change no conclusion."""

if TYPE_CHECKING:
    RuntimeName = str
else:
    RuntimeName = Literal[tuple(RUNTIMES)]


class ScaleLatency(Facts):
    """Network time of one artefact at one image scale, batch 1."""

    scale: float
    input_h: Count
    input_w: Count
    median_ms: float
    p90_ms: float
    ratio: float
    """Candidate time over teacher time, pair by pair, median; below 1 is faster. 1 for the teacher itself."""
    ratio_ci_low: float
    ratio_ci_high: float


class Latency(Facts):
    """Network time in one runtime at one thread count: per scale and summed over the scales."""

    runtime: str
    threads: Count
    rounds: Count
    disturbed: Count
    """Rounds that other load or page faults had disturbed and that were run again."""
    kept_disturbed: Count
    """Rounds that stayed disturbed when the repeats ran out: above zero, read the times with care."""
    total_ms: float
    """Median over the rounds of the sum over the scales."""
    ratio: float
    ratio_ci_low: float
    ratio_ci_high: float
    scales: tuple[ScaleLatency, ...]


class Latencies(MetricFacts):
    """In each runtime; the first is the one that counts as an objective."""

    key: ClassVar[str] = "latency"
    runtimes: Annotated[tuple[Latency, ...], Field(min_length=1)]

    @property
    def first(self) -> Latency:
        """The one that counts."""
        return self.runtimes[0]


class LatencyMetric(Metric):
    """How network time is measured: batch 1, teacher and candidates in turn within each round."""

    key: ClassVar[str] = "latency"
    description: ClassVar[str] = "Network time; false leaves it out, which saves most of the time of a run."
    default: ClassVar[bool] = True
    facts: ClassVar[type[MetricFacts]] = Latencies
    columns: ClassVar[tuple[Column[Latencies], ...]] = (
        Column("latency_ms", lambda found: found.first.total_ms, "network time over all scales", "ms", "smaller"),
        Column(
            "latency_ratio",
            lambda found: found.first.ratio,
            "network time relative to the teacher",
            better="smaller",
            form="ratio",
        ),
        Column("latency_ratio_ci_low", lambda found: found.first.ratio_ci_low, form="ratio"),
        Column("latency_ratio_ci_high", lambda found: found.first.ratio_ci_high, form="ratio"),
    )

    runtime: Annotated[RuntimeName, Field(description="The runtime whose times count.")] = ONNX
    extra_runtimes: Annotated[
        tuple[RuntimeName, ...],
        Field(max_length=8, description="Further runtimes to measure in; each costs as much time as the first."),
    ] = ()
    threads: Annotated[
        int, Field(ge=1, le=4096, description="More is faster, up to the cores there are; a phone has few.")
    ] = 1
    rounds: Annotated[
        int,
        Field(
            ge=LEAST_ROUNDS,
            le=1000,
            description="At most, and at most a third of data.images; more give narrower intervals.",
        ),
    ] = 12

    @model_validator(mode="after")
    def _each_once(self) -> "LatencyMetric":
        if len(set(self.runtimes)) < len(self.runtimes):
            raise ValueError("extra_runtimes: names a runtime twice, or the one that counts")
        return self

    @property
    def runtimes(self) -> tuple[str, ...]:
        """All of them, the one that counts first."""
        return (self.runtime, *self.extra_runtimes)

    def check(self, teacher: PoseNetSpec | None) -> None:
        """Threads that this machine can give."""
        most = 4 * (os.cpu_count() or 1)
        if self.threads > most:
            raise SettingError(
                "threads", f"must be at most {most}, four times the CPUs of this machine, got {self.threads}"
            )

    def open(self, data: Data) -> None:
        """UserError for a runtime that is not here."""
        require_runtimes(self.runtimes)

    def timing(self, data: Data) -> LatencySettings:
        """The sample's size bounds the rounds, so that a quick look is quick throughout."""
        return LatencySettings(self.threads, min(self.rounds, max(LEAST_ROUNDS, data.images // 3)))

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Latencies]]:
        settings = self.timing(context.data)
        plans = [runtime_plan(built, context, settings, runtime) for runtime in self.runtimes]
        with context.timing_lock():
            times = [_measure_runtime(plan, context) if plan.candidates else {} for plan in plans]
        return {one.name: self._found(one, built[0], times, context) for one in built}

    def _found(
        self, one: Built, teacher: Built, times: Sequence[Mapping[str, Latency]], context: MeasureContext
    ) -> Found[Latencies]:
        name = context.timed_as(one).name
        missing = {}
        for number, runtime in enumerate(self.runtimes):
            reason = context.artefacts.why_not(one, teacher, runtime)
            if reason is not None:
                missing[f"latency in {runtime}" if number else "latency_ms"] = reason
        if name not in times[0]:  # times in the others would stand where those of the first are read
            return Found(None, missing)
        return Found(Latencies(runtimes=tuple(found[name] for found in times if name in found)), missing)


def _measure_runtime(plan: RuntimePlan, context: MeasureContext) -> dict[str, Latency]:
    """The latency of each candidate by name."""
    cache, seed = context.cache, context.data.seed
    keys = {scale: _round_key(plan, scale) for scale in plan.inputs}
    done = sum(len(cache.facts(key)) for key in keys.values())
    if not all(_enough(plan, cache.facts(key), seed) for key in keys.values()):
        rounds_at_most = plan.settings.rounds * len(plan.inputs)
        rounds = _missing_rounds(plan, keys, cache, seed)
        for key, timed in context.reporter.track(rounds, "latency, rounds (at most)", rounds_at_most, done):
            cache.add(key, asdict(timed))
    rounds_of = {scale: [Round(**fact) for fact in cache.facts(key)] for scale, key in keys.items()}
    summary = summarise([timed for rounds in rounds_of.values() for timed in rounds], plan.candidates[0].name, seed)
    count = min(map(len, rounds_of.values()))
    return {name: _latency(plan, found, count) for name, found in summary.items()}


def _round_key(plan: RuntimePlan, scale: float) -> str:
    """Rounds belong together only if the same artefacts ran in turn under the same conditions."""
    names = [(built.name, built.candidate.id) for built in plan.candidates]
    return fact_key("round", 1, names, scale, plan.sizes[scale], plan.conditions)


def _missing_rounds(
    plan: RuntimePlan, keys: Mapping[float, str], cache: FactCache, seed: int
) -> Iterator[tuple[str, Round]]:
    runtime = RUNTIMES[plan.runtime]
    # All of them before any is loaded: making one loads it too, and some runtimes have one pool for all that is loaded.
    paths = {scale: {built.name: plan.path(built, scale) for built in plan.candidates} for scale in plan.inputs}
    for scale, image in plan.inputs.items():
        done = len(cache.facts(keys[scale]))
        if _enough(plan, cache.facts(keys[scale]), seed):
            continue
        # Loaded anew for each scale: a session keeps the memory of the largest input that it has seen.
        sessions = {name: runtime.load(path, plan.settings.threads) for name, path in paths[scale].items()}
        runners = {name: partial(session.run, image) for name, session in sessions.items()}
        for timed in run_rounds(runners, scale, plan.settings, done):
            yield keys[scale], timed
            if _enough(plan, cache.facts(keys[scale]), seed):
                break
        del sessions, runners


def _enough(plan: RuntimePlan, facts: Sequence[dict[str, Any]], seed: int) -> bool:
    """Whether a scale has all its rounds, or so many that every ratio is known to 1%."""
    if len(facts) >= plan.settings.rounds:
        return True
    if len(facts) < _FEWEST_FOR_PRECISION:
        return False
    found = summarise([Round(**fact) for fact in facts], plan.candidates[0].name, seed)
    totals = [one.total for one in found.values()]
    return all(total.ratio_ci_high - total.ratio_ci_low <= 2 * _PRECISE * total.ratio for total in totals)


def _latency(plan: RuntimePlan, summary: LatencySummary, rounds: int) -> Latency:
    total = summary.total
    return Latency(
        runtime=plan.runtime,
        threads=plan.settings.threads,
        rounds=rounds,
        disturbed=summary.disturbed,
        kept_disturbed=summary.kept_disturbed,
        total_ms=total.median_ms,
        ratio=total.ratio,
        ratio_ci_low=total.ratio_ci_low,
        ratio_ci_high=total.ratio_ci_high,
        scales=tuple(
            ScaleLatency(scale=scale, input_h=plan.sizes[scale][0], input_w=plan.sizes[scale][1], **asdict(timing))
            for scale, timing in summary.scales.items()
        ),
    )
