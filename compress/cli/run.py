"""compress run RECIPE [--out DIR] [--set PATH=VALUE]... [--fresh]"""

import argparse
import shlex

from compress.api.run import follow, run
from compress.cli.recipe_options import add_out, add_recipe, command_words
from compress.common.progress import Reporter
from compress.common.run_folder import default_out
from compress.common.time_limit import TimeLimit, duration
from compress.recipe.loader import load_recipe
from compress.results.recommendation import recommend
from compress.results.sentences import verdict
from compress.results.summary import summary_table
from compress.run.candidates import RunCall
from compress.training.engine import is_follower


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_recipe(parser, "a YAML recipe, for instance recipes/stage_prune.yaml")
    add_out(parser, "an earlier run's results")
    parser.add_argument(
        "--time-limit",
        metavar="TIME",
        type=duration,
        help="as 2h or 1h30m: then no candidate is begun, a training stops at a checkpoint, and what is there is "
        "measured; the same command goes on",
    )


def call(options: argparse.Namespace) -> int:
    """Runs the recipe; 0 if every candidate was measured, 1 if one failed."""
    recipe = load_recipe(options.recipe, options.set)
    out = options.out or default_out(options.recipe, options.set)
    asked = RunCall(recipe, out, command_text(options), options.fresh, TimeLimit(options.time_limit))
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
    if result.left:
        reporter.warn(f"the time limit left {', '.join(result.left)}; the same command goes on with them")
    print(f"report: {out / 'report.html'}")
    return 1 if result.failed else 0


def command_text(options: argparse.Namespace) -> str:
    """What to type to get this run again."""
    return shlex.join(command_words("run", options))
