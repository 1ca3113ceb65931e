"""All candidates of a recipe into one folder: what is recorded already is kept, the rest is built and measured."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from compress.common.environment import usable_cores
from compress.common.fact_cache import FactCache
from compress.common.progress import Reporter
from compress.common.run_folder import JOURNAL, RECORDS, WORK, write_environment
from compress.core.built import Built
from compress.recipe.models import Recipe
from compress.results.records import append_record, read_records
from compress.run.example_frame import keep_people, wanted
from compress.run.inputs import RunInputs, open_inputs
from compress.run.runner import CANDIDATE_ERRORS, CandidateRunner, Planned, RunOptions, planned
from compress.tracking.session import Tracking


@dataclass(frozen=True)
class RunCall:
    """One call: which recipe, into which folder, and what the user typed."""

    recipe: Recipe
    out: Path
    command: str
    fresh: bool = False

    def inputs(self, reporter: Reporter) -> RunInputs:
        """Loaded and checked; nothing is written."""
        return open_inputs(self.recipe, self.out / WORK, reporter, self.recipe.learns)


def run_candidates(call: RunCall, inputs: RunInputs, tracking: Tracking, reporter: Reporter) -> None:
    """Builds, measures and records whatever is not recorded yet."""
    out, path = call.out, call.out / RECORDS
    runner = CandidateRunner(inputs, FactCache(out / JOURNAL), RunOptions(out, reporter, tracking))
    command = {"command": call.command}
    write_environment(out, inputs.conditions | command)
    recipe = call.recipe.model_dump(mode="json")
    tracking.config({"recipe": recipe, "conditions": inputs.conditions, **command})
    plans = planned(call.recipe)
    known = {record.name: record.key for record in read_records(path) if record.error is None}
    waiting = {plan.name for plan in plans if known.get(plan.name) != runner.identity(plan).key}
    # Also where all are finished: an artefact that was damaged or deleted since is made again.
    built, errors = _build(runner, plans, reporter)
    for plan in plans:
        if plan.name in errors:
            append_record(path, runner.failed_record(plan, errors[plan.name]))
    if not waiting and not errors:
        reporter.say("every candidate was finished by an earlier call; the report is drawn again")
    else:
        measured = runner.measure(list(built.values()))
        for plan in plans:
            if plan.name in waiting and plan.name in built:
                append_record(path, runner.record(plan, built[plan.name], measured[plan.name]))
    # One frame with the people that each network finds, for the report; the teacher is the first of the built ones.
    keep_people(out, call.recipe.data, inputs.sample, wanted(list(built.values())), usable_cores())


def train_along(call: RunCall, inputs: RunInputs, reporter: Reporter) -> None:
    """A further process's part: it goes through the candidates in the first process's order, and writes nothing."""
    runner = CandidateRunner(inputs, FactCache(call.out / JOURNAL), RunOptions(call.out, reporter))
    for plan in planned(call.recipe):
        with suppress(*CANDIDATE_ERRORS):  # the first process fails alike, and records it
            runner.follow(plan)


def _build(
    runner: CandidateRunner, plans: Sequence[Planned], reporter: Reporter
) -> tuple[dict[str, Built], dict[str, str]]:
    """By name: what was built, and why the others were not."""
    built: dict[str, Built] = {}
    errors: dict[str, str] = {}
    for plan in reporter.track(plans, "candidates", len(plans)):
        try:
            built[plan.name] = runner.build(plan)
        except CANDIDATE_ERRORS as error:
            if plan.is_teacher:
                raise  # without the teacher there is nothing to compare with
            errors[plan.name] = f"{type(error).__name__}: {error}"
    return built, errors
