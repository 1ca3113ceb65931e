"""All candidates of a recipe into one folder: what is recorded already is kept, the rest is built and measured."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from compress.common.environment import usable_cores
from compress.common.fact_cache import FactCache
from compress.common.progress import Reporter
from compress.common.run_folder import JOURNAL, RECORDS, WORK, write_environment
from compress.common.time_limit import TimeIsUp, TimeLimit
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
    limit: TimeLimit = TimeLimit()  # noqa: RUF009 - frozen

    def inputs(self, reporter: Reporter) -> RunInputs:
        """Loaded and checked; nothing is written."""
        return open_inputs(self.recipe, self.out / WORK, reporter, self.recipe.learns)


def run_candidates(call: RunCall, inputs: RunInputs, tracking: Tracking, reporter: Reporter) -> tuple[str, ...]:
    """Builds, measures and records whatever is not recorded yet; the names of those left when the time was up."""
    out, path = call.out, call.out / RECORDS
    runner = CandidateRunner(inputs, FactCache(out / JOURNAL), RunOptions(out, reporter, tracking, limit=call.limit))
    command = {"command": call.command}
    write_environment(out, inputs.conditions | command)
    recipe = call.recipe.model_dump(mode="json")
    tracking.config({"recipe": recipe, "conditions": inputs.conditions, **command})
    plans = planned(call.recipe)
    known = {record.name: record.key for record in read_records(path) if record.error is None}
    waiting = {plan.name for plan in plans if known.get(plan.name) != runner.identity(plan).key}
    # Also where all are finished: an artefact that was damaged or deleted since is made again.
    built, errors, left = _build(runner, plans, call.limit, reporter)
    for plan in plans:
        if plan.name in errors:
            append_record(path, runner.failed_record(plan, errors[plan.name]))
    waiting -= set(left)
    if not waiting and not errors and not left:
        reporter.say("every candidate was finished by an earlier call; the report is drawn again")
    else:
        measured = runner.measure(list(built.values()))
        for plan in plans:
            if plan.name in waiting and plan.name in built:
                append_record(path, runner.record(plan, built[plan.name], measured[plan.name]))
    # One frame with the people that each network finds, for the report; the teacher is the first of the built ones.
    keep_people(out, call.recipe.data, inputs.sample, wanted(list(built.values())), usable_cores())
    return left


def train_along(call: RunCall, inputs: RunInputs, reporter: Reporter) -> None:
    """A further process's part: it goes through the candidates in the first process's order, and writes nothing."""
    runner = CandidateRunner(inputs, FactCache(call.out / JOURNAL), RunOptions(call.out, reporter, limit=call.limit))
    with suppress(TimeIsUp):  # the first process stops at the same step
        for plan in planned(call.recipe):
            with suppress(*CANDIDATE_ERRORS):  # the first process fails alike, and records it
                runner.follow(plan)


def _build(
    runner: CandidateRunner, plans: Sequence[Planned], limit: TimeLimit, reporter: Reporter
) -> tuple[dict[str, Built], dict[str, str], tuple[str, ...]]:
    """By name: what was built, why others were not; and who is left because the time was up, in order."""
    built: dict[str, Built] = {}
    errors: dict[str, str] = {}
    left: list[str] = []
    for plan in reporter.track(plans, "candidates", len(plans)):
        if limit.over() and not plan.is_teacher:
            left.append(plan.name)
            continue
        try:
            built[plan.name] = runner.build(plan)
        except TimeIsUp as up:
            reporter.warn(f"{plan.name}: {up}")
            left.append(plan.name)
        except CANDIDATE_ERRORS as error:
            if plan.is_teacher:
                raise  # without the teacher there is nothing to compare with
            errors[plan.name] = f"{type(error).__name__}: {error}"
    return built, errors, tuple(left)
