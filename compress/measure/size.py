"""How large a candidate is: parameters, multiply-accumulates and bytes on disk. Always measured: it costs nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from compress.common.document import Block, Paragraph, Table
from compress.common.formatting import NONE, scaled, size
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts, SectionRow
from eval.maps import input_size
from eval.size import count_macs, count_parameters, size_on_disk


class Size(MetricFacts):
    """Of the network, and of its exported artefact."""

    key: ClassVar[str] = "size"
    params: Count
    macs: Count
    """Multiply-accumulates of convolutions and linear layers, at scale 1."""
    macs_input_hw: tuple[int, int]
    bytes: Count


class SizeMetric(Metric):
    """Parameters, multiply-accumulates and bytes on disk."""

    key: ClassVar[str] = "size"
    description: ClassVar[str] = "Parameters, multiply-accumulates and bytes on disk."
    always: ClassVar[bool] = True
    title: ClassVar[str] = "Size"
    facts: ClassVar[type[MetricFacts]] = Size
    columns: ClassVar[tuple[Column[Size], ...]] = (
        Column("params", lambda size: size.params, "parameters", better="smaller", form="count"),
        Column("macs", lambda size: size.macs, "multiply-accumulates", better="smaller", form="count"),
        Column("size_bytes", lambda size: size.bytes, "size on disk", "bytes", "smaller", "bytes"),
    )

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Size]]:
        # At one size for all of them, or counts would not compare.
        at = input_size(context.frame.shape[:2], 1.0, built[0].candidate.spec.multiple).padded_hw
        return {
            one.name: Found(
                Size(
                    params=count_parameters(one.candidate.network),
                    macs=count_macs(one.candidate.spec, at),
                    macs_input_hw=at,
                    bytes=size_on_disk(one.artefact),
                )
            )
            for one in built
        }

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """Parameters, MACs at the stated input size, bytes on disk."""
        head = ("Candidate", "Stages", "Backbone", "Parameters", "MACs", "File")
        text = (
            "MACs are multiply-accumulates of convolutions and linear layers. M is a million, MB a million bytes. "
            "File: the exported artefact."
        )
        table = tuple(row.table_row(*_cells(row)) for row in rows)
        return (Table("The network and its artefact", head, table, words=(0, 2)), Paragraph(text))


def _cells(row: SectionRow[Size]) -> tuple[str, ...]:
    first = (NONE if row.stages is None else str(row.stages), row.backbone or NONE)
    facts = row.facts
    if facts is None:
        return (*first, *(NONE,) * 3)
    macs = f"{scaled(facts.macs)} at {size(facts.macs_input_hw)}"
    return (*first, scaled(facts.params), macs, scaled(facts.bytes, "B"))
