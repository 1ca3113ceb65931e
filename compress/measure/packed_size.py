"""What `compress pack` would make of every candidate, stage by stage."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from compress.common.document import Block, Paragraph, Table
from compress.common.fact_cache import fact_key
from compress.common.formatting import NONE
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Facts, Found, MetricFacts, SectionRow
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
    title: ClassVar[str] = "Packed size"
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

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """Bytes after each stage of deep compression, as table 1 of Han et al. has them."""
        stages = [stage.stage for stage in next(row.facts.stages for row in rows if row.facts is not None)]
        whole = next((row.facts.stages[0].bytes for row in rows if row.is_teacher and row.facts is not None), None)
        head = ("Candidate", *(f"{stage[:1].upper()}{stage[1:]} [kB]" for stage in stages), "Times smaller")
        caption = "Bytes after each stage; the last column is the teacher's fp32 weights over the file"
        table = tuple(row.table_row(*_cells(row.facts, stages, whole)) for row in rows)
        return (Table(caption, head, table, key=len(stages)), Paragraph(_ABOUT))


_ABOUT = (
    "Bytes of the file that `compress pack` writes, after each stage (Han, Mao and Dally 2015, table 1). Packing "
    "shrinks the download only: an unpacked network takes the same memory and time as before. kB is a thousand bytes."
)


def _cells(facts: Packed | None, stages: Sequence[str], whole: int | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * (len(stages) + 1)
    sizes = {stage.stage: stage.bytes for stage in facts.stages}
    known = (sizes.get(stage) for stage in stages)
    smaller = NONE if whole is None else f"{whole / facts.bytes:.1f}x"
    return (*(NONE if count is None else f"{count / 1000:.1f}" for count in known), smaller)


def _packed(stages: Sequence[tuple[str, int]]) -> Packed:
    return Packed(stages=tuple(PackedStage(stage=stage, bytes=size) for stage, size in stages))
