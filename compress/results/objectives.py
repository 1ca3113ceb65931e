"""The columns of candidates.csv that a recipe may name as objectives: those of metrics that have a direction."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from compress.measure.facts import Form
from compress.measure.metrics import METRICS


@dataclass(frozen=True)
class Objective:
    """One column that can be minimised or maximised."""

    name: str
    """The column of candidates.csv."""
    label: str
    """As it reads within a sentence."""
    unit: str
    """Empty for a pure number."""
    smaller_is_better: bool
    part: str | None = None
    """The key under `measure` that gives the column; None where it is always measured."""
    form: Form = "number"
    """How a value reads."""


OBJECTIVES: dict[str, Objective] = {
    column.name: Objective(
        column.name,
        column.label,
        column.unit,
        column.better == "smaller",
        None if metric.always else metric.key,
        column.form,
    )
    for metric in METRICS.values()
    for column in metric.columns
    if column.better is not None
}

if TYPE_CHECKING:
    ObjectiveName = str
else:
    # Built from the metrics, so that a new column is named once.
    ObjectiveName = Literal[tuple(OBJECTIVES)]
