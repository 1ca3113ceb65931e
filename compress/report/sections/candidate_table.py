"""The report's first table: every candidate with what decides, the teacher first, then the front, best first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from compress.common.document import Row, RowKind, Table
from compress.common.formatting import NONE, significant
from compress.measure.fidelity import Fidelity
from compress.measure.kinematics import Kinematics
from compress.measure.latency_facts import Latencies
from compress.report.document import Block
from compress.report.facts import CandidateFacts, RunView
from compress.results.column_text import ratio_text, value_text
from compress.results.columns import LATER, number, run_as
from compress.results.goals import preference
from compress.results.recommendation import JudgedRecord, Recommendation
from compress.results.records import Record

DECODING = "decoding_ms"


@dataclass(frozen=True)
class _Column:
    head: str
    text: Callable[[CandidateFacts], str]
    is_minor: bool = False
    """Left out on a narrow screen."""
    is_words: bool = False


def candidate_table(run: RunView) -> list[Block]:
    """One table; a column that no candidate has a value for is left out."""
    rows = sorted(run.candidates, key=lambda candidate: _rank(candidate, [one.name for one in run.objectives]))
    if not rows:
        return []
    told = {row.record.name: row for row in run.recommendation.rows}
    columns = [column for column in _columns(run, told) if any(column.text(one) not in (NONE, "") for one in rows)]
    named = run.recommendation.best.record.name if run.recommendation.best is not None else ""
    return [
        Table(
            _caption(run),
            ("Candidate", *(column.head for column in columns)),
            tuple(
                Row((row_name(one), *(column.text(one) for column in columns)), row_kind(one), one.record.name == named)
                for one in rows
            ),
            words=(0, *(place for place, column in enumerate(columns, 1) if column.is_words)),
            wide=True,
            minor=tuple(place for place, column in enumerate(columns, 1) if column.is_minor),
        )
    ]


def row_name(candidate: CandidateFacts) -> str:
    """The name, with what its row is: the teacher, or failed."""
    name = candidate.record.name
    marks = ["teacher"] if candidate.is_teacher and name != "teacher" else []
    marks += ["failed"] if candidate.record.error is not None else []
    return f"{name} ({', '.join(marks)})" if marks else name


def row_kind(candidate: CandidateFacts) -> RowKind:
    """How the row is set."""
    if candidate.record.error is not None:
        return "failed"
    if candidate.is_teacher:
        return "teacher"
    return "front" if candidate.on_front else "plain"


def row_of(candidate: CandidateFacts, cells: Sequence[str]) -> Row:
    """A candidate's row in any table of the report."""
    return Row((row_name(candidate), *cells), row_kind(candidate))


def _rank(candidate: CandidateFacts, objectives: Sequence[str]) -> tuple[object, ...]:
    is_failed = candidate.record.error is not None
    order = preference(candidate.record, objectives)
    return (not candidate.is_teacher, is_failed, not candidate.on_front, order)


def _columns(run: RunView, told: Mapping[str, JudgedRecord]) -> list[_Column]:
    found = run.recommendation
    licences = {candidate.record.licence.name for candidate in run.candidates}
    columns = [
        _Column("Recommended", lambda one: _recommended(one, found, told.get(one.record.name)), True, True),
        _Column("Time [ms]", lambda one: _plain(one.record, "latency_ms")),
        _Column("Ratio (95%)", _ratio),
        _Column("Joints L2", lambda one: _text(one.record, "joint_rel_l2")),
        _Column("PAFs L2", lambda one: _text(one.record, "paf_rel_l2"), is_minor=True),
        _Column("Angle error [deg]", _angles),
        _Column("Tier", lambda one: _tier(one.record), is_minor=True, is_words=True),
        _Column("Front", lambda one: "yes" if one.on_front else "no", is_minor=True, is_words=True),
        _Column("OKS", lambda one: _fixed(number(one.record, "oks")), is_minor=True),
        _Column("MACs", lambda one: _text(one.record, "macs"), is_minor=True),
        _Column("File", lambda one: _text(one.record, "size_bytes"), is_minor=True),
        _Column("Memory", lambda one: _text(one.record, "peak_memory_bytes"), is_minor=True),
    ]
    if DECODING in LATER:
        columns.insert(3, _Column("Decoding [ms]", lambda one: _plain(one.record, DECODING), is_minor=True))
    if any(one.record.inference is not None for one in run.candidates):
        columns.append(_Column("Run at", lambda one: run_as(one.record), is_minor=True, is_words=True))
    if len(licences) > 1:
        columns.append(_Column("Licence", lambda one: one.record.licence.name, is_minor=True, is_words=True))
    return columns


def _recommended(candidate: CandidateFacts, found: Recommendation, row: JudgedRecord | None) -> str:
    if candidate.is_teacher or candidate.record.error is not None:
        return ""
    if found.best is not None and found.best.record.name == candidate.record.name:
        return "yes"
    if row is None:
        return "no"
    return "meets goals" if candidate.record.name in found.able else "no"


def _plain(record: Record, column: str) -> str:
    value = number(record, column)
    return NONE if value is None else significant(value)


def _text(record: Record, column: str) -> str:
    return NONE if record.error is not None else value_text(column, number(record, column))


def _fixed(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _ratio(candidate: CandidateFacts) -> str:
    latencies = candidate.record.facts(Latencies)
    if latencies is None:
        return NONE
    return "1" if candidate.is_teacher else ratio_text(latencies.first)


def _angles(candidate: CandidateFacts) -> str:
    """Median and P95 of the worst joint; tenths of a degree are enough to decide by."""
    if candidate.is_teacher:
        return "0 / 0" if candidate.record.facts(Kinematics) is not None else NONE
    median, p95 = (number(candidate.record, column) for column in ("angle_median_deg", "angle_p95_deg"))
    return NONE if median is None or p95 is None else f"{median:.1f} / {p95:.1f}"


def _tier(record: Record) -> str:
    kinematics = record.facts(Kinematics)
    if record.role == "teacher":
        return ""
    return NONE if kinematics is None else kinematics.tier or "not judged"


def _caption(run: RunView) -> str:
    parts = []
    if run.panels:
        parts.append("Time: network time per frame, the way each runs. Ratio: candidate time over teacher time.")
    if any(candidate.record.facts(Fidelity) for candidate in run.candidates):
        parts.append("L2: relative to the teacher's maps.")
    if run.kinematics is not None:
        parts.append("Angle error: median / P95 of the worst joint.")
    licences = {candidate.record.licence.name for candidate in run.candidates}
    if len(licences) == 1:
        parts.append(f"Licence of all: {next(iter(licences))}.")
    return " ".join(parts) or "What was measured of each candidate"
