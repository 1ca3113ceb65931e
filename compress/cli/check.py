"""compress check RECIPE [--set PATH=VALUE]...: all mistakes of a recipe, whichever command it is for."""

import argparse
from pathlib import Path

from compress.cli.recipe_options import add_recipe
from compress.measure.latency import LatencyMetric
from compress.measure.runtime_artefacts import require_runtimes
from compress.recipe.loader import load_recipe
from compress.recipe.yaml_file import read_yaml
from compress.teacher_training.recipe import load_teacher_recipe


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_recipe(parser, "a YAML recipe, of a run, a search or `compress teachers train`")


def call(options: argparse.Namespace) -> int:
    """Says that the recipe is right; a wrong one ends in an error that lists every mistake."""
    if _is_of_teacher(options.recipe):
        trained = load_teacher_recipe(options.recipe, options.set)
        what = trained.network.architecture or trained.network.begin_with
        print(f"{options.recipe}: right; for `compress teachers train`: {what}, {trained.schedule.steps} steps")
        return 0
    recipe = load_recipe(options.recipe, options.set)
    latency = recipe.measure.of(LatencyMetric)
    if latency is not None:
        require_runtimes(latency.runtimes)  # a mistake on this machine alone: reports of such a run are read anywhere
    names = ", ".join(candidate.name for candidate in recipe.candidates)
    print(f"{options.recipe}: right; teacher {recipe.teacher}, {len(recipe.candidates)} candidates: {names}")
    return 0


def _is_of_teacher(path: Path) -> bool:
    """Whether it says how a teacher is trained: it has a network and labels, and neither a teacher nor candidates."""
    data = read_yaml(path).data
    return (
        isinstance(data, dict)
        and {"network", "labels"} & data.keys() != set()
        and not {"teacher", "candidates"} & data.keys()
    )
