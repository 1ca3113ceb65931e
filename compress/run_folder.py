"""The folder of one run: who may write in it, and whether what lies there belongs to the same recipe."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from teachers.errors import UserError
from teachers.files import write_text
from teachers.lock import only_one

RECIPE, ENVIRONMENT, RECORDS, JOURNAL = "recipe.yaml", "environment.json", "records.jsonl", "journal.jsonl"
CANDIDATES, FIGURES, WORK = "candidates", "figures", ".work"
_LOCK = ".lock"
_OURS = (
    JOURNAL, RECORDS, ENVIRONMENT, "candidates.csv", "latency.csv", "report.html", "report.md",
    CANDIDATES, FIGURES, WORK,
    RECIPE,  # last: while it is there, a --fresh that was cut short is still recognised as ours
)  # fmt: skip


@contextmanager
def run_folder(out: Path, recipe_text: str, fresh: bool) -> Iterator[Path]:
    """Claims the folder for this recipe and holds a lock on it; UserError if it holds anything else.

    With `fresh`, an earlier run's files there are removed first; files that no run writes are never touched.
    """
    taken = f"{out}: another run is writing here; wait for it, or give --out another folder"
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_one(out / _LOCK, 0.0, taken))
        except OSError as error:
            raise UserError(f"{out}: cannot be written: {error.strerror}; give --out a folder that can") from error
        _claim(out, recipe_text, fresh)
        yield out


def _claim(out: Path, recipe_text: str, fresh: bool) -> None:
    recipe = out / RECIPE
    if recipe.exists():
        if fresh:
            _remove_run(out)
        elif recipe.read_text(encoding="utf-8") != recipe_text:
            raise UserError(
                f"{out}: holds the run of another recipe (compare {recipe}); "
                "give --out another folder, or --fresh to start over here"
            )
    elif any(entry.name != _LOCK for entry in out.iterdir()):
        raise UserError(f"{out}: is not empty and holds no run of ours; give --out an empty or new folder")
    write_text(recipe, recipe_text)


def _remove_run(out: Path) -> None:
    for name in _OURS:
        path = out / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_environment(out: Path, environment: dict[str, Any]) -> None:
    """environment.json: under which conditions the newest call measured."""
    write_text(out / ENVIRONMENT, json.dumps(environment, indent=1, sort_keys=True) + "\n")
