"""One worker: takes trials from the study, measures them, answers. All it needs to know is in the study and on disk."""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from compress.common.formatting import listed
from compress.common.progress import Reporter
from compress.common.run_folder import CANDIDATES
from compress.common.yaml_source import dump_yaml
from compress.recipe.loader import load_recipe
from compress.recipe.models import TEACHER_ROW, Recipe
from compress.recipe.search_checks import space_of
from compress.recipe.search_space import Scalar, assignments
from compress.recipe.trial_data import at_rung, learns, named
from compress.results.columns import number, reasons
from compress.results.goals import judge, parse_goals
from compress.results.records import Record
from compress.run.runner import CANDIDATE_ERRORS
from compress.search.artefact_store import Artefacts
from compress.search.call import SearchCall, SearchPaths
from compress.search.clock import on_one_clock
from compress.search.history import Notes, State, TrialEntry
from compress.search.recovery import Recovery
from compress.search.study import ActiveTrial, SearchStudy, TrialTakenError
from compress.search.successive_halving import Finished, Halving, Promote, Wait, next_action
from compress.search.trial_evaluator import Trials, record_file, stage_table
from teachers.common.files import write_text

_PAUSE_S = 0.5
_REPEATS = 10
"""So many proposals in a row that were tried before, and what is left of the space is tried in order."""


@dataclass(frozen=True)
class Outcome:
    """What a trial came to."""

    state: State
    notes: Notes
    values: tuple[float, ...] | None = None
    constraints: Mapping[str, float] | None = None


class Worker:
    """A process's part in a search."""

    def __init__(self, call: SearchCall, name: str, trials: Trials, reporter: Reporter) -> None:
        plan = call.plan
        self._call, self._name, self._trials, self._reporter = call, name, trials, reporter
        self._places, self._study = SearchPaths(call.out), SearchStudy(call.study)
        self._space = space_of(call.recipe)
        self._rungs = plan.rungs
        self._goals = parse_goals(plan.constraints)
        self._halving = Halving(
            len(plan.rungs), plan.reduction_factor, call.trials or plan.trials, call.objectives, call.smaller
        )
        self._artefacts = None if call.artefacts is None else Artefacts(call.artefacts)
        self._recovery = Recovery(self._study, self._places, call.heartbeat_s)
        self._begun = time.monotonic()
        # Pauses between calls are left out: a call's clock begins where the last one's ended.
        ended = [e.notes.started_s + (e.notes.seconds or 0.0) for e in self._study.entries()]
        self._offset = max(ended, default=0.0)

    def work(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Until nothing is left to do, the time is over, or it is told to stop."""
        self._keep_teacher()
        while not stop():
            try:
                if self._finished_one():
                    continue
            except TrialTakenError as error:
                self._reporter.warn(f"this worker was taken for dead meanwhile, and what it made is dropped: {error}")
                continue
            return

    def _finished_one(self) -> bool:
        """One trial, or a pause where there is none yet; False at the end."""
        with self._places.studying():
            taken = self._next()
        if taken is None:
            return False
        if isinstance(taken, Wait):
            time.sleep(_PAUSE_S)
            return True
        with taken.alive():
            outcome = self._measured(taken)
            self._share(outcome)
        with self._places.studying():
            taken.note(outcome.notes)
            taken.tell(outcome.state, outcome.values, outcome.constraints or {})
        self._say(outcome)
        return True

    def _keep_teacher(self) -> None:
        """The reference of every table. What is wrong with teacher or frames ends the search here, not every trial."""
        path = record_file(self._places.trial(TEACHER_ROW))
        if not path.is_file():
            recipe = self._call.recipe
            record = self._on_one_clock(recipe, self._trials.teacher(recipe))
            write_text(path, record.model_dump_json(indent=1) + "\n")

    def _share(self, outcome: Outcome) -> None:
        """Before the study is told: the files of a finished trial are complete."""
        if self._artefacts is not None and outcome.state in ("complete", "failed") and outcome.notes.name:
            self._artefacts.put(self._call.out, outcome.notes.name)

    def _now(self) -> float:
        return self._offset + time.monotonic() - self._begun

    def _late(self) -> bool:
        limit = self._call.timeout_s
        return limit is not None and time.monotonic() - self._begun >= limit

    def _next(self) -> ActiveTrial | Wait | None:
        """A trial with its choices made and noted; None at the end."""
        self._recovery.take_up()
        entries = self._study.entries()
        self._enqueue_first(entries)
        if self._late():
            return None
        untried = self._untried(entries) if self._circling(entries) else None
        action = next_action(
            self._study.entries(), self._halving, new=untried is not None or not self._circling(entries)
        )
        if isinstance(action, Finished):
            return None
        if isinstance(action, Wait):
            return action
        if isinstance(action, Promote):
            notes = Notes(
                rung=action.entry.notes.rung + 1, first=action.entry.root, enqueued_as=action.entry.notes.enqueued_as
            )
            self._study.enqueue(action.entry.choices, replace(notes, steps=action.entry.notes.steps))
        elif untried is not None and not any(entry.state == "waiting" for entry in self._study.entries()):
            self._study.enqueue(untried, Notes(left_over=True))
        taken = self._study.take()
        if taken.notes.steps is None:
            self._space.data(taken.choose)
        same = self._same(taken)
        if same is not None:
            taken.note(replace(taken.notes, same_as=same, worker=self._name))
            taken.tell("screened", None, {"repeated": 2.0})
            return Wait() if self._late() else self._next()
        taken.note(replace(taken.notes, worker=self._name, started_s=self._now()))
        return taken

    def _enqueue_first(self, entries: Sequence[TrialEntry]) -> None:
        """The plain stage table, then what the recipe names, as far as an interrupted call has not enqueued them."""
        there = {entry.notes.enqueued_as for entry in entries}
        for plan in stage_table(self._call.recipe):
            if plan.name not in there:
                steps = [{"step": "remove_stages", "stages": step.stages} for step in plan.steps]  # type: ignore[attr-defined]
                choices = self._space.choices_for(steps)
                given = None if choices is not None else json.dumps(steps)
                self._study.enqueue(choices or {}, Notes(enqueued_as=plan.name, steps=given))
        for index, point in enumerate(self._call.plan.enqueue):
            if f"enqueued-{index}" not in there:
                self._study.enqueue(point, Notes(enqueued_as=f"enqueued-{index}"))

    def _same(self, taken: ActiveTrial) -> int | None:
        """The trial that has these choices already, or that goes on with them already."""
        mine = taken.notes
        root = taken.number if mine.first is None else mine.first
        for entry in self._study.entries():
            if entry.number >= taken.number or not entry.counts:
                continue
            if entry.root == root:
                if entry.notes.rung == mine.rung:
                    return entry.number
            elif mine.rung == 0 and taken.choices and dict(entry.choices) == taken.choices:
                return entry.number
        return None

    def _circling(self, entries: Sequence[TrialEntry]) -> bool:
        """Whether the sampler has only repeated itself for a while, or there is nothing else to propose."""
        latest = [entry for entry in entries if entry.counts or entry.notes.same_as is not None][-_REPEATS:]
        size = self._space.size
        exhausted = size is not None and len(_tried(entries)) >= size
        return exhausted or (len(latest) == _REPEATS and all(entry.notes.same_as is not None for entry in latest))

    def _untried(self, entries: Sequence[TrialEntry]) -> dict[str, Scalar] | None:
        """Where the sampler goes round in circles, the first choices that were not tried; None where there are none."""
        tried = _tried(entries)
        return next((one for one in assignments(list(self._space.trees.values())) if _spelt(one) not in tried), None)

    def _data(self, taken: ActiveTrial) -> dict[str, Any]:
        steps = taken.notes.steps
        if steps is not None:
            return self._space.with_steps(json.loads(steps))
        return self._space.of(taken.choices)

    def _measured(self, taken: ActiveTrial) -> Outcome:
        """Whatever its recipe makes of it; a mistake or a failure of its own ends the trial, not the search."""
        begun, data = time.monotonic(), self._data(taken)
        notes, short = replace(taken.notes, learns=learns(data)), at_rung(data, self._rungs[taken.notes.rung])
        if short is None:  # nothing but training: there is nothing to look at before
            notes, short = replace(notes, rung=1), at_rung(data, self._rungs[1])
        assert short is not None, "a rung that trains leaves every step"
        name = _name(taken.number, notes, notes.learns and notes.rung < len(self._rungs) - 1)
        notes = replace(notes, name=name)
        folder = self._places.trial(name)
        text = dump_yaml(named(short, name))
        write_text(folder / "recipe.yaml", text)
        with self._places.studying():
            taken.recipe(text)
        recipe: Recipe | None = None
        record: Record | None = None
        try:
            recipe = load_recipe(folder / "recipe.yaml")
            record = self._on_one_clock(recipe, self._trials.record(recipe))
            outcome = self._judged(notes, record)
        except CANDIDATE_ERRORS as error:
            told = f"{type(error).__name__}: {error}"
            outcome = Outcome("failed", replace(notes, error=told))
            record = self._failed(recipe, told)
        taken.require_ours()  # the worker that took the trial up writes the same files
        if record is not None:
            write_text(record_file(folder), record.model_dump_json(indent=1) + "\n")
        if outcome.state == "screened":
            shutil.rmtree(self._call.out / CANDIDATES / name, ignore_errors=True)  # its recipe makes it again
        return replace(outcome, notes=replace(outcome.notes, seconds=time.monotonic() - begun))

    def _failed(self, recipe: Recipe | None, error: str) -> Record | None:
        """None where not even the recipe, or its frames, can be had."""
        try:
            return None if recipe is None else self._trials.failed(recipe, error)
        except CANDIDATE_ERRORS:
            return None

    def _judged(self, notes: Notes, record: Record) -> Outcome:
        measured = {name: number(record, name) for name in self._call.objectives}
        missing = [name for name, value in measured.items() if value is None]
        if missing:
            why = "; ".join(reason for reason, columns in reasons(record).items() if set(missing) & set(columns))
            return Outcome("failed", replace(notes, error=f"{', '.join(missing)}: {why or 'not measured'}"))
        values = {name: value for name, value in measured.items() if value is not None}
        missed = {
            str(result.goal): 1.0 if result.shortfall is None else max(result.shortfall, 1e-9)
            for result in judge(record, self._goals)
            if result.met is not True
        }
        costs = {str(goal) for goal in self._goals if goal.part in (None, "latency", "memory")}
        refused = record.rejected_reason
        if refused is not None:
            missed["int8 collapse check"] = 1.0  # its maps collapsed: whatever its time, it never ranks
        notes = replace(notes, measured=values, feasible=not missed, costly=bool(costs & missed.keys()))
        if notes.learns and self._rungs[notes.rung] < 1:
            return Outcome("screened", notes, None, missed | {"screened": 1 / (1 + notes.rung)})
        return Outcome("complete", notes, tuple(values.values()), {str(goal): 0.0 for goal in self._goals} | missed)

    def _on_one_clock(self, recipe: Recipe, record: Record) -> Record:
        """See `on_one_clock`: before anything reads its times."""
        teacher = self._trials.teacher(recipe)
        with self._places.studying():
            return on_one_clock(record, teacher, self._study.constant)

    def _say(self, outcome: Outcome) -> None:
        notes = outcome.notes
        told = notes.error or ", ".join(f"{name} {value:.4g}" for name, value in notes.measured.items())
        broken = [name for name, value in (outcome.constraints or {}).items() if value > 0 and name != "screened"]
        word = outcome.state if notes.feasible else f"{outcome.state}, misses {listed(broken)}"
        self._reporter.say(f"{notes.name}: {word}: {told}")


def _name(number: int, notes: Notes, partly: bool) -> str:
    """`stages-3`, `trial-0012`, and `trial-0012-rung-0` for what is a first look at it only."""
    root = number if notes.first is None else notes.first
    base = notes.enqueued_as or f"trial-{root:04d}"
    return f"{base}-rung-{notes.rung}" if partly else base


def _tried(entries: Sequence[TrialEntry]) -> set[str]:
    return {_spelt(entry.choices) for entry in entries if entry.choices and entry.counts}


def _spelt(choices: Mapping[str, Scalar]) -> str:
    return json.dumps(dict(choices), sort_keys=True)
