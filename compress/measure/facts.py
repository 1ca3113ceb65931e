"""What a metric records and shows: its facts in a record, and the columns that it adds to candidates.csv."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from compress.common.document import Row
from compress.common.values import Value

Count = Annotated[int, Field(ge=0)]


class Facts(BaseModel):
    """A frozen record; NaN and infinity are refused, because a number that was not measured is None with a reason."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MetricFacts(Facts):
    """What one metric found out about one candidate, as its record keeps it."""

    key: ClassVar[str]
    """The metric's name: under it the facts stand in the record's `measurement`."""


F = TypeVar("F", bound=MetricFacts)

Form = Literal["number", "count", "bytes", "percent", "ratio", "degrees"]
"""How a value reads in a report: 85.3, 1.93 M, 7.8 MB, 12.3%, 0.78x, 2.31."""


@dataclass(frozen=True)
class Column(Generic[F]):
    """One column of candidates.csv. With a direction it can be an objective, and it can always be a goal if numeric."""

    name: str
    read: Callable[[F], Value]
    label: str = ""
    """As it reads within a sentence; needed where there is a direction."""
    unit: str = ""
    """Empty for a pure number."""
    better: Literal["smaller", "larger"] | None = None
    """None for what is no objective: a bound of an interval, or words."""
    form: Form = "number"


@dataclass(frozen=True)
class Found(Generic[F]):
    """What one metric found on one candidate."""

    facts: F | None
    """None if it could not be measured."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Column that is empty -> why. Other empty columns of the same metric are empty for the same reason."""


Kind = Literal["plain", "teacher", "front", "failed"]


@dataclass(frozen=True)
class SectionRow(Generic[F]):
    """One candidate as a metric's section of the report sees it."""

    name: str
    kind: Kind
    facts: F | None
    stages: int | None = None
    backbone: str | None = None
    is_teacher: bool = False

    def table_row(self, *cells: str) -> Row:
        """Its row in a table: the name, marked where it does not say that this is the teacher or has failed."""
        marks = ["teacher"] if self.is_teacher and self.name != "teacher" else []
        marks += ["failed"] if self.kind == "failed" else []
        return Row((f"{self.name} ({', '.join(marks)})" if marks else self.name, *cells), self.kind)
