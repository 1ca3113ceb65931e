"""Network time of every candidate for one frame, the way it runs, in paired rounds with the teacher.

Rounds go through the cache, so a continued run times only what is missing.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.clip_use import clip_use
from compress.measure.facts import Column, Found, MetricFacts
from compress.measure.frames import Data
from compress.measure.inference_rounds import inference_plan, measure_inferences
from compress.measure.latency_facts import Latencies, Latency
from compress.measure.latency_rounds import measure_runtime
from compress.measure.runtime_artefacts import ONNX, require_runtimes
from compress.measure.runtime_plan import runtime_plan
from compress.steps.base import SettingError
from eval.latency import LatencySettings
from eval.runtimes import RUNTIMES
from teachers.spec import PoseNetSpec

LEAST_ROUNDS = 3

if TYPE_CHECKING:
    RuntimeName = str
else:
    RuntimeName = Literal[tuple(RUNTIMES)]


class LatencyMetric(Metric):
    """How network time is measured: batch 1, teacher and candidates in turn within each round."""

    key: ClassVar[str] = "latency"
    description: ClassVar[str] = "Network time; false leaves it out, which saves most of the time of a run."
    default: ClassVar[bool] = True
    facts: ClassVar[type[MetricFacts]] = Latencies
    columns: ClassVar[tuple[Column[Latencies], ...]] = (
        Column("latency_ms", lambda found: found.first.total_ms, "network time of a frame", "ms", "smaller"),
        Column(
            "latency_ratio",
            lambda found: found.first.ratio,
            "network time relative to the teacher",
            better="smaller",
            form="ratio",
        ),
        Column("latency_ratio_ci_low", lambda found: found.first.ratio_ci_low, form="ratio"),
        Column("latency_ratio_ci_high", lambda found: found.first.ratio_ci_high, form="ratio"),
        Column("decoding_ms", lambda found: found.decoding_ms, "decoding time per frame", "ms", "smaller"),
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
        alike = [one for one in built if one.inference is None]
        with context.timing_lock():
            times = []
            for runtime in self.runtimes:
                plan = runtime_plan(alike, context, settings, runtime)
                found = measure_runtime(plan, context) if plan.candidates else {}
                own = inference_plan(built, context, settings, runtime)
                times.append(found | (measure_inferences(own, context) if own.candidates else {}))
        return {one.name: self._found(one, built[0], times, context) for one in built}

    def _found(
        self, one: Built, teacher: Built, times: Sequence[Mapping[str, Latency]], context: MeasureContext
    ) -> Found[Latencies]:
        # What is timed once for several candidates is told for each with its own count of windows and passes.
        name = one.name if one.inference is not None else context.timed_as(one).name
        missing = {}
        for number, runtime in enumerate(self.runtimes):
            reason = context.artefacts.why_not(one, teacher, runtime)
            if reason is not None:
                missing[f"latency in {runtime}" if number else "latency_ms"] = reason
        if name not in times[0]:  # times in the others would stand where those of the first are read
            return Found(None, missing)
        use = clip_use(one, context)
        if use is None:
            missing["decoding_ms"] = "no clip is measured, and decoding depends on the people in it"
        return Found(
            Latencies(
                runtimes=tuple(found[name] for found in times if name in found),
                decoding_ms=None if use is None else use.decoding_ms,
                passes_counted=None if context.inference_of(one).roi is None else use is not None,
            ),
            missing,
        )
