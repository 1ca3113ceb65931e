"""What a worker does next: successive halving over the training budget, for several objectives, one trial at a time.

Li et al. (2020, ASHA): whenever a rung holds enough trials, the best of them go on to the next one; otherwise
something new is tried. The best are the first of `ranking.order`, so no trial waits for a whole rung to fill up.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from compress.search.history import TrialEntry, by_root, costs_of
from compress.search.ranking import order


@dataclass(frozen=True)
class Halving:
    """How trials climb."""

    rungs: int
    """How many there are."""
    reduction_factor: float
    """Of so many trials of a rung one goes on to the next."""
    trials: int
    """How many different ones are wanted."""
    objectives: tuple[str, ...]
    smaller: tuple[bool, ...]


@dataclass(frozen=True)
class Promote:
    """These choices go on to the next rung."""

    entry: TrialEntry


@dataclass(frozen=True)
class Take:
    """A waiting trial, or else a new one."""


@dataclass(frozen=True)
class Wait:
    """What runs elsewhere decides what comes next, or has to be taken up if its process dies."""


@dataclass(frozen=True)
class Finished:
    """There is nothing left to do."""


Action = Promote | Take | Wait | Finished


def next_action(entries: Sequence[TrialEntry], plan: Halving, new: bool = True) -> Action:
    """Decided from the study alone, so that the same history gives the same decision.

    new: whether the sampler may be asked for something new; if not, the search comes to its end.
    """
    if any(entry.state == "waiting" for entry in entries):
        return Take()
    wanted = new and len(by_root(entries)) < plan.trials
    running = any(entry.state == "running" for entry in entries)
    climber = _climber(entries, plan, at_end=not wanted and not running)
    if climber is not None:
        return Promote(climber)
    if wanted:
        return Take()
    return Wait() if running else Finished()


def _climber(entries: Sequence[TrialEntry], plan: Halving, at_end: bool) -> TrialEntry | None:
    """The best trial of the highest rung that has one to send on."""
    for rung in reversed(range(plan.rungs - 1)):
        there = screened(entries, rung)
        gone = {entry.root for entry in entries if entry.notes.rung > rung}
        quota = int(len(there) / plan.reduction_factor + 1e-9)
        if at_end and there:
            quota = max(1, quota)  # few trials: one of them has to be trained
        ranked = [there[i] for i in order([costs_of(e, plan.objectives, plan.smaller) for e in there])]
        climbers = [entry for entry in ranked[:quota] if entry.root not in gone]
        if climbers:
            return climbers[0]
    return None


def screened(entries: Sequence[TrialEntry], rung: int) -> list[TrialEntry]:
    """Trials that were measured at this rung and could go on; those that cost too much never will."""
    return [
        entry
        for entry in entries
        if entry.state == "screened"
        and entry.notes.rung == rung
        and entry.notes.same_as is None
        and entry.notes.measured
        and not entry.notes.costly
    ]
