"""What `compress pack` would make of every candidate, stage by stage."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from compress.common.fact_cache import fact_key
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Facts, Found, MetricFacts
from compress.packing.pack_file import VERSION, pack
from compress.packing.pack_sizes import size_stages


class PackedStage(Facts):
    """The weights' bytes after one stage of deep compression."""

    stage: str
    bytes: Count


class Packed(MetricFacts):
    """What `compress pack` makes of the candidate, stage by stage; the last is the whole file."""

    key: ClassVar[str] = "packed"
    stages: Annotated[tuple[PackedStage, ...], Field(min_length=1)]

    @property
    def bytes(self) -> int:
        """Of the file."""
        return self.stages[-1].bytes


class PackedMetric(Metric):
    """The size of the file that is downloaded."""

    key: ClassVar[str] = "packed"
    description: ClassVar[str] = "What `compress pack` makes of each candidate, stage by stage."
    facts: ClassVar[type[MetricFacts]] = Packed
    columns: ClassVar[tuple[Column[Packed], ...]] = (
        Column("packed_bytes", lambda packed: packed.bytes, "size of the packed file", "bytes", "smaller", "bytes"),
    )

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Packed]]:
        cache = context.cache
        keys = {one.name: fact_key("packed", VERSION, 1, one.candidate.id) for one in built}
        waiting = [one for one in built if not cache.facts(keys[one.name])]
        done = len(built) - len(waiting)
        for one in context.reporter.track(waiting, "packed sizes", len(built), done) if waiting else ():
            candidate = one.candidate
            stages = size_stages(pack(candidate.network, candidate.licence, quantization=candidate.quantization))
            cache.add(keys[one.name], [[stage.stage, stage.bytes] for stage in stages])
        return {name: Found(_packed(cache.facts(key)[-1])) for name, key in keys.items()}


def _packed(stages: Sequence[tuple[str, int]]) -> Packed:
    return Packed(stages=tuple(PackedStage(stage=stage, bytes=size) for stage, size in stages))
