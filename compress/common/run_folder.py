"""The folder of one run: which process may write in it, and whether what lies there belongs to the same recipe."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.common.differences import recipe_differences
from teachers.checkpoint import WEIGHTS
from teachers.common.errors import UserError
from teachers.common.files import is_partial, sweep, write_text
from teachers.common.lock import only_one

RECIPE, ENVIRONMENT, RECORDS, JOURNAL = "recipe.yaml", "environment.json", "records.jsonl", "journal.jsonl"
CANDIDATES, FIGURES, WORK, TRACKING, TRIALS = "candidates", "figures", ".work", "tracking", "trials"
PEOPLE = "people"
_LOCK = ".lock"


@dataclass(frozen=True)
class Leaves:
    """What a command leaves in its folder."""

    files: tuple[str, ...]
    """All that `--fresh` removes; the recipe last: while it is there, a removal cut short is still known as ours."""
    foreign: tuple[str, ...] = ()
    """Files by which another command's folder is told, which this one leaves alone."""


_RUN = Leaves(
    (
        JOURNAL, RECORDS, ENVIRONMENT, "candidates.csv", "latency.csv", "report.html", "report.md",
        "search.json", "trials.csv", CANDIDATES, FIGURES, WORK, TRACKING, PEOPLE, RECIPE,
    ),
    foreign=(WEIGHTS, TRIALS),
)  # fmt: skip
_SIGNS = (_LOCK, JOURNAL, RECORDS, ENVIRONMENT, WORK)
"""A folder with a recipe.yaml and none of these holds a recipe that was written by hand."""


@contextmanager
def run_folder(out: Path, recipe_text: str, fresh: bool, leaves: Leaves = _RUN) -> Iterator[Callable[[], None]]:
    """Holds a lock on the folder; UserError if it is another run's, holds foreign files, or cannot be written.

    Yields what claims the folder for this recipe: only then is anything written and, with `fresh`, an earlier run's
    files removed. So a call that ends before that, on a teacher or on frames that will not do, leaves all as it was.
    """
    claimed = False

    def claim() -> None:
        nonlocal claimed
        claimed = True
        if fresh:
            _remove_run(out, leaves)
        sweep(out)
        write_text(out / RECIPE, recipe_text)

    with _locked(out) as new:
        try:
            _refuse_another_command(out, leaves)
            _refuse_what_is_not_ours(out, recipe_text, fresh, new)
            yield claim
        finally:
            if not claimed:
                _remove_new(new)


@contextmanager
def _locked(out: Path) -> Iterator[list[Path]]:
    """Makes the folder and holds its lock; yields what was not there before, innermost first."""
    taken = f"{out}: another run is writing here; wait for it, or give --out another folder"
    with ExitStack() as stack:
        try:
            new = [path for path in (out / _LOCK, out, *out.parents) if not path.exists()]
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_one(out / _LOCK, 0.0, taken))
        except OSError as error:
            raise UserError(f"{out}: cannot be written: {error.strerror}; give --out a folder that can") from error
        yield new


def _remove_new(new: list[Path]) -> None:
    """Takes back the lock file and the folders that were made for it, as far as they are still empty."""
    try:
        for path in new:
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    except OSError:
        pass  # no longer empty, and no longer ours to judge


def _refuse_another_command(out: Path, leaves: Leaves) -> None:
    found = [name for name in leaves.foreign if (out / name).exists()]
    if found:
        raise UserError(f"{out}: holds {found[0]}, so another command's results; give --out another folder")


def _refuse_what_is_not_ours(out: Path, recipe_text: str, fresh: bool, new: list[Path]) -> None:
    recipe, signs = out / RECIPE, {out / sign for sign in _SIGNS} - set(new)
    if not recipe.exists():
        if any(entry.name != _LOCK and not is_partial(entry) for entry in out.iterdir()):
            raise UserError(f"{out}: is not empty and holds no run of ours; give --out an empty or new folder")
    elif not any(sign.exists() for sign in signs):
        raise UserError(f"{out}: its {RECIPE} was not left by a run; give --out an empty or new folder")
    elif not fresh and (not recipe.is_file() or recipe.read_bytes() != recipe_text.encode()):
        raise UserError(
            f"{out}: holds the run of another recipe{_what_differs(recipe, recipe_text)}; "
            "give --out another folder, or --fresh to start over here"
        )


def _what_differs(recipe: Path, text: str) -> str:
    """In brackets: what the recipe there has and the new one has not."""
    try:
        found = recipe_differences(recipe.read_text(encoding="utf-8"), text)
    except (OSError, UnicodeDecodeError):
        found = ""
    return f" ({found or f'compare {recipe}'})"


def _remove_run(out: Path, leaves: Leaves) -> None:
    for name in leaves.files:
        path = out / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_environment(out: Path, environment: dict[str, Any]) -> None:
    """environment.json: under which conditions the newest call measured."""
    write_text(out / ENVIRONMENT, json.dumps(environment, indent=1, sort_keys=True) + "\n")


def default_out(recipe: Path, overrides: Sequence[str]) -> Path:
    """runs/NAME, and with --set runs/NAME-PATH-VALUE: another recipe never lands in the same folder by default."""
    parts = [recipe.stem, *(re.sub(r"[^A-Za-z0-9.]+", "-", override).strip("-") for override in sorted(overrides))]
    return Path("runs") / "-".join(parts)[:100]
