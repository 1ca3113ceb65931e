"""Which sections the report has, in which order, and which of them are folded: from facts to the document."""

from pathlib import PurePath
from typing import Literal

from compress.common.document import Paragraph
from compress.common.formatting import counted, listed
from compress.measure.fidelity import Fidelity
from compress.report.document import Block, Document, Section
from compress.report.facts import ReportFacts, RunView
from compress.report.search_view import counts_text
from compress.report.sections.candidate_table import candidate_table
from compress.report.sections.comparison import joint_sections
from compress.report.sections.conditions import compared, failures, machine, reproduction
from compress.report.sections.example_frame import PHOTOS, example_frame
from compress.report.sections.joint_angles import joint_angles
from compress.report.sections.latency import latency_blocks, other_devices, timing_setups
from compress.report.sections.metrics import metric_section, metrics_in_order
from compress.report.sections.pareto_front import pareto_front
from compress.report.sections.pruning import pruning
from compress.report.sections.quantization import quantization
from compress.report.sections.recommended_model import recommended_model
from compress.report.sections.search import search
from compress.report.sections.training import training

Level = Literal[2, 3]


def document(facts: ReportFacts) -> Document:
    """The whole report. Several runs get what is said of all of them, then a section each."""
    if len(facts.runs) == 1:
        run = facts.runs[0]
        return Document(about(facts), _title(run), _lead(run), tuple(_sections(run, 0, 2)))
    sections = joint_sections(facts)
    for index, run in enumerate(facts.runs):
        sections.append(Section(2, run.label, _paragraphs(run), is_folded=False))
        sections.extend(_sections(run, index, 3))
    lead = f"Runs: {listed([run.label for run in facts.runs])}."
    return Document(about(facts), f"Comparison of {counted(len(facts.runs), 'run')}", (lead,), tuple(sections))


def about(facts: ReportFacts) -> str:
    """Each run by its label and by what its teacher was measured with; the same after a run went on."""
    keys = [run.teacher.key[:16] if run.teacher is not None else "no teacher" for run in facts.runs]
    return "; ".join(f"{run.label} ({key})" for run, key in zip(facts.runs, keys, strict=True))


def _sections(run: RunView, index: int, level: Level) -> list[Section]:
    """What decides stands open, the rest is folded."""
    suffix = "" if index == 0 else f"-{index + 1}"
    shown = [candidate.record.name for candidate in run.candidates]
    records = [candidate.record for candidate in run.candidates]
    first: list[tuple[str, list[Block]]] = [
        ("Recommended model", recommended_model(run.recommendation, run.files, shown)),
        ("Pareto front", pareto_front(run, f"pareto{suffix}")),
        ("Candidates", candidate_table(run)),
    ]
    rest: list[tuple[str, list[Block]]] = [
        ("Example frame", example_frame(run, PHOTOS if index == 0 else f"{PHOTOS}{index + 1}-")),
        ("Search", search(run.search, suffix)),
        *_metrics(run, suffix),
        ("Other devices", other_devices(run, f"device-{index + 1}")),
        ("Training", training(run.training, f"training{suffix}")),
        ("Int8 quantization", quantization(records, f"int8_layers{suffix}")),
        ("Pruned channels", pruning(records)),
        ("Failures and missing values", failures(run)),
        ("Teacher, frames and candidates", compared(run)),
        ("Machine and versions", machine(run)),
        ("Reproduction", reproduction(run)),
    ]
    beside = ("Recommended model", "Pareto front")
    return [
        Section(level, title, tuple(blocks), is_folded, title in beside)
        for parts, is_folded in ((first, False), (rest, True))
        for title, blocks in parts
        if blocks
    ]


def _metrics(run: RunView, suffix: str) -> list[tuple[str, list[Block]]]:
    """A section for each metric; the report draws figures for two of them."""
    drawn = {
        "kinematics": ("Joint angles", joint_angles(run, f"joint_angles{suffix}")),
        "latency": ("Latency", latency_blocks(run, f"time_per_scale{suffix}")),
    }
    return [drawn.get(key) or metric_section(metric, run) for key, metric in metrics_in_order().items()]


def _title(run: RunView) -> str:
    if not run.candidates:
        return "An empty run"
    # A teacher may be a folder; where it lies is told in the section on conditions.
    return f"Compression of {PurePath(run.candidates[0].record.teacher).name}"


def _lead(run: RunView) -> tuple[str, ...]:
    """What was compared, in a few short sentences."""
    others = [candidate for candidate in run.candidates if not candidate.is_teacher]
    failed = [candidate.record.name for candidate in others if candidate.record.error is not None]
    on_front = sum(candidate.on_front for candidate in others)
    if run.search is None:
        texts = [
            f"{counted(len(others), 'candidate')} compared with the teacher{_sample(run)}; {on_front} on the front."
        ]
    else:
        texts = [f"A search of {counts_text(run.search.counts)}; compared with the teacher{_sample(run)}."]
        texts.append(f"{counted(on_front, 'candidate')} on the front. The tables hold the front and the stage table;")
        texts.append("candidates.csv and trials.csv hold all.")
    if failed:
        texts.append(f"Failed: {listed(failed)}.")
    if setups := timing_setups(run):
        texts.append(f"Times: {listed(setups)}{_cpu(run)}, batch 1.")
    if run.teacher is None:
        texts.append("The teacher has no record, so nothing here has a reference.")
    elif run.teacher.error is not None:
        texts.append(f"The teacher failed: {run.teacher.error}")
    return (" ".join(texts),)


def _sample(run: RunView) -> str:
    found = [c.record.facts(Fidelity) for c in run.candidates]
    counts = {fidelity.images for fidelity in found if fidelity is not None}
    source = next((" of " + " and ".join(t) for key, t in run.conditions.items() if key.endswith("source")), "")
    return f" on {counted(max(counts), 'frame')}{source}" if counts else ""


def _cpu(run: RunView) -> str:
    return next((" on " + " and ".join(texts) for key, texts in run.conditions.items() if key.endswith("cpu")), "")


def _paragraphs(run: RunView) -> tuple[Block, ...]:
    return tuple(Paragraph(text) for text in (f"{_title(run)}.", *_lead(run)))
