"""What every candidate's artefact needs of memory for its tensors, and of energy: measured where that can be done.

The estimate follows from the ONNX graph alone, whatever runtime is timed. Facts go through the journal.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.common.environment import machine
from compress.common.fact_cache import Journal, fact_key
from compress.core.built import Built
from compress.export.onnx_graph import GraphFacts, graph_facts
from compress.measure.latency_memory import CostPlan, Track
from compress.results.records import Activations, Energy
from eval.energy import SOURCE, estimate
from eval.energy_counters import Counter, find_counter, joules_per_run
from eval.runtimes import RUNTIMES

_TOO_COARSE = "the counter moves in steps too coarse for one image"


@dataclass(frozen=True)
class Power:
    """What the record says."""

    activations: Activations
    energy: Energy


def measure_power(
    plan: CostPlan, built: list[Built], journal: Journal, track: Track
) -> tuple[dict[str, Power], dict[str, str]]:
    """By name; and whose graph cannot be followed, and why.

    plan: what is timed; a candidate that cannot be had in its runtime gets the estimate alone.
    """
    inputs = plan.inputs()
    sizes = [(image.shape[2], image.shape[3]) for image in inputs.values()]
    facts, reasons = {}, {}
    for one in built:
        try:
            facts[one.name] = [_facts(one, size, journal) for size in sizes]
        except ValueError as error:
            reasons[one.name] = str(error)
    counter, reason = find_counter()
    measured = {} if counter is None else _measured(plan, counter, inputs, journal, track)
    largest = max(range(len(sizes)), key=lambda number: sizes[number][0] * sizes[number][1])
    found = {}
    for name, graphs in facts.items():
        estimates = [estimate(graph.macs, graph.moved_bytes) for graph in graphs]
        millijoules = measured.get(name)
        found[name] = Power(
            Activations(
                input_h=sizes[largest][0],
                input_w=sizes[largest][1],
                peak_bytes=graphs[largest].activation_peak_bytes,
            ),
            Energy(
                arithmetic_mj=sum(one.arithmetic_mj for one in estimates),
                memory_mj=sum(one.memory_mj for one in estimates),
                source=SOURCE,
                measured_mj=millijoules,
                counter=None if counter is None else counter.name,
                why_not_measured="" if millijoules is not None else reason or _TOO_COARSE,
            ),
        )
    return found, reasons


def _facts(built: Built, size: tuple[int, int], journal: Journal) -> GraphFacts:
    key = fact_key("graph", 1, built.candidate.id, size)
    if not journal.facts(key):
        journal.add(key, asdict(graph_facts(built.artefact, size)))
    return GraphFacts(**journal.facts(key)[-1])


def _measured(
    plan: CostPlan, counter: Counter, inputs: dict[float, NDArray[np.float32]], journal: Journal, track: Track
) -> dict[str, float]:
    """Millijoules of one image at all scales, of whom they could be measured."""
    keys = {one.name: _key(plan, one, counter) for one in plan.candidates}
    waiting = [one for one in plan.candidates if not journal.facts(keys[one.name])]
    done = len(plan.candidates) - len(waiting)
    for one in track(waiting, "energy", len(plan.candidates), done) if waiting else ():
        journal.add(keys[one.name], [_millijoules(plan, one, image, counter) for image in inputs.values()])
    found = {}
    for name, key in keys.items():
        scales = journal.facts(key)[-1]
        if None not in scales:
            found[name] = float(sum(scales))
    return found


def _millijoules(plan: CostPlan, built: Built, image: NDArray[np.float32], counter: Counter) -> float | None:
    path: Path = plan.artefact(built, (image.shape[2], image.shape[3]))
    session = RUNTIMES[plan.runtime].load(path, plan.settings.threads)
    joules = joules_per_run(partial(session.run, image), counter)
    return None if joules is None else joules * 1e3


def _key(plan: CostPlan, built: Built, counter: Counter) -> str:
    runtime = RUNTIMES[plan.runtime]
    conditions = [runtime.name, runtime.version, plan.settings.threads, counter.name, machine()]
    return fact_key("energy", 1, built.candidate.id, plan.scales, [*plan.image.shape[:2]], conditions)
