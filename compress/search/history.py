"""What a study holds, as plain records: everything that is decided from it needs no Optuna."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from compress.recipe.search_space import Scalar

State = Literal["waiting", "running", "complete", "screened", "failed"]


@dataclass(frozen=True)
class Notes:
    """What we note with a trial of the study, each under a name that reads well in a dashboard."""

    name: str | None = None
    """Of the trial's folder and record."""
    enqueued_as: str | None = None
    """Why it was enqueued: `stages-3`, `enqueued-1`; None if the sampler chose it."""
    left_over: bool = False
    """Enqueued because the sampler only repeated itself."""
    steps: str | None = None
    """Steps as JSON, where no choices make them."""
    rung: int = 0
    first: int | None = None
    """The number of the trial in which these choices were tried first, where this one only goes on with them."""
    retry_of: int | None = None
    """The trial whose process died, that this one takes up."""
    retries: int = 0
    same_as: int | None = None
    """The trial that had the same choices; nothing was done."""
    worker: str | None = None
    error: str | None = None
    measured: Mapping[str, float] = field(default_factory=dict)
    """Objectives, by column."""
    costly: bool = False
    """A constraint on its cost, which training cannot change, is missed."""
    feasible: bool = True
    learns: bool = False
    started_s: float = 0.0
    seconds: float | None = None


@dataclass(frozen=True)
class TrialEntry:
    """One trial of the study."""

    number: int
    state: State
    choices: Mapping[str, Scalar]
    """What was chosen; of a waiting trial what is to be."""
    notes: Notes
    beat: int = 0
    """Counted up while its worker is alive, where the storage has no clock of its own."""

    @property
    def root(self) -> int:
        """The number under which these choices were tried first."""
        return self.number if self.notes.first is None else self.notes.first

    @property
    def counts(self) -> bool:
        """Whether it is one of the trials that were asked for: no retry's forerunner, no repetition."""
        return self.notes.same_as is None and not (self.state == "failed" and self.notes.error is None)


def costs_of(entry: TrialEntry, objectives: Sequence[str], smaller: Sequence[bool]) -> tuple[float, ...]:
    """Its objectives, smaller is better."""
    return tuple(
        entry.notes.measured[name] * (1 if less else -1) for name, less in zip(objectives, smaller, strict=True)
    )


def by_root(entries: Sequence[TrialEntry]) -> dict[int, list[TrialEntry]]:
    """Everything that was done with the same choices, in order; repetitions left out."""
    found: dict[int, list[TrialEntry]] = {}
    for entry in entries:
        if entry.counts:
            found.setdefault(entry.root, []).append(entry)
    return found


def lost(entries: Sequence[TrialEntry]) -> list[TrialEntry]:
    """Trials whose process died and that no worker has retried yet."""
    taken = {entry.notes.retry_of for entry in entries}
    return [e for e in entries if e.state == "failed" and e.notes.error is None and e.number not in taken]


def ordinal(entries: Sequence[TrialEntry], number: int) -> int:
    """How many trials came before, retries left out: with it a search that was killed draws what another drew."""
    mine = next((entry for entry in entries if entry.number == number), None)
    if mine is not None and mine.notes.retry_of is not None:
        number = mine.root
    return sum(entry.number < number and entry.notes.retry_of is None for entry in entries)


NOTE_NAMES: tuple[str, ...] = tuple(Notes.__dataclass_fields__)


def notes_from(attributes: Mapping[str, Any]) -> Notes:
    """From a trial's attributes, as far as they are ours."""
    return Notes(**{name: value for name, value in attributes.items() if name in NOTE_NAMES})
