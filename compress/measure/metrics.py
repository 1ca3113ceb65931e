"""The metrics there are, in the order in which they are measured, and the `measure` section of a recipe made of them.

A new one is one file and one line here; one of another package is named by its entry point `compress.metrics`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, Tag, create_model

from compress.measure.base import Metric
from compress.measure.coco_ap import ApMetric
from compress.measure.energy import EnergyMetric
from compress.measure.fidelity import FidelityMetric
from compress.measure.kinematics import KinematicsMetric
from compress.measure.latency import LatencyMetric
from compress.measure.memory import MemoryMetric
from compress.measure.packed_size import PackedMetric
from compress.measure.size import SizeMetric
from teachers.common.frozen import Frozen
from teachers.common.plugins import PluginError, extended

METRICS: Mapping[str, type[Metric]] = extended(
    "compress.metrics",
    {
        metric.key: metric
        for metric in (
            SizeMetric,
            FidelityMetric,
            KinematicsMetric,
            ApMetric,
            MemoryMetric,
            LatencyMetric,
            EnergyMetric,
            PackedMetric,
        )
    },
    name=lambda metric: metric.key,
    fits=lambda found: isinstance(found, type) and issubclass(found, Metric),
    expected="a class derived from compress.measure.base.Metric",
)

M = TypeVar("M", bound=Metric)


def _refuse_columns_twice() -> None:
    """PluginError where a column of another package's metric has the name of a column that there is."""
    found: dict[str, str] = {}
    for key, metric in METRICS.items():
        for column in metric.columns:
            if column.name in found:
                raise PluginError(
                    f"the metric {key!r} ({metric.__module__}) has a column {column.name!r}, and so has "
                    f"{found[column.name]!r}; give it another name"
                )
            found[column.name] = key


_refuse_columns_twice()


class MeasureSettings(Frozen):
    """What is measured. Parameters, MACs and size always are."""

    @property
    def asked(self) -> dict[str, Metric]:
        """The metrics that are measured, by key, in the order of the list."""
        found: dict[str, Metric] = {}
        for key, metric in METRICS.items():
            value = True if metric.always else getattr(self, key)
            if value is not False:
                found[key] = metric() if value is True else value
        return found

    def of(self, metric: type[M]) -> M | None:
        """A metric's settings; None where it is not measured."""
        found = self.asked.get(metric.key)
        return found if isinstance(found, metric) else None


def _on_or_off(value: object) -> str:
    return "off" if value is False else "on"


def _field(metric: type[Metric]) -> tuple[Any, Any]:
    """A switch where there is nothing to set; else settings, or false."""
    description = Field(description=metric.description)
    if not metric.model_fields:
        return Annotated[bool, description], metric.default
    settings: Any = metric
    choice = Annotated[settings, Tag("on")] | Annotated[Literal[False], Tag("off")]
    return Annotated[choice, Discriminator(_on_or_off), description], metric() if metric.default else False


if TYPE_CHECKING:
    Measure = MeasureSettings
else:
    Measure = create_model(
        "Measure",
        __base__=MeasureSettings,
        __doc__=MeasureSettings.__doc__,
        **{key: _field(metric) for key, metric in METRICS.items() if not metric.always},
    )
