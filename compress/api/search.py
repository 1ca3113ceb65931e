"""recipe with `search` -> study -> trials -> records -> report. A second call goes on where the first stopped."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from compress.common.progress import Reporter
from compress.common.run_folder import RECORDS, write_environment
from compress.report.facts import RunFacts
from compress.report.search_view import ranked_records
from compress.report.write import write_report
from compress.results.records import Record
from compress.results.search_facts import SearchFacts
from compress.results.tables import candidate_rows
from compress.run.example_frame import kept_people, why_not_shown
from compress.run.track_results import track_results
from compress.search.artefact_store import Artefacts
from compress.search.call import SearchCall, SearchPaths, search_folder
from compress.search.example_people import keep_front_people
from compress.search.history import TrialEntry
from compress.search.processes import refuse_crowding, work_here, work_in_processes
from compress.search.results import records_of, search_facts
from compress.search.study import SearchStudy
from compress.search.trial_evaluator import record_file
from compress.tracking.session import open_tracking
from teachers.common.files import printable, write_text


@dataclass(frozen=True)
class SearchResult:
    """What a search has come to so far."""

    records: tuple[Record, ...]
    facts: SearchFacts
    well: bool
    """Whether no worker gave up."""

    @property
    def ranked(self) -> tuple[Record, ...]:
        """The records that compete for the front: complete, and within the constraints."""
        return ranked_records(self.records, self.facts)


def search(call: SearchCall, reporter: Reporter) -> SearchResult:
    """Works on the search until its trials are done or the time is over, then reports on what is there.

    UserError if recipe, folder or storage cannot be used.
    """
    refuse_crowding(call)
    if call.artefacts is not None:
        Artefacts(call.artefacts)
    _ = call.plan, call.url  # what is wrong with these is said before anything is made
    with search_folder(call):
        study = SearchStudy(call.study)
        if call.workers == 1:
            work_here(call, reporter)
            well = True
        else:
            well = work_in_processes(call, reporter)
        with SearchPaths(call.out).alone_on("report"):
            return _report(call, study, reporter, well)


def _report(call: SearchCall, study: SearchStudy, reporter: Reporter, well: bool) -> SearchResult:
    out, recipe = call.out, call.recipe
    entries = study.entries()
    _fetch_missing(call, entries)
    records = records_of(out, entries)
    write_environment(out, records[0].conditions | {"command": call.command})
    _tell_missing(entries, records, reporter)
    write_text(out / RECORDS, "".join(json.dumps(r.model_dump(mode="json"), sort_keys=True) + "\n" for r in records))
    facts = search_facts(call, study, {record.name: record for record in records})
    ranked = ranked_records(records, facts)
    keep_front_people(out, recipe, ranked, call.objectives, reporter)
    run = RunFacts(
        printable(out.resolve().name),
        records,
        recipe.to_yaml(),
        call.objectives,
        call.command,
        tuple(recipe.goals),
        people=kept_people(out),
        why_no_people=why_not_shown(recipe.data) or "",
        folder=out,
    )
    written = write_report(out, [run], facts)
    with open_tracking(recipe.tracking, out, reporter, "search") as tracking:
        rows = candidate_rows(records, call.objectives, [record.name for record in ranked])
        track_results(tracking, out, records, rows, written)
    return SearchResult(records, facts, well)


def _fetch_missing(call: SearchCall, entries: Sequence[TrialEntry]) -> None:
    """Trials of machines that share an object store with this one."""
    if call.artefacts is not None:
        store = Artefacts(call.artefacts)
        for entry in entries:
            name = entry.notes.name
            if (
                name
                and entry.state in ("complete", "failed")
                and not record_file(SearchPaths(call.out).trial(name)).exists()
            ):
                store.pull(call.out, name)


def _tell_missing(entries: Sequence[TrialEntry], records: Sequence[Record], reporter: Reporter) -> None:
    """Trials of machines that write elsewhere are in the study, and their records are not here."""
    there = {record.name for record in records}
    absent = [e.notes.name for e in entries if e.state == "complete" and e.notes.name not in there]
    if absent:
        reporter.warn(f"{len(absent)} trials were measured in another folder, and the report lacks their records")
