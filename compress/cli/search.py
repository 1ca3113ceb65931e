"""compress search RECIPE [--out DIR] [--trials N] [--workers K] [--storage URL] [--time-limit 2h] ..."""

import argparse
import shlex

from compress.api.search import search
from compress.cli.recipe_options import add_out, add_recipe, command_words
from compress.common.progress import Reporter
from compress.common.run_folder import default_out
from compress.common.time_limit import duration
from compress.recipe.loader import load_recipe
from compress.recipe.search_plan import MAX_TRIALS
from compress.results.recommendation import recommend
from compress.results.sentences import verdict
from compress.results.summary import summary_table
from compress.search.call import SearchCall
from compress.search.processes import follow_here
from compress.search.storage_url import hidden
from compress.training.engine import is_follower


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_recipe(parser, "a YAML recipe with `search`", example="search.trials=30")
    parser.add_argument("--trials", metavar="N", type=_count, help="different trials in all (default: the recipe's)")
    parser.add_argument("--workers", metavar="K", type=_workers, default=1, help="processes here (default 1)")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="where the study is kept, for workers on several machines: postgresql://USER@HOST/DATABASE, with its "
        "password in PGPASSWORD or ~/.pgpass; sqlite:///FILE; journal:FILE (default: a file in the folder)",
    )
    parser.add_argument(
        "--artefacts",
        metavar="URL",
        help="an object store that all machines reach, for the trials' records and models where they share no disk: "
        "s3://BUCKET/FOLDER, gs://..., any that fsspec knows",
    )
    parser.add_argument("--time-limit", metavar="TIME", type=duration, help="as 2h: after it no trial is begun")
    add_out(parser, "an earlier search's results")


def call(options: argparse.Namespace) -> int:
    """Searches; 0 if the search went as it should, failed trials included, 1 if a worker gave up."""
    recipe = load_recipe(options.recipe, options.set)
    out = options.out or default_out(options.recipe, options.set)
    asked = SearchCall(
        recipe=recipe,
        out=out,
        command=command_text(options),
        storage=options.storage,
        trials=options.trials,
        workers=options.workers,
        timeout_s=options.time_limit,
        fresh=options.fresh,
        artefacts=options.artefacts,
    )
    if is_follower():
        follow_here(asked)
        return 0
    result = search(asked, Reporter())
    print(summary_table(result.records, asked.objectives, result.ranked))
    goals = (*recipe.goals, *asked.plan.constraints)
    if goals:
        print(verdict(recommend(result.ranked, asked.objectives, goals)))
    print(f"report: {out / 'report.html'}")
    return 0 if result.well else 1


def command_text(options: argparse.Namespace) -> str:
    """What to type to go on with this search; a password is not shown."""
    words = command_words("search", options)
    if options.trials:
        words += ["--trials", str(options.trials)]
    if options.workers > 1:
        words += ["--workers", str(options.workers)]
    if options.storage:
        words += ["--storage", hidden(options.storage)]
    if options.artefacts:
        words += ["--artefacts", hidden(options.artefacts)]
    return shlex.join(words)


def _count(text: str) -> int:
    return _whole(text, MAX_TRIALS)


def _workers(text: str) -> int:
    return _whole(text, 256)


def _whole(text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to {most}, got {text!r}")
    return int(text)
