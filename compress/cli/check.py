"""compress check RECIPE [--set PATH=VALUE]..."""

import argparse
from pathlib import Path

from compress.recipe.loader import load_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("recipe", metavar="RECIPE", type=Path, help="a YAML recipe")
    parser.add_argument("--set", metavar="PATH=VALUE", action="append", default=[], help="as in `compress run`")


def call(options: argparse.Namespace) -> int:
    """Says that the recipe is right; a wrong one ends in an error that lists every mistake."""
    recipe = load_recipe(options.recipe, options.set)
    names = ", ".join(candidate.name for candidate in recipe.candidates)
    print(f"{options.recipe}: right; teacher {recipe.teacher}, {len(recipe.candidates)} candidates: {names}")
    return 0
