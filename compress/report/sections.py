"""From facts to the document: which sections there are, in which order, and what each says."""

from dataclasses import replace
from typing import Literal

from compress.common.document import Bullets, Code, Paragraph, Row, Table
from compress.common.formatting import counted, listed
from compress.report.ap import ap_blocks
from compress.report.comparison import comparison_blocks, joint_budget_blocks
from compress.report.costs import energy_blocks, packed_blocks
from compress.report.decision import decision_blocks
from compress.report.device_section import device_blocks
from compress.report.document import Block, Document, Picture, Section
from compress.report.explorer import Explorer
from compress.report.facts import CandidateFacts, PlotFacts, ReportFacts, RunView
from compress.report.kinematic_sections import joint_angles
from compress.report.metric_sections import metric_sections
from compress.report.people_section import people_blocks
from compress.report.pruned import pruning_blocks
from compress.report.quantized import quantized_views
from compress.report.quantized_section import quantized_blocks
from compress.report.recipe_words import recipe_words
from compress.report.recommendation import HINT, budget_blocks, goals_and_reasons
from compress.report.runtime_ranks import runtime_blocks
from compress.report.search_sections import mattered_blocks, next_blocks, went_blocks
from compress.report.search_view import counts_words
from compress.report.tables import (
    compared,
    conditions,
    fidelity,
    sizes,
    times_per_scale,
    times_summed,
    timing_setups,
)
from compress.report.training import training_blocks
from compress.report.words import better, cost, doubts
from compress.results.goals import preference

Level = Literal[2, 3]


def document(facts: ReportFacts) -> Document:
    """The whole report. Several runs get a section each and, with equal objectives, one plot together."""
    if len(facts.runs) == 1:
        run = facts.runs[0]
        return Document(_title(run), _lead(run), tuple(_run_sections(run, 0, 2)))
    sections: list[Section] = []
    if facts.combined is not None:
        sections.append(Section(2, "All runs together", (_combined(facts.combined, facts.explorer),)))
    for title, blocks in (
        ("Which one to take out of all runs, for this budget", joint_budget_blocks(facts)),
        ("Run against run", comparison_blocks(facts)),
    ):
        sections += [Section(2, title, tuple(blocks))] if blocks else []
    for index, run in enumerate(facts.runs):
        sections.append(Section(2, run.label, tuple(Paragraph(text) for text in (_title(run) + ".", *_lead(run)))))
        sections.extend(_run_sections(run, index, 3))
    labels = listed([run.label for run in facts.runs])
    lead = f"{counted(len(facts.runs), 'run')}: {labels}. Every ratio is against the teacher of its own run."
    if facts.combined is None:
        lead += " There is no plot over all runs, because their objectives differ or nobody has values on both axes."
    return Document(f"Comparison of {counted(len(facts.runs), 'run')}", (lead,), tuple(sections))


def pareto_name(index: int) -> str:
    """File name, without suffix, of a run's Pareto plot."""
    return "pareto" if index == 0 else f"pareto-{index + 1}"


def scales_name(index: int) -> str:
    """File name, without suffix, of a run's plot of time per image scale."""
    return "time_per_scale" if index == 0 else f"time_per_scale-{index + 1}"


def training_name(index: int) -> str:
    """File name, without suffix, of a run's plot of the trainings."""
    return "training" if index == 0 else f"training-{index + 1}"


def quantized_name(index: int) -> str:
    """File name, without suffix, of a run's plot of what int8 does to each layer."""
    return "int8_layers" if index == 0 else f"int8_layers-{index + 1}"


COMBINED_NAME = "pareto-all"


def _title(run: RunView) -> str:
    teacher = run.candidates[0].record.teacher if run.candidates else "an empty run"
    return f"Smaller candidates for {teacher}"


def _lead(run: RunView) -> tuple[str, ...]:
    """What a reader in a hurry takes away."""
    others = [candidate for candidate in run.candidates if not candidate.is_teacher]
    failed = [candidate for candidate in others if candidate.record.error is not None]
    on_front = [candidate for candidate in others if candidate.on_front]
    if run.search is None:
        first = f"{counted(len(others), 'candidate')} compared with the teacher{_sample(run)}: "
        first += f"{len(on_front)} on the Pareto front, {len(failed)} failed.{_setting(run)}"
    else:
        first = f"A search of {counts_words(run.search.counts)}; {counted(len(on_front), 'candidate')} on the Pareto "
        first += f"front, compared with the teacher{_sample(run)}. Rows below are those of the front and of the plain "
        first += f"stage table; candidates.csv and trials.csv hold everybody.{_setting(run)}"
    if run.teacher is None:
        first += " The teacher itself has no record, so nothing here has a reference."
    elif run.teacher.error is not None:
        first += f" The teacher itself failed: {run.teacher.error}"
    objectives = listed([f"{objective.label} ({better(objective)})" for objective in run.objectives])
    second = (
        f"A candidate is on the front if no other one is at least as good in every objective and better in one. "
        f"The objectives of this run: {objectives}. "
        f"Ratio means candidate time over teacher time: 0.50x is twice as fast. "
        f"The number to look at for the difference is that of the joints."
    )
    return first, second


def _sample(run: RunView) -> str:
    found = [c.record.measurement.fidelity for c in run.candidates]
    counts = {fidelity.images for fidelity in found if fidelity is not None}
    source = next((" of " + " and ".join(t) for key, t in run.conditions.items() if key.endswith("source")), "")
    return f" on {counted(max(counts), 'frame')}{source}" if counts else ""


def _setting(run: RunView) -> str:
    """Where the times come from, if any were taken."""
    setups = timing_setups(run)
    cpu = next((" on " + " and ".join(texts) for key, texts in run.conditions.items() if key.endswith("cpu")), "")
    return f" Times are those of {listed(setups)}{cpu}, batch 1." if setups else ""


def _run_sections(run: RunView, index: int, level: Level) -> list[Section]:
    parts: list[tuple[str, list[Block]]] = [
        ("Which one to take, for this budget", _budget(run)),
        ("Goals, and whom to ship", _goals(run)),
        ("Who is on the front, and what each costs", _front(run, index)),
        ("The front, with everything that decides", decision_blocks(run)),
        ("The same frame, seen by each", people_blocks(run, index)),
        ("How the search went", went_blocks(run.search, index)),
        ("What mattered in the search", mattered_blocks(run.search, index)),
        ("What the search would try next", next_blocks(run.search)),
        ("Difference from the teacher", fidelity(run)),
        ("Joint angles, in degrees", joint_angles(run, index)),
        ("Average precision against labels", ap_blocks(run)),
        ("How they learned", training_blocks(run.training, training_name(index))),
        ("int8: are the maps alive?", _int8(run, index)),
        ("Time per image scale", _scales(run, index)),
        ("Time summed over the scales", [*times_summed(run), *runtime_blocks(run)]),
        ("Times on other devices", device_blocks(run, index)),
        ("Size and memory", sizes(run)),
        ("Energy and activations", energy_blocks(run)),
        ("Packed for the download", packed_blocks(run)),
        *_of_metrics(run),
        ("Channels removed, and what was predicted of it", pruning_blocks(run)),
        ("What failed, and what was not measured", _gaps(run)),
        ("What was compared", [compared(run)]),
        ("Machine and conditions", conditions(run)),
        ("How to reproduce", _reproduce(run)),
    ]
    return [Section(level, title, tuple(blocks)) for title, blocks in parts if blocks]


def _of_metrics(run: RunView) -> list[tuple[str, list[Block]]]:
    return [(title, [*blocks]) for title, blocks in metric_sections(run)]


def _budget(run: RunView) -> list[Block]:
    return budget_blocks(run.ranked, run.budget, [objective.name for objective in run.objectives])


def _int8(run: RunView, index: int) -> list[Block]:
    return quantized_blocks(quantized_views([c.record for c in run.candidates]), quantized_name(index))


def _goals(run: RunView) -> list[Block]:
    """A budget is judged in their place: two answers to one question would be none."""
    if run.budget:
        return []
    names = [candidate.record.name for candidate in run.candidates]
    # Without a search everybody has a row, failed ones too, and `ranked` is everybody.
    return goals_and_reasons(run.ranked, run.goals, [objective.name for objective in run.objectives], names)


def _front(run: RunView, index: int) -> list[Block]:
    on_front = [candidate for candidate in run.candidates if candidate.on_front]
    behind = [c for c in run.candidates if not c.on_front and c.record.error is None]
    if run.search is not None:
        order = [objective.name for objective in run.objectives]
        on_front.sort(key=lambda candidate: preference(candidate.record, order))
    blocks: list[Block] = []
    if run.plot is None:
        blocks.append(Paragraph("There is no Pareto plot: no candidate has values on both of its axes."))
    else:
        blocks.append(_pareto(run.plot, pareto_name(index), run.explorer))
    if on_front:
        blocks += [Paragraph("On the front:"), _sentences(on_front, words=run.search is not None)]
    else:
        blocks.append(Paragraph("Nobody is on the front, because nobody has a value for every objective."))
    if behind:
        blocks += [Paragraph("Not on the front:"), _sentences(behind)]
    if not run.budget and not run.goals:
        blocks.append(Paragraph(HINT))
    if not run.noise and len(on_front) > 1 and all(candidate.record.measurement.latency for candidate in on_front):
        blocks.append(Paragraph("No two candidates lie within timing noise of each other."))
    return blocks


def _sentences(candidates: list[CandidateFacts], words: bool = False) -> Bullets:
    """With `words` also how each was made: the names of a search's trials say nothing."""
    made = {c.record.name: f"{recipe_words(c.record)}. " if words and c.record.steps else "" for c in candidates}
    return Bullets(tuple((c.record.name, f"{made[c.record.name]}{cost(c)}. {doubts(c)}".strip()) for c in candidates))


def _pareto(plot: PlotFacts, name: str, explorer: Explorer | None = None) -> Picture:
    members = listed([point.name for point in plot.points if point.on_front])
    alt = f"Pareto plot of {plot.x.label} against {plot.y.label}. On the front: {members}."
    caption = "The star is the teacher, grey is dominated, bars are 95% intervals."
    if any(point.y_bounds[0] < point.y_bounds[1] for point in plot.points):
        caption += " Those of L2 come from the choice of images, which all share: overlap there does not mean equal."
    kinds = {point.kind for point in plot.points}
    if "start" in kinds:
        caption += " Squares are the plain stage table, with which the search began."
    if "screened" in kinds:
        caption += " Hollow circles were not trained to the end and rank nowhere."
    if "barred" in kinds:
        caption += " Crosses break a constraint or are refused by the int8 guard."
    if plot.left_out:
        caption += f" Not drawn, for want of a value: {listed(plot.left_out)}."
    return Picture(name, alt, caption, plot, explorer=explorer)


def _combined(plot: PlotFacts, explorer: Explorer | None) -> Picture:
    picture = _pareto(plot, COMBINED_NAME, explorer)
    caption = f"{picture.caption} Each shape is a run. Compare times only between runs on the same machine."
    return replace(picture, caption=caption)


def _scales(run: RunView, index: int) -> list[Block]:
    if not run.panels:
        return [Paragraph("No times were measured.")]
    name = scales_name(index)
    alt = f"Bars: median network time of each candidate at {counted(len(run.panels), 'image scale')}."
    caption = (
        "Bars are medians, whiskers reach to the 90th percentile; the ratio to the teacher stands beside each bar."
    )
    return [Picture(name, alt, caption, narrow=f"{name}-narrow"), times_per_scale(run)]


def _gaps(run: RunView) -> list[Block]:
    failed = [(c.record.name, c.record.error) for c in run.candidates if c.record.error is not None]
    blocks: list[Block] = []
    if failed:
        blocks += [Paragraph("Failed:"), Bullets(tuple(failed))]
    else:
        blocks.append(Paragraph("Nothing failed."))
    by_reason: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for candidate in run.candidates:
        for reason, columns in candidate.reasons.items():
            by_reason.setdefault((reason, columns), []).append(candidate.record.name)
    if not by_reason:
        return [*blocks, Paragraph("Everything that was asked for was measured.")]
    head = ("Columns", "Why they are empty", "For")
    rows = tuple(Row((", ".join(columns), why, ", ".join(names))) for (why, columns), names in by_reason.items())
    return [*blocks, Table("Empty columns of candidates.csv", head, rows, words=(0, 1, 2))]


def _reproduce(run: RunView) -> list[Block]:
    return [
        Paragraph("The same frames, candidates and settings again, with the recipe below:"),
        Code(run.command),
        Code(run.recipe, "The recipe of this run"),
    ]
