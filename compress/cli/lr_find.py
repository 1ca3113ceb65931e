"""compress lr-find RECIPE [--candidate NAME] [--low RATE] [--high RATE] [--steps N] [--out DIR]"""

import argparse

from compress.api.lr_find import PICTURE, LrCall, lr_find
from compress.cli.paths import a_path
from compress.cli.recipe_options import add_recipe
from compress.common.progress import Reporter
from compress.common.run_folder import default_out
from compress.recipe.loader import load_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_recipe(parser, "a YAML recipe with a step distill, for instance recipes/students_fresh.yaml")
    parser.add_argument("--candidate", metavar="NAME", help="whose first training (default: the first that has one)")
    parser.add_argument("--low", metavar="RATE", type=float, default=1e-6, help="the first rate (default: 1e-6)")
    parser.add_argument("--high", metavar="RATE", type=float, default=1.0, help="the last rate (default: 1)")
    parser.add_argument("--steps", metavar="N", type=int, default=100, help="between them (default: 100)")
    parser.add_argument("--out", metavar="DIR", type=a_path, help="(default: runs/, the recipe's name and -lr-find)")


def call(options: argparse.Namespace) -> int:
    """0 once table and picture are written."""
    recipe = load_recipe(options.recipe, options.set)
    usual = default_out(options.recipe, options.set)
    out = options.out or usual.with_name(f"{usual.name}-lr-find")
    asked = LrCall(recipe, out, options.candidate, options.low, options.high, options.steps)
    curve = lr_find(asked, Reporter())
    best = curve.best
    print(f"lowest loss: {best.smoothed:.3g} at a learning rate of {best.rate:.1e}")
    if curve.suggested is None:
        print("the loss still fell at the highest rate; a larger --high shows where it ends")
    else:
        print(f"a tenth of it, to begin with: learning_rate: {curve.suggested:.1e}")
    print(f"picture: {out / PICTURE}")
    return 0
