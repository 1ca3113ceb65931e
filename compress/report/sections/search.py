"""Search: what was tried, how the front grew, which varied paths mattered, what would be tried next."""

from collections.abc import Mapping

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import counted, listed, percent, significant
from compress.report.document import Block, Picture
from compress.report.figures.bars import importance_png
from compress.report.figures.curves import growth_png, history_png
from compress.report.search_view import SearchView, counts_text
from compress.results.column_text import axis_title, column_label
from compress.results.objectives import OBJECTIVES
from compress.results.search_facts import Growth
from compress.results.step_text import shown

_NAMED = 12
"""So many trials of one error, or candidates of one kind, are named."""


def search(view: SearchView | None, suffix: str) -> list[Block]:
    """All of it; the names of its figures on disk end in `suffix`. Nothing for a run without a search."""
    if view is None:
        return []
    return [*_progress(view, suffix), *_importance(view, suffix), *_next(view)]


def _progress(view: SearchView, suffix: str) -> list[Block]:
    """Trials, hypervolume, every objective over time, what failed."""
    blocks: list[Block] = [Paragraph(_summary(view))]
    if view.growth is not None and view.growth.trials:
        blocks += [Paragraph(_hypervolume(view, view.growth)), _growth(view.growth, f"hypervolume{suffix}")]
    else:
        blocks.append(Paragraph("There is no hypervolume yet: no trial was finished."))
    if view.histories:
        blocks.append(_histories(view, f"history{suffix}"))
    if len(view.per_rung) > 1:
        blocks.append(_rungs(view))
    if view.infeasible:
        blocks += [
            Paragraph("Rejected by a constraint or the int8 collapse check:"),
            Bullets(_some(view.infeasible)),
        ]
    if view.failures:
        text = "Failed trials are not ranked. Their settings and errors are in trials.csv:"
        items = [(_trials(numbers), error) for error, numbers in view.failures]
        blocks += [Paragraph(text), Bullets(tuple(items))]
    return blocks


def _summary(view: SearchView) -> str:
    facts = view.facts
    minutes = view.seconds / 60
    spent = f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{minutes:.0f} minutes"
    starts = sum(trial.is_start for trial in facts.trials)
    sentences = [
        f"Study {facts.name}: {counts_text(view.counts)}; {spent} of work in all.",
        f"Varied: {listed([_path(name) for name in view.varied])}.",
        f"Sampler: {facts.sampler}. Objectives: {listed([column_label(name) for name in facts.objectives])}.",
        f"Constraints: {listed(list(facts.constraints))}." if facts.constraints else "",
        f"The search began with {counted(starts, 'start point')}, the stage table.",
        "Every trial is a line of trials.csv.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _path(name: str) -> str:
    return name.replace("_", " ")


def _hypervolume(view: SearchView, growth: Growth) -> str:
    reference = listed([f"{column_label(name)} {value:.4g}" for name, value in growth.reference.items()])
    text = f"Hypervolume measures how good a front is: what it dominates up to a fixed point ({reference})."
    if view.gain is None:
        return f"{text} That of the stage table is zero, so there is no ratio to it."
    last = growth.hypervolume[-1]
    reached = next(count for count, volume in enumerate(growth.hypervolume, 1) if volume == last)
    since = len(growth.hypervolume) - reached
    quiet = f" The last {counted(since, 'finished trial')} added nothing." if since else ""
    return f"{text} The search reached {view.gain:.2f} times the hypervolume of the stage table.{quiet}"


def _growth(growth: Growth, name: str) -> Picture:
    alt = (
        f"Steps: hypervolume of the front rises from {significant(growth.hypervolume[0])} to "
        f"{significant(growth.hypervolume[-1])} over {counted(len(growth.trials), 'finished trial')}; "
        f"stage table {significant(growth.start_hypervolume)}."
    )
    caption = "Hypervolume of the front after each finished trial; higher is better."
    return Picture(name, alt, caption, lambda narrow: growth_png(growth, narrow), has_narrow=True)


def _histories(view: SearchView, name: str) -> Picture:
    labels = listed([history.objective.label for history in view.histories])
    stopped = any(moment.kind == "screened" for history in view.histories for moment in history.moments)
    hollow = " Hollow: stopped before the last rung, not ranked." if stopped else ""
    return Picture(
        name,
        f"Dots: every trial's {labels}, in the order of the trials, with the best so far as a line.",
        "Trials in the order of their numbers." + hollow,
        lambda narrow: history_png(view.histories, narrow),
        has_narrow=True,
    )


def _rungs(view: SearchView) -> Table:
    head = ("Rung", "Trials that reached it")
    rows = tuple(Row(("untrained" if rung == 0 else str(rung), str(count))) for rung, count in view.per_rung)
    return Table("Successive halving: each rung trains fewer trials for longer", head, rows, words=(0,))


def _importance(view: SearchView, suffix: str) -> list[Block]:
    """How much of each objective's differences every varied path explains."""
    told = {name: shares for name, shares in view.facts.importance.items() if shares and name in OBJECTIVES}
    if not told:
        why = view.facts.importance_reason or "too few trials are complete"
        return [Paragraph(f"The importance of the varied paths is not known: {why}.")]
    paths = list(dict.fromkeys(path for shares in told.values() for path in shares))
    paths.sort(key=lambda path: -max(shares.get(path, 0.0) for shares in told.values()))
    rows = tuple(
        Row((_path(path), *(percent(shares[path]) if path in shares else "not told" for shares in told.values())))
        for path in paths
    )
    head = ("Varied path", *(_capital(column_label(objective)) for objective in told))
    text = (
        "Importance: the share of each objective's variance that a varied path explains within the searched ranges. "
        "It does not tell the direction."
    )
    alt = f"Bars: importance of {listed([_path(path) for path in paths])}, for each objective."
    return [Paragraph(text), _importance_picture(told, alt, suffix), Table("Importance", head, rows)]


def _importance_picture(told: Mapping[str, Mapping[str, float]], alt: str, suffix: str) -> Picture:
    titles = {name: axis_title(OBJECTIVES[name]) for name in told}
    return Picture(
        f"importance{suffix}",
        alt,
        "Shares of each objective's variance.",
        lambda narrow: importance_png(told, titles, narrow),
        has_narrow=True,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _next(view: SearchView) -> list[Block]:
    """What the sampler would choose."""
    if not view.facts.next_choices:
        return [Paragraph("The sampler proposes no further trials.")]
    varied = [name for name in view.varied if any(name in choices for choices in view.facts.next_choices)]
    rows = tuple(
        Row((str(place), *(shown(choices[name]) if name in choices else "does not apply" for name in varied)))
        for place, choices in enumerate(view.facts.next_choices, 1)
    )
    head = ("Next", *(_capital(_path(name)) for name in varied))
    return [Table("What the sampler would try next", head, rows, words=tuple(range(len(head))))]


def _trials(numbers: tuple[int, ...]) -> str:
    shown_numbers = [str(number) for number in numbers[:_NAMED]]
    more = len(numbers) - _NAMED
    text = f"{', '.join(shown_numbers)} and {more} more" if more > 0 else listed(shown_numbers)
    return f"Trial {text}" if len(numbers) == 1 else f"Trials {text}"


def _some(items: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    more = len(items) - _NAMED
    return (*items[:_NAMED], ("and", f"{more} more, in trials.csv")) if more > 0 else items
