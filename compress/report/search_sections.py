"""What the report says of a search: how it went, what mattered, what it would try next."""

from collections.abc import Mapping

from compress.common.document import Bullets, Paragraph, Row, Table
from compress.common.formatting import counted, listed, percent, significant
from compress.report.document import Block, Picture
from compress.report.recipe_words import shown
from compress.report.search_figures import growth_png, history_png, importance_png
from compress.report.search_view import SearchView, counts_words
from compress.report.words import axis
from compress.results.objectives import OBJECTIVES

_NAMED = 12
"""So many trials of one error, or candidates of one kind, are named."""


def figure_name(what: str, index: int) -> str:
    """File name, without suffix, of a figure of a run's search."""
    return what if index == 0 else f"{what}-{index + 1}"


def went_blocks(view: SearchView | None, index: int) -> list[Block]:
    """Trials, hypervolume, every objective over time, what failed."""
    if view is None:
        return []
    blocks: list[Block] = [Paragraph(_summary(view))]
    if view.growth is not None and view.growth.trials:
        blocks += [Paragraph(_grown(view)), _growth(view, index)]
    else:
        blocks.append(Paragraph("There is no hypervolume yet: no trial was finished."))
    if view.histories:
        blocks.append(_histories(view, index))
    if len(view.per_rung) > 1:
        blocks.append(_rungs(view))
    if view.barred:
        blocks += [Paragraph("Measured, and barred by a constraint or by the int8 guard:"), Bullets(_some(view.barred))]
    if view.failures:
        text = "Failed trials rank nowhere; their recipes and errors are in trials.csv:"
        items = [(_trials(numbers), error) for error, numbers in view.failures]
        blocks += [Paragraph(text), Bullets(tuple(items))]
    return blocks


def _summary(view: SearchView) -> str:
    facts = view.facts
    minutes = view.seconds / 60
    spent = f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{minutes:.0f} minutes"
    goals = listed([f"{OBJECTIVES[name].label}" for name in facts.objectives])
    bounds = f" Constraints: {listed(list(facts.constraints))}." if facts.constraints else ""
    starts = sum(trial.is_start for trial in facts.trials)
    return (
        f"Study {facts.name}, {counts_words(view.counts)}, {spent} of work in all. It varied "
        f"{listed([_path(name) for name in view.varied])}; the sampler, {facts.sampler}, traded {goals} against each "
        f"other.{bounds} It began with {counted(starts, 'start point')}, the plain stage table, and every trial is "
        f"a line of trials.csv."
    )


def _path(name: str) -> str:
    return name.replace("_", " ")


def _grown(view: SearchView) -> str:
    growth, gain = view.facts.growth, view.gain
    assert growth is not None
    reference = listed(
        [f"{OBJECTIVES[k].label if k in OBJECTIVES else k} {v:.4g}" for k, v in growth.reference.items()]
    )
    text = (
        f"Hypervolume is what the front covers up to a fixed point ({reference}): one number for how good a front is."
    )
    if gain is None:
        return f"{text} The plain stage table covers nothing of it, so there is no ratio to it."
    last = growth.hypervolume[-1]
    since = next(n for n, v in zip(growth.trials, growth.hypervolume, strict=True) if v == last)
    quiet = f"; nothing has been added since trial {since}" if since != growth.trials[-1] else ""
    return f"{text} The search's front covers {gain:.2f} times what the plain stage table covers{quiet}."


def _growth(view: SearchView, index: int) -> Picture:
    growth = view.facts.growth
    assert growth is not None
    name = figure_name("hypervolume", index)
    alt = (
        f"Steps: hypervolume of the front rises from {significant(growth.hypervolume[0])} to "
        f"{significant(growth.hypervolume[-1])} over {counted(len(growth.trials), 'trial')}; "
        f"plain stage table {significant(growth.start_hypervolume)}."
    )
    return Picture(name, alt, "Hypervolume of the front after each trial; more is better.", narrow=f"{name}-narrow")


def _histories(view: SearchView, index: int) -> Picture:
    name = figure_name("history", index)
    labels = listed([history.objective.label for history in view.histories])
    return Picture(
        name,
        f"Dots: every trial's {labels}, in the order of the trials, with the best so far as a line.",
        "Each trial in the order of the numbers; hollow ones were not trained to the end, and rank nowhere.",
        narrow=f"{name}-narrow",
    )


def _rungs(view: SearchView) -> Table:
    head = ("Rung", "Trials that got so far")
    rows = tuple(Row(("untrained" if rung == 0 else str(rung), str(count))) for rung, count in view.per_rung)
    return Table("Screening: training is given in rungs, to fewer trials each time", head, rows, words=(0,))


def mattered_blocks(view: SearchView | None, index: int) -> list[Block]:
    """Importance of every varied path."""
    if view is None:
        return []
    importance = _told(view.facts.importance)
    if not importance:
        why = view.facts.importance_reason or "too few trials were trained to the end"
        return [Paragraph(f"Nothing can be said about it: {why}.")]
    name = figure_name("importance", index)
    paths = list(dict.fromkeys(path for shares in importance.values() for path in shares))
    paths.sort(key=lambda path: -max(shares.get(path, 0.0) for shares in importance.values()))
    rows = tuple(
        Row((_path(path), *(percent(shares[path]) if path in shares else "not told" for shares in importance.values())))
        for path in paths
    )
    head = ("What was varied", *(_capital(OBJECTIVES[objective].label) for objective in importance))
    text = (
        "How much of the differences between the trials each varied path explains, for each objective. It says what "
        "mattered within the ranges that were searched, and not in which direction."
    )
    alt = f"Bars: importance of {listed([_path(path) for path in paths])}, for each objective."
    picture = Picture(name, alt, "Shares of each objective's variance.", narrow=f"{name}-narrow")
    return [Paragraph(text), picture, Table("Importance of what was varied", head, rows)]


def _told(importance: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    return {name: shares for name, shares in importance.items() if shares and name in OBJECTIVES}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def next_blocks(view: SearchView | None) -> list[Block]:
    """What the sampler would try."""
    if view is None:
        return []
    if not view.facts.next_choices:
        return [Paragraph("The search names nothing that it would try next.")]
    varied = [name for name in view.varied if any(name in choices for choices in view.facts.next_choices)]
    rows = tuple(
        Row((str(place), *(shown(choices[name]) if name in choices else "does not apply" for name in varied)))
        for place, choices in enumerate(view.facts.next_choices, 1)
    )
    head = ("Next", *(_capital(_path(name)) for name in varied))
    text = "Given more trials, the sampler would go on here; the same command goes on where the search stopped:"
    return [Paragraph(text), Table("What the sampler would choose", head, rows, words=tuple(range(len(head))))]


def _trials(numbers: tuple[int, ...]) -> str:
    shown_numbers = [str(number) for number in numbers[:_NAMED]]
    more = len(numbers) - _NAMED
    text = f"{', '.join(shown_numbers)} and {more} more" if more > 0 else listed(shown_numbers)
    return f"Trial {text}" if len(numbers) == 1 else f"Trials {text}"


def _some(items: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    more = len(items) - _NAMED
    return (*items[:_NAMED], ("and", f"{more} more, in trials.csv")) if more > 0 else items


def search_pictures(view: SearchView | None, index: int) -> dict[str, bytes]:
    """PNG of each figure, by the name that the document calls it by."""
    if view is None:
        return {}
    pictures: dict[str, bytes] = {}
    if view.growth is not None and view.growth.trials:
        name = figure_name("hypervolume", index)
        pictures |= {name: growth_png(view.growth), f"{name}-narrow": growth_png(view.growth, narrow=True)}
    if view.histories:
        name = figure_name("history", index)
        pictures |= {name: history_png(view), f"{name}-narrow": history_png(view, narrow=True)}
    if importance := _told(view.facts.importance):
        name, titles = figure_name("importance", index), {key: axis(OBJECTIVES[key]) for key in importance}
        pictures[name] = importance_png(importance, titles, narrow=False)
        pictures[f"{name}-narrow"] = importance_png(importance, titles, narrow=True)
    return pictures
