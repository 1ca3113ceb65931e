"""The contract of a metric: frozen settings under `measure:` in a recipe, and how they measure, record and report.

A leaf is one file: its settings (the fields of the class), its facts, its columns, `measure` and, if it wants one, a
section of the report. It is registered in compress/measure/metrics.py, or by an entry point of another package.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from compress.common.document import Block
from compress.common.fact_cache import FactCache
from compress.common.progress import Reporter
from compress.core.built import Built
from compress.measure.facts import Column, Found, MetricFacts, SectionRow
from compress.measure.frames import Data
from compress.measure.runtime_artefacts import RuntimeArtefacts
from eval.frames import FrameSample
from eval.inference import Inference
from teachers.common.frozen import Frozen
from teachers.spec import PoseNetSpec


class Opened(Protocol):
    """Frames of its own that a metric has opened: a video, labelled images."""

    @property
    def digest(self) -> str:
        """Of the content: other content is another measurement."""
        ...


M = TypeVar("M", bound="Metric")
T = TypeVar("T")


@dataclass(frozen=True)
class MeasureContext:
    """On what candidates are measured, and with what: the same for every metric of a run."""

    asked: Mapping[str, "Metric"]
    """The metrics of the recipe by key."""
    opened: Mapping[str, Opened]
    """What they opened, by key."""
    data: Data
    sample: FrameSample
    frame: NDArray[np.uint8]
    """(H, W, 3) BGR, the first frame: costs are taken at its size."""
    scales: tuple[float, ...]
    """At which the teacher, the reference, is run."""
    all_stages: Path
    """The teacher's artefact with the maps of every stage as outputs."""
    artefacts: RuntimeArtefacts
    cache: FactCache
    reporter: Reporter
    threads: int
    """How many the passes over frames may use; times have a setting of their own."""
    timing_lock: Callable[[], AbstractContextManager[object]] = nullcontext
    """Held while something is timed."""
    timed_as: Callable[[Built], Built] = lambda built: built
    """What a candidate's cost depends on: in a search, what is built alike is timed once."""
    teacher_maps: Path | None = None
    """A folder where the teacher's averaged maps are kept for later candidates; None keeps none."""

    def inference_of(self, built: Built) -> Inference:
        """How a candidate is run: as it says itself, else as the reference is."""
        return built.inference or Inference(scales=self.scales)

    def of(self, metric: type[M]) -> M | None:
        """Another metric's settings, None where the recipe does not ask for it."""
        found = self.asked.get(metric.key)
        return found if isinstance(found, metric) else None

    def opened_for(self, metric: "Metric", kind: type[T]) -> T | None:
        """What the metric's `open` gave."""
        found = self.opened.get(metric.key)
        return found if isinstance(found, kind) else None


class Metric(Frozen, ABC):
    """Settings of one metric. Without fields it is switched by true or false, with fields by false or a mapping."""

    key: ClassVar[str]
    """Its name under `measure:` and in records."""
    description: ClassVar[str]
    """For the recipe's schema: one sentence."""
    default: ClassVar[bool] = False
    """Whether it is measured if the recipe leaves it out."""
    always: ClassVar[bool] = False
    """Whether it is measured in any case; a recipe then has no such key."""
    per_frame: ClassVar[bool] = False
    """Whether it compares what networks make of frames, so that one pass of the teacher serves many candidates."""
    facts: ClassVar[type[MetricFacts]]
    columns: ClassVar[tuple[Column[Any], ...]]
    sources: ClassVar[tuple[str, ...]] = ()
    """Fields that name frames or files: they must be there before a run starts."""
    title: ClassVar[str] = ""
    """Heading of its section in the report."""

    def check(self, teacher: PoseNetSpec | None) -> None:
        """Raises SettingError where the settings cannot work on this machine or teacher; None: it is not known."""

    def check_source(self, source: str | None) -> None:
        """Raises SettingError where the frames that `open` would take are of another kind, told without decoding any.

        source: the recipe's `data.source`; None where that is not known. Fields of `sources` can be opened.
        """

    def open(self, data: Data) -> Opened | None:
        """Frames of its own, before anything is computed. UserError if they cannot be used; None if it needs none."""
        return None

    @abstractmethod
    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Any]]:
        """What was found on each candidate, by name; the teacher is the first of them.

        Expensive facts go through `context.cache` one by one, so that a killed run continues.
        """

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """Blocks of the report under `title`; empty if there is nothing to show. Columns are always reported."""
        return ()
