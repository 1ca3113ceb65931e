"""What a run prints at its end: one line for each candidate, in columns."""

from collections.abc import Sequence

from compress.common.formatting import columns
from compress.results.columns import number
from compress.results.pareto import front
from compress.results.records import Record


def summary_table(records: Sequence[Record], objectives: Sequence[str], ranked: Sequence[Record] | None = None) -> str:
    """The most important numbers; the report has the rest. `ranked`: the candidates that compete, all if left out."""
    best = front(records if ranked is None else ranked, objectives)
    rows: list[Sequence[str]] = [
        ("name", "stages", "joints rel. L2", "PAFs rel. L2", "time ms", "of teacher's", "front")
    ]
    for record in records:
        rows.append(
            (
                record.name,
                "" if record.stages is None else str(record.stages),
                _cell(record, "joint_rel_l2", ".4f"),
                _cell(record, "paf_rel_l2", ".4f"),
                _cell(record, "latency_ms", ".1f"),
                _cell(record, "latency_ratio", ".3f"),
                "yes" if record.name in best else "failed" if record.error else "",
            )
        )
    return columns(rows)


def _cell(record: Record, column: str, form: str) -> str:
    value = number(record, column)
    return "" if value is None else format(value, form)
