"""How many of a candidate's weights are zero: what pruning of weights leaves, and what a packed file leaves out."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from compress.common.document import Block, Table
from compress.common.formatting import percent
from compress.core.built import Built
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts, SectionRow


class ZeroWeights(MetricFacts):
    """What the record keeps."""

    key: ClassVar[str] = "zero_weights"
    zeros: Count
    weights: Count

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.zeros / self.weights


class ZeroWeightsMetric(Metric):
    """Which weights count as zero."""

    key: ClassVar[str] = "zero_weights"
    description: ClassVar[str] = "Share of the weights that are zero; false leaves it out."
    facts: ClassVar[type[MetricFacts]] = ZeroWeights
    columns: ClassVar[tuple[Column[ZeroWeights], ...]] = (
        Column(
            "zero_weights_share",
            lambda found: found.share,
            "share of the weights that are zero",
            better="larger",
            form="percent",
        ),
    )
    title: ClassVar[str] = "Zero weights"

    tolerance: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="Weights up to this size count as zero; more count more.")
    ] = 0.0

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[ZeroWeights]]:
        found = {}
        for one in built:
            weights = [tensor for name, tensor in one.candidate.network.named_parameters() if name.endswith("weight")]
            zeros = sum(int((tensor.abs() <= self.tolerance).sum()) for tensor in weights)
            found[one.name] = Found(ZeroWeights(zeros=zeros, weights=sum(tensor.numel() for tensor in weights)))
        return found

    @classmethod
    def section(cls, rows: Sequence[SectionRow[ZeroWeights]]) -> Sequence[Block]:
        head = ("Candidate", "Weights", "Zero", "Share")
        cells = [
            row.table_row(str(facts.weights), str(facts.zeros), percent(facts.share))
            for row in rows
            if (facts := row.facts) is not None
        ]
        return [Table("Weights of convolutions that are zero", head, tuple(cells), key=3)] if cells else []
