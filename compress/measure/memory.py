"""Peak memory of every candidate: of a fresh process that loads the artefact and runs it on its largest input."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from compress.common.document import Block, Paragraph, Table
from compress.common.fact_cache import fact_key
from compress.common.formatting import NONE, scaled, size
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts, SectionRow
from compress.measure.latency import LatencyMetric
from compress.measure.runtime_plan import Size, cost_conditions, frame_parts
from eval.memory import ProbeError, peak_memory


class Memory(MetricFacts):
    """Resident memory of a fresh process that loads the artefact and runs it on the largest input that it is given."""

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
        refused: dict[str, str | None] = {}
        runs: list[_Run] = []
        for one in built:
            parts = frame_parts(one, context)
            context.artefacts.usable([one], timing.runtime, [part.size for part in parts])
            refused[one.name] = context.artefacts.why_not(one, built[0], timing.runtime)
            if refused[one.name] is None:
                largest = max(parts, key=lambda part: part.pixels)
                runs.append(_Run(one.name, context.timed_as(one), largest.size))
        found = _measure_peaks(runs, timing, context)
        results: dict[str, Found[Memory]] = {}
        for one in built:
            reason_why_not = refused[one.name]
            if reason_why_not is not None:
                results[one.name] = Found(None, {"peak_memory_bytes": reason_why_not})
                continue
            results[one.name] = found[one.name]
            for reason in results[one.name].missing.values():
                context.reporter.warn(f"{one.name}: peak memory was not measured: {reason}")
        return results

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """The peak, and what the process held before the artefact was loaded."""
        head = ("Candidate", "Peak memory", "Before loading", "Input", "Runtime", "Threads")
        text = (
            "Peak memory is the resident memory of a fresh process that runs the artefact on its largest input. Before "
            "loading, that process holds only the interpreter and the runtime. MB is a million bytes."
        )
        table = tuple(row.table_row(*_cells(row.facts)) for row in rows)
        return (Table("Resident memory", head, table, key=1, words=(0, 4)), Paragraph(text))


def _cells(facts: Memory | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * 5
    used = (scaled(facts.peak_bytes, "B"), scaled(facts.before_load_bytes, "B"))
    return (*used, size((facts.input_h, facts.input_w)), facts.runtime, str(facts.threads))


@dataclass(frozen=True)
class _Run:
    """What is measured for one candidate."""

    name: str
    timed: Built
    """As `MeasureContext.timed_as` sees it."""
    size: Size


def _measure_peaks(runs: Sequence[_Run], timing: LatencyMetric, context: MeasureContext) -> dict[str, Found[Memory]]:
    cache, conditions = context.cache, cost_conditions(timing.runtime, timing.timing(context.data))
    keys = {run.name: fact_key("memory", 1, run.timed.candidate.id, run.size, conditions) for run in runs}
    # By key: two candidates of the same content, under two names, are measured once.
    different = {keys[run.name]: run for run in runs}
    waiting = [key for key in different if not cache.facts(key)]
    done, reasons = len(different) - len(waiting), {}
    for key in context.reporter.track(waiting, "peak memory", len(different), done) if waiting else ():
        run = different[key]
        try:
            path = context.artefacts.path(run.timed, timing.runtime, run.size)
            peak = peak_memory(path, run.size, timing.runtime, timing.threads)
        except ProbeError as error:
            reasons[key] = str(error)
        else:
            cache.add(key, asdict(peak))
    about = {"runtime": timing.runtime, "threads": timing.threads}
    return {run.name: _found(about, run.size, cache.facts(keys[run.name]), reasons.get(keys[run.name])) for run in runs}


def _found(about: Mapping[str, Any], size: Size, facts: Sequence[dict[str, int]], reason: str | None) -> Found[Memory]:
    if reason is not None:
        return Found(None, {"peak_memory_bytes": reason})
    return Found(Memory.model_validate({**about, "input_h": size[0], "input_w": size[1]} | facts[-1]))
