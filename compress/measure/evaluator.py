"""Artefacts -> measurements: everything that a recipe asks of some candidates, the teacher first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compress.core.built import Built
from compress.measure.base import MeasureContext
from compress.measure.facts import MetricFacts
from compress.measure.metrics import METRICS

_NOT_ASKED = "the recipe does not ask for it"


@dataclass(frozen=True)
class Evaluation:
    """What all metrics found on one candidate."""

    facts: tuple[MetricFacts, ...]
    missing: Mapping[str, str]
    """Column that is empty -> why."""


@dataclass(frozen=True)
class Evaluator:
    """Runs the metrics that a recipe asks for."""

    context: MeasureContext

    def measure(self, built: Sequence[Built]) -> dict[str, Evaluation]:
        """What was found, by candidate's name."""
        facts: dict[str, list[MetricFacts]] = {one.name: [] for one in built}
        missing: dict[str, dict[str, str]] = {one.name: {} for one in built}
        for key, kind in METRICS.items():
            metric = self.context.asked.get(key)
            if metric is None:
                for reasons in missing.values():
                    reasons[kind.columns[0].name] = _NOT_ASKED
                continue
            for name, found in metric.measure(built, self.context).items():
                facts[name] += [] if found.facts is None else [found.facts]
                missing[name] |= found.missing
        return {one.name: Evaluation(tuple(facts[one.name]), missing[one.name]) for one in built}

    def compare_frames(self, built: Sequence[Built]) -> None:
        """Only what is compared frame by frame: one pass for all of them, whose facts are in the cache from then on."""
        for metric in self.context.asked.values():
            if metric.per_frame:
                metric.measure(built, self.context)
