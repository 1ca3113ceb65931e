"""Every metric has a section of the report: its own, or a table of its columns; also one of another package."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
from compress_made_up import angle_records, failed, measured, record, run_of, stage_records

from compress.common.document import Table
from compress.core.built import Built
from compress.measure import metrics
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Found, MetricFacts
from compress.measure.metrics import METRICS
from compress.report.collect import report_facts
from compress.report.facts import RunView
from compress.report.sections.metrics import ORDER, metric_section, metrics_in_order
from compress.report.sections.outline import document
from compress.results.records import Record


class Warmth(MetricFacts):
    """Made up."""

    key: ClassVar[str] = "warmth"
    degrees: float
    place: str


class WarmthMetric(Metric):
    """A metric of another package that brings no section."""

    key: ClassVar[str] = "warmth"
    description: ClassVar[str] = "How warm the machine gets."
    facts: ClassVar[type[MetricFacts]] = Warmth
    columns: ClassVar[tuple[Column[Warmth], ...]] = (
        Column("warmth_k", lambda found: found.degrees, "rise of the temperature", "K", "smaller"),
        Column("warmth_place", lambda found: found.place),
    )

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Any]]:
        raise AssertionError("a report measures nothing")


def run(records: Sequence[Record]) -> RunView:
    return report_facts([run_of(records)]).runs[0]


def test_the_metrics_of_this_package_all_have_a_place() -> None:
    assert set(ORDER) <= set(METRICS)
    assert tuple(metrics_in_order())[: len(ORDER)] == ORDER and set(metrics_in_order()) == set(METRICS)


def test_a_metric_without_a_section_is_told_by_its_columns() -> None:
    warm = record("warm", measured(3).replaced(Warmth(degrees=12.345, place="lid")))
    title, (table,) = metric_section(WarmthMetric, run([*stage_records(), warm, failed()]))
    assert title == "Warmth" and isinstance(table, Table)
    assert table.head == ("Candidate", "Rise of the temperature [K]", "Warmth_place")
    rows = {row.cells[0]: row.cells[1:] for row in table.rows}
    assert rows["warm"] == ("12.3", "lid")
    assert rows["stages-5"] == rows["stages-0 (failed)"] == ("not measured", "not measured")
    assert metric_section(WarmthMetric, run(stage_records())) == ("Warmth", [])


def test_a_metric_of_another_package_follows_those_of_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress.report.sections.metrics.METRICS", {"warmth": WarmthMetric, **metrics.METRICS})
    warm = record("warm", measured(3).replaced(Warmth(degrees=1.0, place="lid")))
    titles = [section.title for section in document(report_facts([run_of([*angle_records(), warm])])).sections]
    assert titles.index("Memory") < titles.index("Warmth") < titles.index("Failures and missing values")


def test_numbers_of_every_metric_stand_in_its_section() -> None:
    found = run([*angle_records(), failed()])
    told = {key: metric_section(metric, found) for key, metric in metrics_in_order().items()}
    assert [title for title, blocks in told.values() if blocks] == [
        "L2 difference from the teacher", "Kinematics", "Latency", "Size", "Memory",
    ]  # fmt: skip
    tables = {title: blocks[0] for title, blocks in told.values() if blocks}
    cells = {}
    for title, table in tables.items():
        assert isinstance(table, Table)
        cells[title] = next(row.cells for row in table.rows if row.cells[0] == "stages-3")
    assert cells["L2 difference from the teacher"][1:4] == ("3", "12.3%", "32.4%")
    assert cells["Size"] == ("stages-3", "3", "mobilenet_v1", "1.43 M", "5.67 G at 368x656", "5.78 MB")
    assert cells["Memory"] == ("stages-3", "383 MB", "96.0 MB", "736x1312", "onnxruntime", "2")
