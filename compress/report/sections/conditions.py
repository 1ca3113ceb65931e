"""What was compared, on which machine, what is missing, and how to do it again."""

from collections.abc import Mapping

from compress.common.document import Bullets, Code, Paragraph, Row, Table
from compress.common.formatting import listed, size
from compress.report.document import Block
from compress.report.facts import RunView
from compress.results.columns import steps_text

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
"""Conditions, by the last part of their name, that tell what was compared; the others tell how."""


def failures(run: RunView) -> list[Block]:
    """Candidates that failed, and why columns are empty."""
    failed = [(c.record.name, c.record.error) for c in run.candidates if c.record.error is not None]
    blocks: list[Block] = []
    if failed:
        blocks += [Paragraph("Failed:"), Bullets(tuple(failed))]
    by_reason: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for candidate in run.candidates:
        for reason, columns in candidate.reasons.items():
            by_reason.setdefault((reason, columns), []).append(candidate.record.name)
    if not by_reason:
        return blocks or [Paragraph("Nothing failed, and everything that the recipe asks for was measured.")]
    head = ("Columns", "Why they are empty", "For")
    everyone = len([c for c in run.candidates if c.record.error is None])
    rows = tuple(
        Row((", ".join(columns), why, "all" if len(names) == everyone > 1 else ", ".join(names)))
        for (why, columns), names in by_reason.items()
    )
    return [*blocks, Table("Empty columns of candidates.csv", head, rows, words=(0, 1, 2))]


def compared(run: RunView) -> list[Block]:
    """Teacher, licence, candidates, frames, scales and input sizes, all from the records."""
    record = run.teacher or (run.candidates[0].record if run.candidates else None)
    facts: list[tuple[str, str]] = []
    if record is not None:
        licence = record.licence
        facts += [("Teacher", record.teacher), ("Licence of its weights and of every candidate", licence.name)]
        facts += [("Source of its weights", licence.source), ("Remark on the licence", licence.note)]
    for candidate in run.candidates:
        if not candidate.is_teacher:
            facts.append((f"Steps of {candidate.record.name}", steps_text(candidate.record.steps) or "no steps"))
    sizes_used = ", ".join(f"{panel.title.lower()}: {size(panel.input_hw)}" for panel in run.panels)
    facts.append(("Input sizes when timed, height x width", sizes_used))
    facts += _conditions(run, sample=True)
    rows = tuple(Row(fact) for fact in facts if fact[1])
    return [Table("Teacher, candidates, frames and scales", ("What", "Value"), rows, words=(0, 1))] if rows else []


def machine(run: RunView) -> list[Block]:
    """Machine, versions and settings; a condition that was not the same for all names the candidates of each value."""
    rows = tuple(Row(fact) for fact in _conditions(run, sample=False))
    if not rows:
        return [Paragraph("The records name no conditions.")]
    mixed = [key for key, values in run.conditions.items() if len(values) > 1]
    warning = f"Not the same for all candidates, so compare with care: {listed(mixed)}."
    table = Table("A value without names holds for every candidate", ("Condition", "Value"), rows, words=(0, 1))
    return [Paragraph(warning), table] if mixed else [table]


def reproduction(run: RunView) -> list[Block]:
    """The command and the recipe."""
    text = "This command repeats the run with the same frames, candidates and settings. The recipe is below."
    return [Paragraph(text), Code(run.source.command), Code(run.source.recipe, "The recipe of this run")]


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
