"""What is recorded of network time: per network input, and for one frame the way a candidate runs."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from compress.measure.facts import Count, Facts, MetricFacts

PartKind = Literal["scale", "window", "full_frame"]


class PartLatency(Facts):
    """Network time of one artefact on one of the inputs that a frame needs, batch 1."""

    part: PartKind = "scale"
    """The whole frame at one scale; a window around a person; the full-frame pass that finds people for windows."""
    scale: float | None
    """None for a window."""
    input_h: Count
    input_w: Count
    per_frame: float = 1.0
    """How many of these inputs a frame needs on average."""
    median_ms: float
    """Of one input."""
    p90_ms: float
    ratio: float
    """To the teacher, pair by pair, median; below 1 is faster. Of scales that the teacher runs at, too, to its time at
    that scale; of other parts to its time for a whole frame."""
    ratio_ci_low: float
    ratio_ci_high: float

    @property
    def label(self) -> str:
        """`scale 0.5`, `window 256x192` or `full frame at scale 0.5`."""
        if self.part == "window":
            return f"window {self.input_h}x{self.input_w}"
        return f"{'full frame at ' if self.part == 'full_frame' else ''}scale {self.scale:g}"


class Latency(Facts):
    """Network time of one frame in one runtime at one thread count, and of the parts that it is the sum of."""

    runtime: str
    threads: Count
    rounds: Count
    disturbed: Count
    """Rounds that other load or page faults had disturbed and that were run again."""
    kept_disturbed: Count
    """Rounds that stayed disturbed when the repeats ran out: above zero, read the times with care."""
    total_ms: float
    """Median over the rounds of the sum over the parts, each as often as a frame needs it."""
    ratio: float
    ratio_ci_low: float
    ratio_ci_high: float
    parts: tuple[PartLatency, ...]


class Latencies(MetricFacts):
    """In each runtime; the first is the one that counts as an objective."""

    key: ClassVar[str] = "latency"
    runtimes: Annotated[tuple[Latency, ...], Field(min_length=1)]
    decoding_ms: float | None = None
    """From maps to people, median over the frames of the clip; None without a clip."""
    passes_counted: bool | None = None
    """Whether windows and full-frame passes were counted on a clip; without one they are those of an undisturbed
    second of 30 frames. None where a candidate has no window."""

    @property
    def first(self) -> Latency:
        """The one that counts."""
        return self.runtimes[0]
