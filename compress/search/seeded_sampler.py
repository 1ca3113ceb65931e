"""Optuna's samplers, each trial with a seed of its own."""

import copy
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from compress.common.fact_cache import fact_key
from compress.recipe.search_plan import SamplerPlan
from compress.search.history import State, TrialEntry, notes_from, ordinal

STATES: Mapping[TrialState, State] = {
    TrialState.WAITING: "waiting",
    TrialState.RUNNING: "running",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "screened",
    TrialState.FAIL: "failed",
}
_FIXED = "fixed_params"
BEAT = "heartbeat"
"""A trial's attribute that its worker counts up where the storage has no clock of its own."""


def entry_of(trial: FrozenTrial) -> TrialEntry:
    """Optuna's record of a trial as ours."""
    choices = {**trial.system_attrs.get(_FIXED, {}), **trial.params}
    beat = int(trial.user_attrs.get(BEAT, 0))
    return TrialEntry(trial.number, STATES[trial.state], choices, notes_from(trial.user_attrs), beat)


class SeededSampler(BaseSampler):
    """The sampler of a plan, made anew for every trial with a seed of its own.

    So what is proposed follows from the seed, the trial's ordinal and the history alone: a process that was killed and
    started again does not draw its first numbers once more, and neither do several workers of one seed.
    """

    def __init__(self, plan: SamplerPlan) -> None:
        self._plan = plan
        self._inner: tuple[int, BaseSampler] | None = None

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(study, trial).infer_relative_search_space(_with_choices(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._of(study, trial).sample_relative(_with_choices(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._of(study, trial).sample_independent(_with_choices(study), trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._of(study, trial).before_trial(study, trial)

    def _of(self, study: Study, trial: FrozenTrial) -> BaseSampler:
        if self._inner is None or self._inner[0] != trial.number:
            entries = [entry_of(one) for one in study.get_trials(deepcopy=False)]
            drawn = fact_key("sampler", self._plan.seed, ordinal(entries, trial.number))
            self._inner = trial.number, _sampler(self._plan, int(drawn, 16) % 2**32)
        return self._inner[1]


def _with_choices(study: Study) -> Study:
    """The study as samplers should see it.

    Without trials that were given their steps: having no choices, they would empty the space that is common to all.
    Without the first looks at what was trained later: the same choices would count as good and as bad.
    """
    view = copy.copy(study)
    find = study._get_trials

    def trials(*args: Any, **kwargs: Any) -> list[FrozenTrial]:
        found = find(*args, **kwargs)
        climbed = {one.user_attrs.get("first") for one in found if one.state == TrialState.COMPLETE}
        return [
            one
            for one in found
            if not one.state.is_finished() or (one.params and (one.state, one.number in climbed) != _FIRST_LOOK)
        ]

    view._get_trials = trials  # type: ignore[method-assign]
    return view


_FIRST_LOOK = (TrialState.PRUNED, True)


def _sampler(plan: SamplerPlan, seed: int) -> BaseSampler:
    if plan.kind == "tpe":
        return TPESampler(seed=seed, n_startup_trials=plan.startup, multivariate=True, group=True, constant_liar=True)
    if plan.kind == "gp":
        return GPSampler(seed=seed, n_startup_trials=plan.startup, warn_independent_sampling=False)
    if plan.kind == "nsga2":
        return NSGAIISampler(seed=seed, population_size=plan.population)
    if plan.kind == "nsga3":
        return NSGAIIISampler(seed=seed, population_size=plan.population)
    return RandomSampler(seed=seed)
