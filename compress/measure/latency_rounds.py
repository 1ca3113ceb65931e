"""Rounds of candidates that are run as the reference is: scale by scale, each beside the teacher at that scale."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from compress.common.fact_cache import FactCache, fact_key
from compress.measure.base import MeasureContext
from compress.measure.latency_facts import Latency, PartLatency
from compress.measure.runtime_plan import RuntimePlan
from eval.latency import LatencySummary, Round, run_rounds, summarise
from eval.runtimes import RUNTIMES

FEWEST_FOR_PRECISION = 5
PRECISE = 0.01
"""Half the width of a ratio's 95% interval, relative to the ratio; further rounds would not change what is read off."""


def measure_runtime(plan: RuntimePlan, context: MeasureContext) -> dict[str, Latency]:
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
    if len(facts) < FEWEST_FOR_PRECISION:
        return False
    found = summarise([Round(**fact) for fact in facts], plan.candidates[0].name, seed)
    totals = [one.total for one in found.values()]
    return all(total.ratio_ci_high - total.ratio_ci_low <= 2 * PRECISE * total.ratio for total in totals)


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
        parts=tuple(
            PartLatency(scale=scale, input_h=plan.sizes[scale][0], input_w=plan.sizes[scale][1], **asdict(timing))
            for scale, timing in summary.scales.items()
        ),
    )
