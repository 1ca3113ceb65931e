"""compress report DIR... [--budget COLUMN=NUMBER,...] [--out DIR]"""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

from compress.cli.paths import a_path
from compress.common.run_folder import CANDIDATES, ENVIRONMENT, FIGURES, RECIPE, RECORDS
from compress.recipe.loader import stored_recipe
from compress.report.bench_times import Bench, artefact_names, device_view, read_bench
from compress.report.collect import report_facts
from compress.report.facts import ReportFacts, RunFacts
from compress.report.sections.outline import about
from compress.report.write import write_report
from compress.results.budget import parse_budget
from compress.results.records import read_records
from compress.results.search_file import kept_search
from compress.results.sentences import verdict
from compress.run.example_frame import kept_people, why_not_shown
from teachers.common.errors import UserError
from teachers.common.files import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("runs", metavar="DIR", nargs="+", type=a_path, help="folders that `compress run` left")
    parser.add_argument(
        "--bench", metavar="FILE", nargs="+", default=[], type=a_path, help="times that `compress bench` took elsewhere"
    )
    parser.add_argument(
        "--budget", metavar="COLUMN=NUMBER,...", help="recommend one model within it: latency_ms=30,angle_rmse_deg=3"
    )
    parser.add_argument("--out", metavar="DIR", type=a_path, help="where the report goes (needed for several runs)")


def call(options: argparse.Namespace) -> int:
    """Draws the report again from the records."""
    if options.out is None and len(options.runs) > 1:
        raise UserError("several runs in one report need --out DIR, so that no run's own report is replaced")
    benches = [read_bench(path) for path in options.bench]
    budget = tuple(str(goal) for goal in parse_budget(options.budget)) if options.budget is not None else ()
    labels = labels_of(options.runs)
    found = zip(options.runs, labels, strict=True)
    runs = [replace(_facts(folder, label, benches), budget=budget) for folder, label in found]
    _refuse_strangers(options.bench, runs)
    out = options.out or options.runs[0]
    facts = report_facts([replace(run, people=None) for run in runs])
    _refuse_to_overwrite(out, options.runs, facts)
    write_report(out, runs)
    for text in _answers(facts) if budget else ():
        print(text)
    print(f"report: {out / 'report.html'}")
    return 0


def labels_of(folders: Sequence[Path]) -> list[str]:
    """What the report calls each run: the end of its path, as long as it takes to tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    if len({*parts}) < len(parts):
        raise UserError("a run is named twice; give each folder once")
    for length in range(1, max(map(len, parts)) + 1):
        labels = [printable("/".join(one[-length:])) for one in parts]
        if len({*labels}) == len(labels):
            return labels
    return [printable("/".join(one)) for one in parts]


def _refuse_to_overwrite(out: Path, folders: Sequence[Path], facts: ReportFacts) -> None:
    """Only the run's own folder, an earlier report of the same runs, or a folder without files of these names."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; --out needs a folder")
    if len(folders) == 1 and out.resolve() == folders[0].resolve():
        return
    own = next((name for name in (RECORDS, RECIPE) if (out / name).exists()), None)
    if own is not None:
        raise UserError(f"{out}: holds {own}, so a run of its own; give --out another folder")
    names = ("report.html", "report.md", "candidates.csv", "latency.csv", "search.json", "trials.csv", FIGURES)
    there = [name for name in names if (out / name).exists()]
    if there and _told(out / "report.html") != about(facts):
        raise UserError(f"{out}: holds {there[0]}, and no earlier report of these runs; give --out another folder")


def _told(page: Path) -> str | None:
    """Which runs an earlier report is of; None if it is none of ours."""
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            found = re.search(r'<meta name="compress-runs" content="([^"]*)">', file.read(8192))
    except OSError:
        return None
    return None if found is None else unescape(found[1])


def _answers(facts: ReportFacts) -> list[str]:
    """The recommended model of each run, or of runs that compare, for the terminal."""
    if len(facts.runs) == 1:
        return [verdict(facts.runs[0].recommendation)]
    texts = [f"{run.label}: {verdict(run.recommendation)}" for run in facts.runs]
    return texts + [
        f"all: {verdict(group.recommendation)}" for group in facts.groups if group.recommendation is not None
    ]


def _refuse_strangers(paths: Sequence[Path], runs: Sequence[RunFacts]) -> None:
    for number, path in enumerate(paths):
        if not any(run.devices[number].times for run in runs):
            raise UserError(
                f"{path}: none of its artefacts is of these runs' candidates, by the hashes of files and networks; "
                "ARTEFACT.json goes with an exported file when it is copied to where it is timed"
            )


def _facts(folder: Path, label: str, benches: Sequence[Bench]) -> RunFacts:
    if not (folder / RECIPE).is_file() or not (folder / RECORDS).is_file():
        raise UserError(f"{folder}: holds no finished candidates; a run leaves {RECIPE} and {RECORDS}")
    records = tuple(read_records(folder / RECORDS))
    if not records:
        raise UserError(f"{folder / RECORDS}: holds no finished candidate yet; run the recipe to its end")
    recipe = stored_recipe(folder / RECIPE)
    names = artefact_names(folder / CANDIDATES, records) if benches else {}
    return RunFacts(
        label,
        records,
        recipe.to_yaml(),
        tuple(recipe.objectives),
        _command(folder),
        tuple(recipe.goals),
        tuple(device_view(bench, names, records, recipe.objectives) for bench in benches),
        search=kept_search(folder),
        people=kept_people(folder) if why_not_shown(recipe.data) is None else None,
        why_no_people=why_not_shown(recipe.data) or "",
        folder=folder,
    )


def _command(folder: Path) -> str:
    """What made the run, as it was typed; from the recipe alone where that was not kept."""
    try:
        kept = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        kept = None
    return kept if isinstance(kept, str) else f"compress run {RECIPE}"
