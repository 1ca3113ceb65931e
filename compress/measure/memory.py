"""Peak memory of every candidate: of a fresh process that loads the artefact and runs it at the largest scale."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from compress.common.document import Block, Paragraph, Table
from compress.common.fact_cache import fact_key
from compress.common.formatting import NONE, scaled, size
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts, SectionRow
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
    title: ClassVar[str] = "Memory"
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

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """The peak, and what the process held before the artefact was loaded."""
        head = ("Candidate", "Peak memory", "Before loading", "Input", "Runtime", "Threads")
        text = (
            "Peak memory is the resident memory of a fresh process that runs the artefact at the largest scale. Before "
            "loading, that process holds only the interpreter and the runtime. MB is a million bytes."
        )
        table = tuple(row.table_row(*_cells(row.facts)) for row in rows)
        return (Table("Resident memory", head, table, key=1, words=(0, 4)), Paragraph(text))


def _cells(facts: Memory | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * 5
    used = (scaled(facts.peak_bytes, "B"), scaled(facts.before_load_bytes, "B"))
    return (*used, size((facts.input_h, facts.input_w)), facts.runtime, str(facts.threads))


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
