"""A trial's recipe -> its record. What trials have in common is loaded, drawn, exported and timed once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from compress.common.fact_cache import Journal, fact_key
from compress.common.progress import Reporter
from compress.measure.evaluator import Sharing
from compress.recipe.models import CandidatePlan, Recipe
from compress.results.records import Record
from compress.run.runner import Prepared, RunCall
from compress.search.call import JOURNALS, SearchCall, SearchPaths, timing_alone
from compress.steps.remove_stages import RemoveStages
from compress.tracking.session import Tracking
from teachers.registry import teacher_spec


class Announces(Protocol):
    """Told of each recipe before it is worked on."""

    def announce(self, recipe: Recipe) -> None:
        """It comes next."""


class Silent:
    """Nobody else takes part."""

    def announce(self, recipe: Recipe) -> None:
        """See `Announces`."""


class Trials:
    """Measures recipes that differ in little; keeps what those of the same teacher, frames and scales share."""

    def __init__(
        self, call: SearchCall, worker: str, reporter: Reporter, tracking: Tracking, leader: Announces | None = None
    ) -> None:
        self._leader = leader or Silent()
        self._call, self._reporter, self._tracking = call, reporter, tracking
        self._places = SearchPaths(call.out)
        (call.out / JOURNALS).mkdir(exist_ok=True)
        self._journal = Journal(call.out / JOURNALS / f"{worker}.jsonl", beside="*.jsonl")
        self._prepared: dict[str, Prepared] = {}
        self._teachers: dict[str, Record] = {}

    def record(self, recipe: Recipe) -> Record:
        """Makes and measures the recipe's one candidate."""
        prepared = self._prepare(recipe)
        with self._places.alone_on(fact_key("trial", recipe.candidates[0].model_dump(mode="json")["steps"])):
            self._journal.refresh()
            self._leader.announce(recipe)
            return prepared.trial(recipe, self._tracking)

    def follow(self, recipe: Recipe) -> None:
        """A further process's part in making the candidate: it trains along."""
        self._prepare(recipe, compare=False).follow_trial(recipe)

    def failed(self, recipe: Recipe, error: str) -> Record:
        """The record of a recipe whose candidate could not be made."""
        return self._prepare(recipe).failed_trial(recipe, error)

    def teacher(self, recipe: Recipe) -> Record:
        """The teacher's own record on the frames and at the scales of a recipe."""
        setting = _setting(recipe)
        if setting not in self._teachers:
            prepared = self._prepare(recipe)
            with self._places.alone_on(fact_key("trial", setting)):
                self._journal.refresh()
                self._teachers[setting] = prepared.trial(recipe.model_copy(update={"candidates": ()}), self._tracking)
        return self._teachers[setting]

    def setting(self, recipe: Recipe) -> str:
        """Stands for everything that recipes have in common but their candidates."""
        return fact_key("setting", _setting(recipe))

    def _prepare(self, recipe: Recipe, compare: bool = True) -> Prepared:
        """The teacher's stages are compared in one pass: every stage table begins with it."""
        setting = _setting(recipe)
        if setting not in self._prepared:
            stages = recipe.model_copy(update={"candidates": stage_table(recipe)})
            call = RunCall(stages, self._call.out, self._call.command)
            folder = self._places.work / "shared" / fact_key(setting)
            prepared = Prepared(call, self._reporter, Sharing(self._journal, folder, self._quiet))
            if compare:
                with self._places.alone_on(fact_key("stages", setting)):
                    self._journal.refresh()
                    prepared.maps_of_all()
            self._prepared[setting] = prepared
        return self._prepared[setting]

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        with timing_alone():
            self._journal.refresh()  # whoever waited may find that it has been timed
            yield


def stage_table(recipe: Recipe) -> tuple[CandidatePlan, ...]:
    """The teacher's first stages, most first, named as in every recipe of this kind."""
    stages = len(teacher_spec(recipe.teacher).stages)
    return tuple(
        CandidatePlan(name=f"stages-{count}", steps=(RemoveStages(step="remove_stages", stages=count),))
        for count in range(stages - 1, 0, -1)
    )


def _setting(recipe: Recipe) -> str:
    return recipe.model_copy(update={"candidates": (), "search": None, "tracking": ()}).to_yaml()


def record_file(folder: Path) -> Path:
    """A trial's record, in its folder."""
    return folder / "record.json"
