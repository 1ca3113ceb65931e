"""compress report DIR... [--budget COLUMN=NUMBER,...] [--out DIR]"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compress.common.run_folder import CANDIDATES, ENVIRONMENT, RECIPE, RECORDS
from compress.recipe.loader import stored_recipe
from compress.report.devices import Bench, artefact_names, device_view, read_bench
from compress.report.facts import RunFacts
from compress.report.recommendation import answer
from compress.report.views import report_facts
from compress.report.write import write_report
from compress.results.budget import parse_budget
from compress.results.records import read_records
from compress.results.search_file import kept_search
from compress.run.example_frame import kept_people, why_not_shown
from teachers.common.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("runs", metavar="DIR", nargs="+", type=Path, help="folders that `compress run` left")
    parser.add_argument(
        "--bench", metavar="FILE", nargs="+", default=[], type=Path, help="times that `compress bench` took elsewhere"
    )
    parser.add_argument(
        "--budget", metavar="COLUMN=NUMBER,...", help="name one model within it: latency_ms=30,angle_rmse_deg=3"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the report goes (needed for several runs)")


def call(options: argparse.Namespace) -> int:
    """Draws the report again from the records."""
    if options.out is None and len(options.runs) > 1:
        raise UserError("several runs in one report need --out DIR, so that no run's own report is replaced")
    benches = [read_bench(path) for path in options.bench]
    budget = tuple(str(goal) for goal in parse_budget(options.budget)) if options.budget is not None else ()
    runs = [replace(_facts(folder, benches), budget=budget) for folder in options.runs]
    _refuse_strangers(options.bench, runs)
    out = options.out or options.runs[0]
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; --out needs a folder")
    write_report(out, runs)
    for run in runs if budget else ():
        label = f"{run.label}: " if len(runs) > 1 else ""
        print(f"{label}{_answer(run)}")
    print(f"report: {out / 'report.html'}")
    return 0


def _refuse_strangers(paths: Sequence[Path], runs: Sequence[RunFacts]) -> None:
    for number, path in enumerate(paths):
        if not any(run.devices[number].times for run in runs):
            raise UserError(f"{path}: none of its artefacts is one of these runs' candidates, by their sha256")


def _facts(folder: Path, benches: Sequence[Bench]) -> RunFacts:
    if not (folder / RECIPE).is_file() or not (folder / RECORDS).is_file():
        raise UserError(f"{folder}: holds no finished candidates; a run leaves {RECIPE} and {RECORDS}")
    records = tuple(read_records(folder / RECORDS))
    if not records:
        raise UserError(f"{folder / RECORDS}: holds no finished candidate yet; run the recipe to its end")
    recipe = stored_recipe(folder / RECIPE)
    name = folder.resolve().name
    names = artefact_names(folder / CANDIDATES, records) if benches else {}
    return RunFacts(
        name,
        records,
        recipe.to_yaml(),
        tuple(recipe.objectives),
        _command(folder),
        tuple(recipe.goals),
        tuple(device_view(bench, names, records, recipe.objectives) for bench in benches),
        search=kept_search(folder),
        people=kept_people(folder) if why_not_shown(recipe.data) is None else None,
        why_no_people=why_not_shown(recipe.data) or "",
    )


def _answer(run: RunFacts) -> str:
    """Whom to take, also for those who do not open the page."""
    return answer(report_facts([replace(run, people=None)]).runs[0].ranked, run.budget, run.objectives)


def _command(folder: Path) -> str:
    """What made the run, as it was typed; from the recipe alone where that was not kept."""
    try:
        kept = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        kept = None
    return kept if isinstance(kept, str) else f"compress run {RECIPE}"
