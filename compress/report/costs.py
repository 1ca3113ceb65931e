"""Sections of the report on energy, activations and the packed file."""

from compress.common.document import Paragraph, Table
from compress.common.formatting import NONE, listed, scaled, significant, size
from compress.report.document import Block
from compress.report.facts import RunView
from compress.report.tables import row_of
from compress.results.records import Activations, Energy


def energy_blocks(run: RunView) -> list[Block]:
    """Energy of one image, measured and estimated, and the peak of the activations; empty where nobody has either."""
    found = [c.record.measurement.energy for c in run.candidates if c.record.measurement.energy is not None]
    if not found:
        return []
    rows = tuple(
        row_of(c, (*_energy(c.record.measurement.energy), _peak(c.record.measurement.activations)))
        for c in run.candidates
    )
    counters = sorted({facts.counter for facts in found if facts.counter is not None and facts.measured_mj is not None})
    reasons = sorted({facts.why_not_measured for facts in found if facts.measured_mj is None})
    measured = f"Measured by {listed(counters)}, all that the machine did meanwhile included. " if counters else ""
    text = (
        f"Millijoules for one image, summed over the scales. {measured}"
        + (f"Not measured: {listed(reasons)}. " if reasons else "")
        + f"The estimate is no measurement: multiply-accumulates and bytes to and from memory times the energies of "
        f"{listed(sorted({facts.source for facts in found}))}, as if no tensor stayed in a cache; read it as a "
        "comparison of candidates. Activations are the largest sum of tensors that the graph needs at the same time."
    )
    head = (
        "Candidate", "Measured [mJ]", "Estimate [mJ]", "of it arithmetic", "of it memory", "Peak of the activations",
    )  # fmt: skip
    return [Table("Energy of one image, and the memory of its tensors", head, rows, key=2), Paragraph(text)]


def _energy(facts: Energy | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * 4
    values = (facts.measured_mj, facts.estimate_mj, facts.arithmetic_mj, facts.memory_mj)
    return tuple(NONE if value is None else significant(value) for value in values)


def _peak(facts: Activations | None) -> str:
    return NONE if facts is None else f"{scaled(facts.peak_bytes, 'B')} at {size((facts.input_h, facts.input_w))}"


def packed_blocks(run: RunView) -> list[Block]:
    """Bytes after each stage of deep compression, as table 1 of Han et al. has them; empty where nobody was packed."""
    found = {c.record.name: c.record.measurement.packed for c in run.candidates}
    stages = next(([stage.stage for stage in facts.stages] for facts in found.values() if facts is not None), [])
    if not stages:
        return []
    teacher = run.teacher.measurement.packed if run.teacher is not None else None
    whole = None if teacher is None else teacher.stages[0].bytes
    rows = []
    for candidate in run.candidates:
        facts = found[candidate.record.name]
        if facts is None:
            rows.append(row_of(candidate, (NONE,) * (len(stages) + 1)))
            continue
        sizes = {stage.stage: stage.bytes for stage in facts.stages}
        smaller = NONE if whole is None else f"{whole / facts.bytes:.1f}x"
        rows.append(row_of(candidate, (*(_kilobytes(sizes.get(stage)) for stage in stages), smaller)))
    text = (
        "What `compress pack` makes of each candidate, stage by stage (Han, Mao and Dally 2015, table 1). This shrinks "
        "the download and nothing else: an unpacked network takes the memory and the time that it took before. "
        "kB is a thousand bytes."
    )
    head = ("Candidate", *(f"{stage[:1].upper()}{stage[1:]} [kB]" for stage in stages), "Than the teacher's weights")
    caption = "Bytes at every stage; the last column is the teacher's fp32 weights over the file"
    return [Paragraph(text), Table(caption, head, tuple(rows), key=len(stages))]


def _kilobytes(count: int | None) -> str:
    return NONE if count is None else f"{count / 1000:.1f}"
