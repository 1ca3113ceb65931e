"""Pareto front: the plot, and what timing noise and other orders of the candidates leave open."""

from collections.abc import Sequence

from compress.common.document import Bullets, Details, Paragraph
from compress.common.formatting import listed
from compress.report.document import Block, Picture
from compress.report.explorer import Explorer
from compress.report.facts import CandidateFacts, RunView
from compress.report.figures.pareto import pareto_png
from compress.results.column_text import direction_text
from compress.results.rank_agreement import rank_sentences
from compress.results.sentences import NoisyPlace, doubts
from compress.results.step_text import recipe_text


def pareto_front(run: RunView, name: str) -> list[Block]:
    """The plot is called `name` on disk."""
    if run.explorer is None:
        return [Paragraph("There is no Pareto plot: no candidate has values on both of its axes.")]
    return [pareto_picture(run.explorer, name), *_notes(run)]


def pareto_picture(explorer: Explorer, name: str) -> Picture:
    """Of one run, or of several runs that compare."""
    x, y = (explorer.axes[axis] for axis in explorer.chosen)
    members = listed([point.name for point, _, _ in explorer.front()])
    alt = f"Pareto plot of {x.label} against {y.label}. On the front: {members}."
    return Picture(name, alt, _caption(explorer), lambda _: pareto_png(explorer), explorer=explorer)


def _caption(explorer: Explorer) -> str:
    axes = {axis.name: axis for axis in explorer.axes}
    known = [axes[name] for name in explorer.objectives if name in axes]
    objectives = listed([f"{axis.label} ({direction_text(axis)})" for axis in known])
    texts = [f"Objectives: {objectives}." if known else ""]
    texts.append("Star: teacher. Grey: dominated. Bars: 95% intervals.")
    if any(point.intervals[explorer.chosen[1]] for point in explorer.points):
        texts.append("All candidates share the images, so overlapping intervals of L2 do not mean equal.")
    kinds = {point.kind for point in explorer.points}
    if "start" in kinds:
        texts.append("Squares: the stage table, with which the search began.")
    if "screened" in kinds:
        texts.append("Hollow circles: stopped before the last rung of training, not ranked.")
    if "infeasible" in kinds:
        texts.append("Crosses: break a constraint or are rejected by the int8 collapse check.")
    if len(explorer.runs) > 1:
        texts.append("Each shape is a run.")
    if missing := explorer.not_shown():
        texts.append(f"Not drawn, because a value is missing: {listed(missing)}.")
    return " ".join(text for text in texts if text)


def _notes(run: RunView) -> list[Block]:
    on_front = [candidate for candidate in run.candidates if candidate.on_front]
    blocks: list[Block] = []
    if not on_front:
        blocks.append(Paragraph("The front is empty: no candidate has a value for every objective."))
    texts = [*doubts(_noise(run.candidates)), *rank_sentences([candidate.record for candidate in run.candidates])]
    if texts:
        blocks.append(Paragraph(" ".join(texts)))
    if run.search is not None:
        # A trial's name carries no information.
        made = [(c.record.name, f"{recipe_text(c.record)}.") for c in on_front if c.record.steps]
        blocks += [Details("How the candidates on the front were made", (Bullets(tuple(made)),))] if made else []
    return blocks


def _noise(candidates: Sequence[CandidateFacts]) -> list[NoisyPlace]:
    return [NoisyPlace(c.record.name, c.near, c.only_by_noise) for c in candidates if c.near or c.only_by_noise]
