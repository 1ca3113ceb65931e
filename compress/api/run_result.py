"""What a run left behind, for a program or a notebook."""

import base64
import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from compress.results.columns import CANDIDATE_COLUMNS
from compress.results.pareto import front
from compress.results.records import Record
from compress.results.tables import candidate_rows
from teachers.common.errors import UserError

if TYPE_CHECKING:
    import pandas

_SHOWN = ("name", "latency_ms", "latency_ratio", "joint_rel_l2", "paf_rel_l2", "oks", "angle_median_deg", "on_front")


@dataclass(frozen=True)
class RunResult:
    """The records of a run and the folder they lie in. A notebook shows it as the Pareto plot and a table."""

    out: Path
    records: tuple[Record, ...]
    objectives: tuple[str, ...]
    """Columns of candidates.csv that span the Pareto front."""
    ranked: tuple[str, ...] | None = None
    """Names that compete for the front; None for all. A search leaves out what breaks a constraint."""
    left: tuple[str, ...] = ()
    """The candidates that a time limit left to a later call."""

    @property
    def failed(self) -> tuple[Record, ...]:
        """The candidates that could not be made."""
        return tuple(record for record in self.records if record.error is not None)

    @cached_property
    def front(self) -> tuple[Record, ...]:
        """The records that no other record beats on every objective."""
        able = [record for record in self.records if self.ranked is None or record.name in self.ranked]
        members = front(able, self.objectives)
        return tuple(record for record in self.records if record.name in members)

    @property
    def report(self) -> Path:
        """The page for a browser."""
        return self.out / "report.html"

    def __getitem__(self, name: str) -> Record:
        """The record of a candidate; KeyError for a name that the recipe does not have."""
        found = next((record for record in self.records if record.name == name), None)
        if found is None:
            raise KeyError(f"{name}; there are {', '.join(record.name for record in self.records)}")
        return found

    def frame(self) -> "pandas.DataFrame":
        """candidates.csv as a pandas frame: a row for each record, None where nothing was measured.

        Raises UserError where pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415 - only needed where a frame is asked for
        except ImportError as error:
            raise UserError("a frame needs pandas: pip install pandas") from error
        return pandas.DataFrame(
            candidate_rows(self.records, self.objectives, self.ranked), columns=list(CANDIDATE_COLUMNS)
        )

    def _repr_html_(self) -> str:
        """For notebooks: the report's Pareto plot, and the columns that decide."""
        rows = candidate_rows(self.records, self.objectives, self.ranked)
        head = "".join(f"<th>{html.escape(column)}</th>" for column in _SHOWN)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(_cell(row.get(column)))}</td>" for column in _SHOWN) + "</tr>"
            for row in rows
        )
        return f"{self._plot()}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _plot(self) -> str:
        pictures = [path for path in [self.out / "figures" / "pareto.png"] if path.is_file()]
        if not pictures:
            return ""
        data = base64.b64encode(pictures[0].read_bytes()).decode()
        return f'<img alt="Pareto plot" style="max-width: 48em" src="data:image/png;base64,{data}">'


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
