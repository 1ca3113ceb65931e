"""Peak memory of every candidate: of a fresh process that loads the artefact and runs it at the largest scale."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import ClassVar

from compress.common.fact_cache import fact_key
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts
from compress.measure.latency import LatencyMetric
from compress.measure.runtime_plan import RuntimePlan, runtime_plan
from eval.memory import ProbeError, peak_memory


class Memory(MetricFacts):
    """Resident memory of a fresh process that loads the artefact and runs it at the largest scale."""

    key: ClassVar[str] = "memory"
    runtime: str
    threads: Count
    input_h: Count
    input_w: Count
    peak_bytes: Count
    before_load_bytes: Count
    """The same process with interpreter and runtime imported, before the artefact is loaded."""


class MemoryMetric(Metric):
    """Peak resident memory, in the runtime and with the threads of the latency."""

    key: ClassVar[str] = "memory"
    description: ClassVar[str] = "Peak resident memory of a fresh process that runs the artefact."
    default: ClassVar[bool] = True
    facts: ClassVar[type[MetricFacts]] = Memory
    columns: ClassVar[tuple[Column[Memory], ...]] = (
        Column(
            "peak_memory_bytes", lambda memory: memory.peak_bytes, "peak resident memory", "bytes", "smaller", "bytes"
        ),
    )

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Memory]]:
        timing = context.of(LatencyMetric) or LatencyMetric()
        plan = runtime_plan(built, context, timing.timing(context.data), timing.runtime)
        found = _measure_peaks(plan, context)
        results: dict[str, Found[Memory]] = {}
        for one in built:
            refused = context.artefacts.why_not(one, built[0], timing.runtime)
            if refused is not None:
                results[one.name] = Found(None, {"peak_memory_bytes": refused})
                continue
            results[one.name] = found[context.timed_as(one).name]
            for reason in results[one.name].missing.values():
                context.reporter.warn(f"{one.name}: peak memory was not measured: {reason}")
        return results


def _measure_peaks(plan: RuntimePlan, context: MeasureContext) -> dict[str, Found[Memory]]:
    cache, size = context.cache, plan.sizes[plan.largest]
    keys = {built.name: fact_key("memory", 1, built.candidate.id, size, plan.conditions) for built in plan.candidates}
    # By key: two candidates of the same content, under two names, are measured once.
    different = {keys[built.name]: built for built in plan.candidates}
    waiting = [key for key in different if not cache.facts(key)]
    done, reasons = len(different) - len(waiting), {}
    for key in context.reporter.track(waiting, "peak memory", len(different), done) if waiting else ():
        try:
            peak = peak_memory(plan.path(different[key], plan.largest), size, plan.runtime, plan.settings.threads)
        except ProbeError as error:
            reasons[key] = str(error)
        else:
            cache.add(key, asdict(peak))
    return {name: _found(plan, cache.facts(key), reasons.get(key, "")) for name, key in keys.items()}


def _found(plan: RuntimePlan, facts: Sequence[dict[str, int]], reason: str) -> Found[Memory]:
    if reason:
        return Found(None, {"peak_memory_bytes": reason})
    height, width = plan.sizes[plan.largest]
    about = {"runtime": plan.runtime, "threads": plan.settings.threads, "input_h": height, "input_w": width}
    return Found(Memory.model_validate(about | facts[-1]))
