"""A trial's recipe -> its record. What trials have in common is loaded, drawn, exported and timed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from compress.common.fact_cache import FactCache, fact_key
from compress.common.progress import Reporter
from compress.common.run_folder import WORK
from compress.core.built import Built
from compress.export.onnx_export import structure
from compress.recipe.models import CandidatePlan, Recipe
from compress.results.records import Record
from compress.run.inputs import open_inputs
from compress.run.runner import CandidateRunner, Planned, RunOptions, planned
from compress.search.call import JOURNALS, SearchCall, SearchPaths, timing_alone
from compress.steps.remove_stages import RemoveStages
from compress.tracking.session import Tracking
from teachers.registry import teacher_spec


class Announces(Protocol):
    """Told of each recipe before it is worked on."""

    def announce(self, recipe: Recipe) -> None:
        """It comes next."""


class Silent:
    """No other process takes part."""

    def announce(self, recipe: Recipe) -> None:
        """See `Announces`."""


@dataclass(frozen=True)
class TrialRunners:
    """What trials of the same teacher, frames and scales are made with."""

    trials: CandidateRunner
    stage_table: CandidateRunner
    """Builds into a folder that belongs to no single trial."""
    stages: tuple[Planned, ...]
    """The teacher and its first stages."""

    @cached_property
    def built_stages(self) -> list[Built]:
        """The teacher first."""
        return [self.stage_table.build(plan) for plan in self.stages]


class Trials:
    """Measures recipes that differ in little; keeps what those of the same teacher, frames and scales share."""

    def __init__(
        self, call: SearchCall, worker: str, reporter: Reporter, tracking: Tracking, leader: Announces | None = None
    ) -> None:
        self._leader = leader or Silent()
        self._call, self._reporter, self._tracking = call, reporter, tracking
        self._places = SearchPaths(call.out)
        (call.out / JOURNALS).mkdir(exist_ok=True)
        self._cache = FactCache(call.out / JOURNALS / f"{worker}.jsonl", beside="*.jsonl")
        self._runners: dict[str, TrialRunners] = {}
        self._compared: set[str] = set()
        self._teachers: dict[str, Record] = {}

    def record(self, recipe: Recipe) -> Record:
        """Makes and measures the recipe's one candidate."""
        runners, plan = self._compared_runners(recipe), planned(recipe)[-1]
        with self._places.alone_on(fact_key("trial", recipe.candidates[0].model_dump(mode="json")["steps"])):
            self._cache.refresh()
            self._leader.announce(recipe)
            made = runners.trials.build(plan)
            measured = runners.trials.measure([runners.built_stages[0], made])
            return runners.trials.record(plan, made, measured[plan.name])

    def follow(self, recipe: Recipe) -> None:
        """A further process's part in making the candidate: it trains along."""
        runner = self._runners_of(recipe).trials
        self._cache.refresh()
        runner.follow(planned(recipe)[-1])

    def failed(self, recipe: Recipe, error: str) -> Record:
        """The record of a recipe whose candidate could not be made."""
        return self._compared_runners(recipe).trials.failed_record(planned(recipe)[-1], error)

    def teacher(self, recipe: Recipe) -> Record:
        """The teacher's own record on the frames and at the scales of a recipe."""
        setting = _setting(recipe)
        if setting not in self._teachers:
            runner, plan = self._compared_runners(recipe).trials, planned(recipe)[0]
            with self._places.alone_on(fact_key("trial", setting)):
                self._cache.refresh()
                made = runner.build(plan)
                self._teachers[setting] = runner.record(plan, made, runner.measure([made])[plan.name])
        return self._teachers[setting]

    def _compared_runners(self, recipe: Recipe) -> TrialRunners:
        """The teacher's stages are compared in one pass: every stage table begins with it."""
        runners, setting = self._runners_of(recipe), _setting(recipe)
        if setting not in self._compared:
            with self._places.alone_on(fact_key("stages", setting)):
                self._cache.refresh()
                runners.stage_table.compare_frames(runners.built_stages)
            self._compared.add(setting)
        return runners

    def _runners_of(self, recipe: Recipe) -> TrialRunners:
        setting = _setting(recipe)
        if setting not in self._runners:
            stages = recipe.model_copy(update={"candidates": stage_table(recipe), "inference": None})
            inputs = open_inputs(stages, self._call.out / WORK, self._reporter, learns=True)
            shared = self._places.work / "shared" / fact_key(setting)
            options = RunOptions(
                out=self._call.out,
                reporter=self._reporter,
                tracking=self._tracking,
                timing_lock=self._timing_lock,
                timed_as=_by_structure,
                teacher_maps=shared / "teacher-maps",
            )
            self._runners[setting] = TrialRunners(
                trials=CandidateRunner(inputs, self._cache, options),
                stage_table=CandidateRunner(inputs, self._cache, replace(options, out=shared)),
                stages=planned(stages),
            )
        return self._runners[setting]

    @contextmanager
    def _timing_lock(self) -> Iterator[None]:
        with timing_alone():
            self._cache.refresh()  # meanwhile another worker may have timed it
            yield


def _by_structure(built: Built) -> Built:
    """The same, called by what decides its time: what is built alike is timed once, whatever weights it has."""
    found = structure(built.artefact)
    return replace(built, name=found, candidate=replace(built.candidate, id=found))


def stage_table(recipe: Recipe) -> tuple[CandidatePlan, ...]:
    """The teacher's first stages, most first, named as in every recipe of this kind."""
    stages = len(teacher_spec(recipe.teacher).stages)
    return tuple(
        CandidatePlan(name=f"stages-{count}", steps=(RemoveStages(step="remove_stages", stages=count),))
        for count in range(stages - 1, 0, -1)
    )


def _setting(recipe: Recipe) -> str:
    return recipe.model_copy(update={"candidates": (), "inference": None, "search": None, "tracking": ()}).to_yaml()


def record_file(folder: Path) -> Path:
    """A trial's record, in its folder."""
    return folder / "record.json"
