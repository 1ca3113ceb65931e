"""compress run RECIPE [--out DIR] [--set PATH=VALUE]... [--fresh]"""

import argparse
import shlex
from pathlib import Path

from compress.api.run import follow, run
from compress.common.progress import Reporter
from compress.common.run_folder import default_out
from compress.recipe.loader import load_recipe
from compress.results.recommendation import recommend
from compress.results.sentences import verdict
from compress.results.summary import summary_table
from compress.run.candidates import RunCall
from compress.training.engine import is_follower


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument(
        "recipe", metavar="RECIPE", type=Path, help="a YAML recipe, for instance recipes/stage_prune.yaml"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="where results go (default: runs/ and the recipe's name)"
    )
    parser.add_argument(
        "--set",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="change one place of the recipe, e.g. data.images=8",
    )
    parser.add_argument("--fresh", action="store_true", help="remove an earlier run's results from the folder first")


def call(options: argparse.Namespace) -> int:
    """Runs the recipe; 0 if every candidate was measured, 1 if one failed."""
    recipe = load_recipe(options.recipe, options.set)
    out = options.out or default_out(options.recipe, options.set)
    asked = RunCall(recipe, out, command_text(options, out), options.fresh)
    if is_follower():
        follow(asked)
        return 0
    reporter = Reporter()
    result = run(asked, reporter)
    print(summary_table(result.records, recipe.objectives))
    if recipe.goals:
        print(verdict(recommend(result.records, recipe.objectives, recipe.goals)))
    for record in result.failed:
        reporter.warn(f"{record.name} failed: {record.error}")
    print(f"report: {out / 'report.html'}")
    return 1 if result.failed else 0


def command_text(options: argparse.Namespace, out: Path) -> str:
    """What to type to get this run again."""
    words = ["compress", "run", _shown(options.recipe)]
    for override in options.set:
        words += ["--set", override]
    if options.out:
        words += ["--out", _shown(out)]
    return shlex.join(words)


def _shown(path: Path) -> str:
    """As it was typed; of an absolute path the last part, because the report goes to other people."""
    return path.name if path.is_absolute() else path.as_posix()
