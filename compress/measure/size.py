"""How large a candidate is: parameters, multiply-accumulates and bytes on disk. Always measured: it costs nothing."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts
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
