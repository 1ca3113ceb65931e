"""What every candidate's artefact needs of memory for its tensors, and of energy: measured where that can be done.

The estimate follows from the ONNX graph alone, whatever runtime is timed. Facts go through the cache.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from compress.common.document import Block, Paragraph, Table
from compress.common.environment import machine
from compress.common.fact_cache import FactCache, fact_key
from compress.common.formatting import NONE, listed, scaled, significant, size
from compress.core.built import Built
from compress.export.onnx_graph import GraphFacts, graph_facts
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Facts, Found, MetricFacts, SectionRow
from compress.measure.inference_parts import Part
from compress.measure.latency import LatencyMetric
from compress.measure.runtime_plan import Size, frame_parts
from eval.energy import SOURCE, estimate
from eval.energy_counters import Counter, find_counter, joules_per_run
from eval.maps import PAD_VALUE
from eval.runtimes import RUNTIMES

_TOO_COARSE = "the counter moves in steps too coarse for one image"


class Activations(Facts):
    """The largest sum of tensors that the artefact's graph needs at the same time, on its largest input."""

    input_h: Count
    input_w: Count
    peak_bytes: Count


class Energy(MetricFacts):
    """Of one frame, the way it runs; millijoules. An estimate, and what a counter said where there is one."""

    key: ClassVar[str] = "energy"
    activations: Activations
    arithmetic_mj: float
    """Estimated."""
    memory_mj: float
    """Estimated: of bytes moved to and from memory."""
    source: str
    """Of the estimate's numbers."""
    measured_mj: float | None
    """All that the machine used meanwhile."""
    counter: str | None
    """Which one; None where none could be read."""
    why_not_measured: str

    @property
    def estimate_mj(self) -> float:
        """Arithmetic and memory."""
        return self.arithmetic_mj + self.memory_mj


class EnergyMetric(Metric):
    """Energy and activations, in the runtime and with the threads of the latency."""

    key: ClassVar[str] = "energy"
    description: ClassVar[str] = (
        "Energy of one image by the machine's own counter where it has one, an estimate of it, and the peak of the "
        "activations."
    )
    default: ClassVar[bool] = True
    title: ClassVar[str] = "Energy"
    facts: ClassVar[type[MetricFacts]] = Energy
    columns: ClassVar[tuple[Column[Energy], ...]] = (
        Column(
            "activation_peak_bytes",
            lambda energy: energy.activations.peak_bytes,
            "peak of the activations",
            "bytes",
            "smaller",
            "bytes",
        ),
        Column("energy_mj", lambda energy: energy.measured_mj, "measured energy", "mJ", "smaller"),
        Column("energy_estimate_mj", lambda energy: energy.estimate_mj, "estimated energy", "mJ", "smaller"),
    )

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Energy]]:
        timing = context.of(LatencyMetric) or LatencyMetric()
        parts = {one.name: frame_parts(one, context) for one in built}
        graphs: dict[str, list[GraphFacts]] = {}
        found: dict[str, Found[Energy]] = {}
        for one in built:
            try:
                graphs[one.name] = [_graph(one, part.size, context.cache) for part in parts[one.name]]
            except ValueError as error:
                found[one.name] = Found(None, {"energy_estimate_mj": str(error)})
        counter, reason = find_counter()
        measured = {} if counter is None else _measured(parts, timing, built, counter, context)
        for name, facts in graphs.items():
            energy = _energy(parts[name], facts, measured.get(name), counter, reason)
            missing = {} if energy.measured_mj is not None else {"energy_mj": energy.why_not_measured}
            found[name] = Found(energy, missing)
        return found

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """Energy of one image, measured and estimated, and the peak of the activations."""
        head = (
            "Candidate", "Measured [mJ]", "Estimate [mJ]", "of it arithmetic", "of it memory",
            "Peak of the activations",
        )  # fmt: skip
        text = _about([row.facts for row in rows if row.facts is not None])
        table = tuple(row.table_row(*_cells(row.facts)) for row in rows)
        return (Table("Energy of one image, and the memory of its tensors", head, table, key=2), Paragraph(text))


def _cells(facts: Energy | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * 5
    values = (facts.measured_mj, facts.estimate_mj, facts.arithmetic_mj, facts.memory_mj)
    peak = facts.activations
    told = f"{scaled(peak.peak_bytes, 'B')} at {size((peak.input_h, peak.input_w))}"
    return (*(NONE if value is None else significant(value) for value in values), told)


def _about(found: Sequence[Energy]) -> str:
    counters = sorted({facts.counter for facts in found if facts.counter is not None and facts.measured_mj is not None})
    reasons = sorted({facts.why_not_measured for facts in found if facts.measured_mj is None})
    texts = ["Millijoules for one frame, the way each candidate runs."]
    if counters:
        texts.append(f"Measured by {listed(counters)}, which counts everything that the machine did meanwhile.")
    if reasons:
        texts.append(f"Not measured: {listed(reasons)}.")
    texts += [
        "The estimate is multiply-accumulates and bytes moved to and from memory, times the energies of "
        f"{listed(sorted({facts.source for facts in found}))}.",
        "It assumes that no tensor stays in a cache; use it to compare candidates only.",
        "Activations: the largest sum of tensors that the graph needs at the same time.",
    ]
    return " ".join(texts)


def _energy(
    parts: Sequence[Part], graphs: Sequence[GraphFacts], measured: float | None, counter: Counter | None, reason: str
) -> Energy:
    estimates = [
        (part.per_frame, estimate(graph.macs, graph.moved_bytes)) for part, graph in zip(parts, graphs, strict=True)
    ]
    largest, at = max(zip(parts, graphs, strict=True), key=lambda pair: pair[0].pixels)
    return Energy(
        activations=Activations(input_h=largest.size[0], input_w=largest.size[1], peak_bytes=at.activation_peak_bytes),
        arithmetic_mj=sum(share * one.arithmetic_mj for share, one in estimates),
        memory_mj=sum(share * one.memory_mj for share, one in estimates),
        source=SOURCE,
        measured_mj=measured,
        counter=None if counter is None else counter.name,
        why_not_measured="" if measured is not None else reason or _TOO_COARSE,
    )


def _graph(built: Built, size: Size, cache: FactCache) -> GraphFacts:
    key = fact_key("graph", 1, built.candidate.id, size)
    if not cache.facts(key):
        cache.add(key, asdict(graph_facts(built.artefact, size)))
    return GraphFacts(**cache.facts(key)[-1])


def _measured(
    parts: Mapping[str, Sequence[Part]],
    timing: LatencyMetric,
    built: Sequence[Built],
    counter: Counter,
    context: MeasureContext,
) -> dict[str, float]:
    """Millijoules of one frame, of those candidates of which they could be measured.

    By content and not by structure: how many zeros the weights have may change what arithmetic costs.
    """
    cache, runtime = context.cache, RUNTIMES[timing.runtime]
    conditions = [runtime.name, runtime.version, timing.threads, counter.name, machine()]
    keys = {
        (one.candidate.id, part.size): (fact_key("energy", 2, one.candidate.id, part.size, conditions), one)
        for one in built
        for part in parts[one.name]
        if context.artefacts.usable([one], timing.runtime, [part.size])
    }
    waiting = [(hw, key, one) for (_, hw), (key, one) in keys.items() if not cache.facts(key)]
    done = len(keys) - len(waiting)
    for hw, key, one in context.reporter.track(waiting, "energy", len(keys), done) if waiting else ():
        cache.add(key, _millijoules(context.artefacts.path(one, timing.runtime, hw), hw, timing, counter))
    found: dict[str, float] = {}
    for one in built:
        total: float | None = 0.0
        for part in parts[one.name]:
            at = keys.get((one.candidate.id, part.size))
            each = None if at is None else cache.facts(at[0])[-1]
            total = None if total is None or each is None else total + part.per_frame * each
        if total is not None:
            found[one.name] = total
    return found


def _millijoules(artefact: Path, size: Size, timing: LatencyMetric, counter: Counter) -> float | None:
    session = RUNTIMES[timing.runtime].load(artefact, timing.threads)
    joules = joules_per_run(partial(session.run, np.full((1, 3, *size), PAD_VALUE, np.float32)), counter)
    return None if joules is None else joules * 1e3
