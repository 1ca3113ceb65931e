"""compress run: recipe -> records -> report, in one folder."""

from dataclasses import dataclass, replace
from pathlib import Path

from compress.common.progress import Reporter
from compress.common.run_folder import RECORDS, run_folder
from compress.recipe.models import TEACHER_ROW
from compress.report.facts import RunFacts
from compress.report.write import write_report
from compress.results.records import Record, read_records
from compress.results.tables import candidate_rows
from compress.run.candidates import RunCall, run_candidates, train_along
from compress.run.example_frame import kept_people, why_not_shown
from compress.run.track_results import track_results
from compress.tracking.session import Tracking, open_tracking
from compress.training.engine import wait_for_all
from teachers.common.files import printable


@dataclass(frozen=True)
class RunResult:
    """What a run left behind."""

    out: Path
    records: tuple[Record, ...]
    left: tuple[str, ...] = ()
    """The candidates that a time limit left to a later call."""

    @property
    def failed(self) -> tuple[Record, ...]:
        """The candidates that could not be made."""
        return tuple(record for record in self.records if record.error is not None)


def run(call: RunCall, reporter: Reporter) -> RunResult:
    """Runs a recipe into a folder; what an earlier call finished there is kept.

    Raises UserError if the teacher, the frames or the folder cannot be used; nothing already computed is lost.
    """
    with run_folder(call.out, call.recipe.to_yaml(), call.fresh) as claim:
        inputs = call.inputs(reporter)
        claim()
        wait_for_all()  # from here on the folder holds this recipe's files only, which `follow` looks at
        with open_tracking(call.recipe.tracking, call.out, reporter) as tracking:
            left = run_candidates(call, inputs, tracking, reporter)
            return replace(_report(call, tracking), left=left)


def follow(call: RunCall) -> None:
    """The part of each further process that torchrun started: it trains along, and writes and prints nothing."""
    quiet = Reporter(quiet=True)
    inputs = call.inputs(quiet)
    wait_for_all()
    train_along(call, inputs, quiet)


def _report(call: RunCall, tracking: Tracking) -> RunResult:
    """Draws the report from the records, and tells both to the trackers."""
    out, recipe = call.out, call.recipe
    found = {record.name: record for record in read_records(out / RECORDS)}
    names = (TEACHER_ROW, *(plan.name for plan in recipe.candidates))
    records = tuple(found[name] for name in names if name in found)  # a time limit leaves some to a later call
    facts = RunFacts(
        printable(out.resolve().name),
        records,
        recipe.to_yaml(),
        tuple(recipe.objectives),
        call.command,
        tuple(recipe.goals),
        people=kept_people(out),
        why_no_people=why_not_shown(recipe.data) or "",
        folder=out,
    )
    written = write_report(out, [facts])
    track_results(tracking, out, records, candidate_rows(records, recipe.objectives), written)
    return RunResult(out, records)
