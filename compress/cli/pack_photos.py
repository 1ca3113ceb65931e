"""compress pack-photos RECIPE --out FILE.npz [--set PATH=VALUE]..."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from compress.cli.paths import a_path
from compress.cli.recipe_options import add_recipe
from compress.common.progress import Reporter
from compress.recipe.loader import load_recipe
from compress.run.inputs import open_inputs
from eval.frame_pack import SUFFIX
from teachers.common.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    add_recipe(parser, "a YAML recipe with training.views")
    parser.add_argument(
        "--out", metavar="FILE", required=True, type=a_path, help="photos.npz, a source of training.data"
    )


def call(options: argparse.Namespace) -> int:
    """0 once the file is written."""
    if options.out.suffix != SUFFIX:
        raise UserError(f"--out: the name of packed photographs ends with {SUFFIX}, got {options.out}")
    recipe = load_recipe(options.recipe, options.set)
    if recipe.training is None or recipe.training.views is None:
        raise UserError(f"{options.recipe}: learns from no views; photographs are packed where training.views are")
    with TemporaryDirectory() as folder:
        targets = open_inputs(recipe, Path(folder), Reporter(), True).targets
        assert targets is not None and targets.views is not None, "the recipe has training.views"
        size, longest = targets.views.pack(options.out)
    print(f"{options.out}: {size:,} bytes of JPEG, longest side {longest}; a source of training.data")
    return 0
