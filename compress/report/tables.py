"""The tables of the report, as blocks of its document."""

from collections.abc import Mapping, Sequence
from typing import Literal

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import NONE, counted, listed, percent, scaled, significant, size
from compress.report.document import Block
from compress.report.facts import CandidateFacts, RunView
from compress.report.words import ratio, speed
from compress.results.columns import steps_text
from compress.results.records import Fidelity, Latency, Memory

SAMPLE = {
    "source": "Source of the frames",
    "images": "Frames compared",
    "images_unreadable": "Frames that could not be read",
    "frame_hw": "Frame height and width",
    "seed": "Seed of the sample",
    "frames_digest": "Digest of the frames",
    "scales": "Image scales",
    "base_height": "Input height at scale 1",
}
"""Conditions, by the last part of their name, that say what was compared; the others say under which conditions."""


def _kind(candidate: CandidateFacts) -> Literal["plain", "teacher", "front", "failed"]:
    if candidate.record.error is not None:
        return "failed"
    if candidate.is_teacher:
        return "teacher"
    return "front" if candidate.on_front else "plain"


def row_of(candidate: CandidateFacts, cells: Sequence[str]) -> Row:
    """A candidate's row, marked as what it is: the teacher, on the front, failed."""
    name = candidate.record.name
    marks = ["teacher"] if candidate.is_teacher and name != "teacher" else []
    marks += ["failed"] if candidate.record.error is not None else []
    return Row((f"{name} ({', '.join(marks)})" if marks else name, *cells), _kind(candidate))


def _whole(value: int | None) -> str:
    return NONE if value is None else str(value)


def fidelity(run: RunView) -> list[Block]:
    """Table 1 of the seed paper: L2 of heatmaps and PAFs against the teacher's output."""
    found = [c.record.measurement.fidelity for c in run.candidates if c.record.measurement.fidelity is not None]
    if not found:
        return [Paragraph("The difference from the teacher was not measured.")]
    stages = run.teacher.stages if run.teacher is not None else None
    against = f"output after all {stages} stages" if stages else "output"
    images = listed([str(count) for count in sorted({fact.images for fact in found})])
    rows = tuple(
        row_of(c, (_whole(c.record.stages), *_fidelity(c.record.measurement.fidelity), "yes" if c.on_front else "no"))
        for c in run.candidates
    )
    head = (
        "Candidate", "Stages", "Joints, relative", "Heatmaps, relative", "PAFs, relative",
        "Heatmaps, L2", "PAFs, L2", "On the front",
    )  # fmt: skip
    why = (
        "Relative is the L2 norm of candidate minus teacher over the norm of the teacher. Look at the joints: the "
        "background channel dominates the norm of the heatmaps and makes their difference look small. "
        "PAFs are part affinity fields."
    )
    caption = f"L2 difference from the teacher's {against}, averaged over the scales, mean over {images} images"
    return [Paragraph(why), Table(caption, head, rows, key=2, words=(0, 7))]


def _fidelity(facts: Fidelity | None) -> tuple[str, ...]:
    if facts is None:
        return (NONE,) * 5
    relative = (percent(facts.joint_rel_l2), percent(facts.heat_rel_l2), percent(facts.paf_rel_l2))
    return *relative, significant(facts.heat_l2), significant(facts.paf_l2)


def times_per_scale(run: RunView) -> Table:
    """Figure 4 of the seed paper in numbers: median and 90th percentile at each scale."""
    head = ("Candidate", *(f"Scale {panel.scale:g} ({size(panel.input_hw)})" for panel in run.panels))
    rows = []
    for candidate in run.candidates:
        cells = []
        for panel in run.panels:
            timing = next((bar[1] for bar in panel.bars if bar[0] == candidate.record.name), None)
            text = timing and f"{significant(timing.median_ms)} (p90 {significant(timing.p90_ms)})"
            cells.append(text or NONE)
        rows.append(row_of(candidate, cells))
    return Table(
        f"Network time in ms at each image scale, median, batch 1, {listed(timing_setups(run))}", head, tuple(rows)
    )


def timing_setups(run: RunView) -> list[str]:
    """Runtimes and thread counts that the times of the tables per scale come from."""
    latencies = [latency for c in run.candidates for latency in c.record.measurement.latency[:1]]
    return sorted({f"{latency.runtime} with {counted(latency.threads, 'thread')}" for latency in latencies})


def times_summed(run: RunView) -> list[Block]:
    """Time over all scales for each runtime and thread count, with the paired ratio."""
    head = ("Candidate", "Time [ms]", "Ratio (95% interval)", "In words", "Runtime", "Threads", "Rounds")
    rows: list[Row] = []
    doubtful: list[tuple[str, str]] = []
    for candidate in run.candidates:
        latencies = candidate.record.measurement.latency
        rows += [row_of(candidate, _summed(candidate, latency)) for latency in latencies]
        if not latencies:
            rows.append(row_of(candidate, (NONE,) * 6))
        for latency in latencies:
            if latency.kept_disturbed:
                laps = counted(latency.kept_disturbed, "lap")
                text = f"{laps} stayed disturbed by other load; read its times with care."
                doubtful.append((candidate.record.name, text))
    caption = "Network time summed over the scales, without decoding; candidate time over teacher time"
    blocks: list[Block] = [Table(caption, head, tuple(rows), key=2, words=(0, 3, 4))]
    return [*blocks, Bullets(tuple(doubtful))] if doubtful else blocks


def _summed(candidate: CandidateFacts, latency: Latency) -> tuple[str, ...]:
    words = "the reference" if candidate.is_teacher else speed(latency)
    conditions = (latency.runtime, str(latency.threads), str(latency.rounds))
    return f"{latency.total_ms:.0f}", ratio(latency), words, *conditions


def sizes(run: RunView) -> list[Block]:
    """Parameters, MACs at the stated input size, bytes on disk, peak resident memory."""
    head = ("Candidate", "Stages", "Backbone", "Parameters", "MACs", "File", "Peak memory", "Before loading")
    rows = []
    for candidate in run.candidates:
        record, measured = candidate.record, candidate.record.measurement
        macs = scaled(measured.macs)
        if measured.macs is not None and measured.macs_input_hw is not None:
            macs += f" at {size(measured.macs_input_hw)}"
        cells = (_whole(record.stages), record.backbone or NONE, scaled(measured.params), macs)
        rows.append(row_of(candidate, (*cells, scaled(measured.size_bytes, "B"), *_memory(measured.memory))))
    text = (
        "MACs are multiply-accumulates of convolutions and linear layers. Peak memory is the resident memory of a "
        "fresh process that loads the artefact and runs it at the largest scale; before loading, it holds "
        "only the interpreter and the runtime. M is a million, MB a million bytes."
    )
    return [Table("The exported artefact", head, tuple(rows), words=(0, 2)), Paragraph(text)]


def _memory(memory: Memory | None) -> tuple[str, str]:
    if memory is None:
        return NONE, NONE
    return scaled(memory.peak_bytes, "B"), scaled(memory.before_load_bytes, "B")


def compared(run: RunView) -> Table:
    """Teacher, licence, candidates, frames, scales and input sizes, all from the records."""
    record = run.teacher or (run.candidates[0].record if run.candidates else None)
    facts: list[tuple[str, str]] = []
    if record is not None:
        licence = record.licence
        facts += [
            ("Teacher", record.teacher),
            ("Licence of its weights, which holds for every candidate", licence.name),
        ]
        facts += [("Source of its weights", licence.source), ("Remark on the licence", licence.note)]
    for candidate in run.candidates:
        if not candidate.is_teacher:
            facts.append((f"How {candidate.record.name} was made", steps_text(candidate.record.steps) or "no steps"))
    sizes_used = ", ".join(f"scale {panel.scale:g}: {size(panel.input_hw)}" for panel in run.panels)
    facts.append(("Input sizes when timed, height x width", sizes_used))
    facts += _conditions(run, sample=True)
    return Table(
        "Teacher, candidates, frames and scales", ("What", "Value"), tuple(Row(f) for f in facts if f[1]), words=(0, 1)
    )


def conditions(run: RunView) -> list[Block]:
    """Machine, versions and settings; a condition that was not the same for all names who had which."""
    rows = tuple(Row(fact) for fact in _conditions(run, sample=False))
    if not rows:
        return [Paragraph("The records name no conditions.")]
    mixed = [key for key, values in run.conditions.items() if len(values) > 1]
    warning = f"Not the same for all candidates, so compare with care: {listed(mixed)}."
    table = Table("A value without names holds for every candidate", ("Condition", "Value"), rows, words=(0, 1))
    return [Paragraph(warning), table] if mixed else [table]


def _is_sample(key: str) -> bool:
    return key.rpartition(".")[2] in SAMPLE


def _conditions(run: RunView, sample: bool) -> list[tuple[str, str]]:
    """Conditions in words: those of the sample, or all others, the machine first."""
    keys = [key for key in run.conditions if _is_sample(key) == sample]
    if sample:
        order = list(SAMPLE)
        keys.sort(key=lambda key: order.index(key.rpartition(".")[2]))
        return [(SAMPLE[key.rpartition(".")[2]], _told(run.conditions[key])) for key in keys]
    keys.sort(key=lambda key: not key.startswith("machine"))
    return [(key.replace("_", " ").replace(".", ": "), _told(run.conditions[key])) for key in keys]


def _told(values: Mapping[str, tuple[str, ...]]) -> str:
    if len(values) == 1:
        return next(iter(values))
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in values.items())
