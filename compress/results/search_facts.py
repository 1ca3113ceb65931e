"""What a search hands the report: plain facts, so that drawing and wording need no Optuna."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ParameterValue = str | int | float | bool | None
State = Literal["complete", "screened", "failed", "running", "waiting"]


@dataclass(frozen=True)
class TrialFacts:
    """One trial of a study."""

    number: int
    state: State
    """screened: measured untrained or after a short training, and not worth more; never ranks beside complete ones."""
    choices: Mapping[str, ParameterValue]
    """What was varied, by a readable name of the recipe's path."""
    values: Mapping[str, float]
    """Measured objectives by column of candidates.csv; what was not measured is absent."""
    candidate: str | None
    """Name of its record; None if it ended before there was one."""
    rung: int
    """How much training it was given: 0 none, the last rung the whole."""
    started_s: float
    """Seconds of work since the study began, pauses between calls left out; not a clock that can be set."""
    seconds: float | None
    """How long it took; None while it runs."""
    is_start: bool
    """Enqueued before the sampler chose anything."""
    error: str | None


@dataclass(frozen=True)
class Growth:
    """Hypervolume of the front after each finished trial, of one study."""

    trials: tuple[int, ...]
    hypervolume: tuple[float, ...]
    reference: Mapping[str, float]
    """The point that volumes are measured to, by objective."""
    start_hypervolume: float
    """Of the start points alone: the plain stage table."""


@dataclass(frozen=True)
class SearchFacts:
    """One study, as the report is given it."""

    name: str
    sampler: str
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    """As the recipe spells them, `oks >= 0.85`."""
    trials: tuple[TrialFacts, ...]
    growth: Growth | None
    """None before anything finished."""
    importance: Mapping[str, Mapping[str, float]]
    """Objective -> varied path -> share; empty where there are too few trials."""
    importance_reason: str | None
    """Why `importance` is empty."""
    next_choices: tuple[Mapping[str, ParameterValue], ...]
    """What the sampler would try next."""
