"""A study -> the facts that its report is drawn from, and the records of its trials."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from compress.recipe.models import TEACHER_ROW
from compress.recipe.search_checks import space_of
from compress.results.records import Record
from compress.results.search_facts import Growth, SearchFacts, TrialFacts
from compress.search.call import SearchCall, SearchPaths
from compress.search.history import TrialEntry, by_root, costs_of
from compress.search.ranking import hypervolume, reference_of
from compress.search.study import SearchStudy
from compress.search.trial_evaluator import record_file

_FEWEST_FOR_IMPORTANCE = 8
_NEXT = 3


def search_facts(call: SearchCall, study: SearchStudy, there: Mapping[str, Record]) -> SearchFacts:
    """there: the records that the report has, by name."""
    entries = study.entries()
    importance, reason = _importance(study, entries)
    space = space_of(call.recipe)
    return SearchFacts(
        name=call.study.name,
        sampler=call.plan.sampler.kind,
        objectives=call.objectives,
        constraints=call.plan.constraints,
        trials=tuple(_trial(climb, there) for climb in by_root(entries).values()),
        growth=_growth(call, entries),
        importance=importance,
        importance_reason=reason,
        next_choices=tuple(study.next_choices(space.data, _NEXT)),
    )


def records_of(out: Path, entries: Sequence[TrialEntry]) -> tuple[Record, ...]:
    """The teacher's, then those of complete and of failed trials, by number, as far as they are in this folder."""
    names = [climb[-1].notes.name for climb in by_root(entries).values() if climb[-1].state in ("complete", "failed")]
    paths = [record_file(SearchPaths(out).trial(name)) for name in (TEACHER_ROW, *names) if name]
    return tuple(Record.model_validate_json(path.read_bytes()) for path in paths if path.is_file())


def _trial(climb: Sequence[TrialEntry], there: Mapping[str, Record]) -> TrialFacts:
    """Everything that was done with the same choices, as one: what it came to last counts."""
    first, last = climb[0], climb[-1]
    name = last.notes.name
    known = [entry for entry in climb if entry.notes.seconds is not None]
    return TrialFacts(
        number=last.root,
        state=last.state,
        choices=dict(first.choices),
        values=dict(last.notes.measured),
        candidate=name if last.state in ("complete", "failed") and name in there else None,
        rung=last.notes.rung,
        started_s=first.notes.started_s,
        seconds=sum(entry.notes.seconds or 0.0 for entry in known) if last.notes.seconds is not None else None,
        is_start=first.notes.enqueued_as is not None,
        error=last.notes.error,
    )


def ranking(entries: Sequence[TrialEntry]) -> list[TrialEntry]:
    """Those that may rank: complete, measured, within the constraints; in the order in which they ended."""
    able = [entry for entry in entries if entry.state == "complete" and entry.notes.feasible and entry.notes.measured]
    return sorted(able, key=lambda entry: entry.notes.started_s + (entry.notes.seconds or 0.0))


def _growth(call: SearchCall, entries: Sequence[TrialEntry]) -> Growth | None:
    able = ranking(entries)
    if not able:
        return None
    costs = [costs_of(entry, call.objectives, call.smaller) for entry in able]
    start = [point for point, entry in zip(costs, able, strict=True) if entry.notes.enqueued_as is not None]
    # Of the plain table where there is one: a network whose maps collapsed would stretch it beyond all use.
    reference = reference_of(start if len(start) > 1 else costs)
    signed = dict(zip(call.objectives, reference, strict=True))
    return Growth(
        trials=tuple(entry.root for entry in able),
        hypervolume=tuple(hypervolume(costs[: n + 1], reference) for n in range(len(costs))),
        reference={
            name: signed[name] if less else -signed[name]
            for name, less in zip(call.objectives, call.smaller, strict=True)
        },
        start_hypervolume=hypervolume(start, reference),
    )


def _importance(study: SearchStudy, entries: Sequence[TrialEntry]) -> tuple[dict[str, dict[str, float]], str | None]:
    chosen = [entry for entry in ranking(entries) if entry.choices]
    if len(chosen) < _FEWEST_FOR_IMPORTANCE:
        return {}, f"{len(chosen)} complete trials with choices are too few; it takes {_FEWEST_FOR_IMPORTANCE}"
    try:
        return study.importance(), None
    except ValueError as error:
        return {}, str(error)
