"""The options of every command that takes a recipe: RECIPE, --out, --set PATH=VALUE, --fresh."""

import argparse
from pathlib import Path

from compress.cli.paths import a_path

_RUNS = "where results go (default: runs/ and the recipe's name)"


def add_recipe(
    parser: argparse.ArgumentParser, recipe: str, name: str = "recipe", example: str = "data.images=8"
) -> None:
    """RECIPE, which is described by `recipe` and kept as `name`, and --set."""
    parser.add_argument(name, metavar="RECIPE", type=a_path, help=recipe)
    parser.add_argument(
        "--set",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help=f"change one place of the recipe, e.g. {example}",
    )


def add_out(parser: argparse.ArgumentParser, earlier: str, out: str = _RUNS) -> None:
    """--out, and --fresh, which removes `earlier` from there."""
    parser.add_argument("--out", metavar="DIR", type=a_path, help=out)
    parser.add_argument("--fresh", action="store_true", help=f"remove {earlier} from the folder first")


def command_words(command: str, options: argparse.Namespace) -> list[str]:
    """What to type to get the same again: the command, its recipe, --set and --out."""
    words = ["compress", command, _shown(options.recipe)]
    for override in options.set:
        words += ["--set", override]
    return [*words, "--out", _shown(options.out)] if options.out else words


def _shown(path: Path) -> str:
    """As it was typed; of an absolute path the last part, because the report goes to other people."""
    return path.name if path.is_absolute() else path.as_posix()
