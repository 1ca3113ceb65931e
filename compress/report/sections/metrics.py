"""Sections of metrics: what each metric's own `section` gives, or its columns where it gives nothing."""

from collections.abc import Mapping
from typing import Any

from compress.common.document import Table
from compress.common.formatting import NONE
from compress.measure.base import Metric
from compress.measure.facts import SectionRow
from compress.measure.metrics import METRICS
from compress.report.document import Block
from compress.report.facts import CandidateFacts, RunView
from compress.report.sections.candidate_table import row_kind
from compress.results.column_text import form_text

ORDER = ("fidelity", "kinematics", "ap", "latency", "size", "memory", "energy", "packed")
"""Metrics that a reader asks for first; those of other packages follow."""


def metrics_in_order() -> Mapping[str, type[Metric]]:
    """Every metric that is installed, by key."""
    known = [key for key in ORDER if key in METRICS]
    return {key: METRICS[key] for key in (*known, *(key for key in METRICS if key not in known))}


def metric_section(metric: type[Metric], run: RunView) -> tuple[str, list[Block]]:
    """Its title and its blocks; no blocks where nothing was measured."""
    rows = [section_row(candidate, metric) for candidate in run.candidates]
    title = metric.title or metric.key.replace("_", " ").capitalize()
    if all(row.facts is None for row in rows):
        return title, []
    return title, [*metric.section(rows)] or [_columns(metric, rows)]


def section_row(candidate: CandidateFacts, metric: type[Metric]) -> SectionRow[Any]:
    """A candidate as a metric's section sees it."""
    record = candidate.record
    return SectionRow(
        record.name,
        row_kind(candidate),
        record.facts(metric.facts),
        record.stages,
        record.backbone,
        candidate.is_teacher,
    )


def _columns(metric: type[Metric], rows: list[SectionRow[Any]]) -> Table:
    """What candidates.csv has of it."""
    head = [f"{column.label or column.name}{f' [{column.unit}]' if column.unit else ''}" for column in metric.columns]
    cells = [[_cell(column.form, column.read(row.facts)) if row.facts else NONE for column in metric.columns]
             for row in rows]  # fmt: skip
    return Table(
        metric.description,
        ("Candidate", *(text[:1].upper() + text[1:] for text in head)),
        tuple(row.table_row(*texts) for row, texts in zip(rows, cells, strict=True)),
    )


def _cell(form: Any, value: object) -> str:
    if isinstance(value, int | float):
        return form_text(form, value)
    return NONE if value is None else str(value)
