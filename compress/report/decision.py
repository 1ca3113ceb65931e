"""The table that a person decides from: everybody on the front with everything measured, the teacher first."""

from collections.abc import Sequence

from compress.common.document import Paragraph, Row, Table
from compress.common.formatting import NONE, percent, scaled, significant
from compress.report.document import Block
from compress.report.facts import CandidateFacts, RunView
from compress.report.kinematics import JOINTS
from compress.report.readings import reading
from compress.report.tables import row_of
from compress.report.words import ratio
from compress.results.goals import preference
from compress.results.records import Record


def decision_blocks(run: RunView) -> list[Block]:
    """The front, best in the first objective first; nothing where nobody is on it."""
    objectives = [objective.name for objective in run.objectives]
    teacher = [candidate for candidate in run.candidates if candidate.is_teacher]
    members = [candidate for candidate in run.candidates if candidate.on_front and not candidate.is_teacher]
    members.sort(key=lambda candidate: preference(candidate.record, objectives))
    if not members:
        return []
    scales = [f"{panel.scale:g} [ms]" for panel in run.panels]
    angles = [f"{joint.capitalize()} [deg]" for joint in JOINTS] if run.kinematics is not None else []
    people = ["OKS"] if run.kinematics is not None else []
    timed = ["Sum [ms]", "Ratio (95%)"] if run.panels else []
    compared = ["Joints L2", "PAFs L2"] if any(c.record.measurement.fidelity for c in run.candidates) else []
    memory = ["Memory"] if any(c.record.measurement.memory for c in run.candidates) else []
    head = ("Candidate", *scales, *timed, "MACs", "Params", "File", *memory, *compared, *people, *angles, "Licence")
    rows = tuple(_row(run, candidate, head) for candidate in [*teacher, *members])
    caption = (
        f"Everybody on the front, best in {run.objectives[0].label} first, and the teacher"
        + (": network time at each image scale" if scales else "")
        + ("; of each joint the median and P95 of the angle error" if angles else "")
    )
    return [Table(caption, head, rows, words=(0, len(head) - 1), wide=True), *_left_out(run.candidates)]


def _row(run: RunView, candidate: CandidateFacts, head: Sequence[str]) -> Row:
    record, measured = candidate.record, candidate.record.measurement
    latency = measured.latency[0] if measured.latency else None
    per_scale = (
        {f"{timing.scale:g} [ms]": significant(timing.median_ms) for timing in latency.scales} if latency else {}
    )
    fidelity, memory = measured.fidelity, measured.memory
    cells = per_scale | {
        "Sum [ms]": reading("latency_ms", latency.total_ms).removesuffix(" ms") if latency else NONE,
        "Ratio (95%)": (ratio(latency) if not candidate.is_teacher else "1") if latency else NONE,
        "MACs": scaled(measured.macs),
        "Params": scaled(measured.params),
        "File": scaled(measured.size_bytes, "B"),
        "Memory": scaled(memory.peak_bytes, "B") if memory else NONE,
        "Joints L2": percent(fidelity.joint_rel_l2) if fidelity else NONE,
        "PAFs L2": percent(fidelity.paf_rel_l2) if fidelity else NONE,
        "Licence": record.licence.name,
    }
    cells |= _angles(run, candidate)
    return row_of(candidate, [cells.get(column, NONE) for column in head[1:]])


def _angles(run: RunView, candidate: CandidateFacts) -> dict[str, str]:
    if run.kinematics is None:
        return {}
    if candidate.is_teacher:
        return {"OKS": "1", **{f"{joint.capitalize()} [deg]": "0" for joint in JOINTS}}
    row = run.kinematics.row(candidate.record.name)
    if row is None:
        return {}
    found = {"OKS": NONE if row.headline.oks is None else f"{row.headline.oks:.3f}"}
    for name in JOINTS:
        joint = row.joint(name)
        if joint is not None and joint.filtered.median is not None:
            found[f"{name.capitalize()} [deg]"] = _pair(joint.filtered.median, joint.filtered.p95)
    return found


def _pair(median: float, p95: float | None) -> str:
    """Tenths of a degree are enough to decide by; the tables of joint angles have more."""
    return f"{median:.1f} / {NONE if p95 is None else f'{p95:.1f}'}"


def _left_out(candidates: Sequence[CandidateFacts]) -> list[Block]:
    """Whole columns that nobody has are named, so that nobody looks for them."""
    finished: list[Record] = [candidate.record for candidate in candidates if candidate.record.error is None]
    columns = {
        "time": any(record.measurement.latency for record in finished),
        "memory": any(record.measurement.memory for record in finished),
        "difference of the maps": any(record.measurement.fidelity for record in finished),
        "OKS and joint angles": any(record.measurement.kinematics for record in finished),
    }
    missing = [name for name, there in columns.items() if not there]
    return [Paragraph(f"Not measured in this run: {', '.join(missing)}.")] if missing else []
