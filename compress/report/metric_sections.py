"""Sections that metrics write themselves (`Metric.section`): one for each that has something to say."""

from compress.common.document import Block
from compress.measure.base import Metric
from compress.measure.facts import Kind, MetricFacts, SectionRow
from compress.measure.metrics import METRICS
from compress.report.facts import CandidateFacts, RunView


def metric_sections(run: RunView) -> list[tuple[str, list[Block]]]:
    """Title and blocks, in the order of the metrics."""
    return [
        (metric.title, list(metric.section([_row(candidate, metric) for candidate in run.candidates])))
        for metric in METRICS.values()
    ]


def _row(candidate: CandidateFacts, metric: type[Metric]) -> SectionRow[MetricFacts]:
    record = candidate.record
    facts = record.facts(metric.facts)
    return SectionRow(record.name, _kind(candidate), facts, record.stages, record.backbone, candidate.is_teacher)


def _kind(candidate: CandidateFacts) -> Kind:
    if candidate.record.error is not None:
        return "failed"
    if candidate.is_teacher:
        return "teacher"
    return "front" if candidate.on_front else "plain"
