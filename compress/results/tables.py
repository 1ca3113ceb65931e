"""candidates.csv and latency.csv, from records. Facts for a spreadsheet: empty where nothing was measured."""

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from compress.common.values import Value
from compress.measure.latency_facts import Latencies, Latency
from compress.results.columns import CANDIDATE_COLUMNS, READERS, reasons
from compress.results.pareto import front
from compress.results.records import Record
from teachers.common.files import write_text

LATENCY_COLUMNS = (
    "name", "part", "scale", "input_h", "input_w", "per_frame", "runtime", "threads", "median_ms", "p90_ms",
    "ratio", "ratio_ci_low", "ratio_ci_high",
)  # fmt: skip


def write_tables(
    out: Path, records: Sequence[Record], objectives: Sequence[str], ranked: Collection[str] | None = None
) -> list[Path]:
    """Writes candidates.csv and latency.csv into `out`, each whole or not at all. `ranked`: see `candidate_rows`."""
    tables = {
        "candidates.csv": _csv(CANDIDATE_COLUMNS, candidate_rows(records, objectives, ranked)),
        "latency.csv": _csv(LATENCY_COLUMNS, latency_rows(records)),
    }
    for name, text in tables.items():
        write_text(out / name, text)
    return [out / name for name in tables]


def teacher_first(records: Sequence[Record]) -> list[Record]:
    """The reference row leads; the others keep their order."""
    return sorted(records, key=lambda record: record.role != "teacher")


def candidate_rows(
    records: Sequence[Record], objectives: Sequence[str], ranked: Collection[str] | None = None
) -> list[dict[str, Value]]:
    """One row for each record, keyed by CANDIDATE_COLUMNS, the teacher first.

    `ranked`: the names that compete for the front, all if left out; a search screens out some.
    """
    members = front([record for record in records if ranked is None or record.name in ranked], objectives)
    return [
        {name: read(record) for name, read in READERS.items()}
        | {"on_front": "true" if record.name in members else "false", "note": note(record)}
        for record in teacher_first(records)
    ]


def note(record: Record) -> str:
    """What ended the record, and why columns are empty, on one line."""
    parts = [] if record.error is None else [f"failed: {record.error}"]
    parts += [] if record.rejected_reason is None else [record.rejected_reason]
    parts += [f"{', '.join(columns)}: {reason}" for reason, columns in reasons(record).items()]
    return " ".join("; ".join(parts).split())


def latency_rows(records: Sequence[Record]) -> list[dict[str, Value]]:
    """One row for each record, runtime and part of a frame, keyed by LATENCY_COLUMNS, and one for their `sum`."""
    rows: list[dict[str, Value]] = []
    for record in teacher_first(records):
        latencies = record.facts(Latencies)
        for latency in latencies.runtimes if latencies is not None else ():
            common: dict[str, Value] = {"name": record.name, "runtime": latency.runtime, "threads": latency.threads}
            rows += [common | timing for timing in _timings(latency)]
    return rows


def _timings(latency: Latency) -> Iterator[dict[str, Value]]:
    for timing in latency.parts:
        yield timing.model_dump()
    # No p90 of the sum: adding up the parts' p90 would not be one.
    yield {
        "part": "sum",
        "median_ms": latency.total_ms,
        "ratio": latency.ratio,
        "ratio_ci_low": latency.ratio_ci_low,
        "ratio_ci_high": latency.ratio_ci_high,
    }


def _csv(columns: Sequence[str], rows: Iterable[dict[str, Value]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def cell(value: Value) -> str:
    """A value as it stands in a CSV file: floats with six significant digits, None as nothing.

    Reading the text as a float and writing it again gives the same text.
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(float(format(value, ".6g")))
    return str(value)
