"""A search under torchrun: the first process searches, the others take part in each training of its trials.

Before a recipe that learns is worked on, the first process writes where it lies and meets the others; they read it,
train along, and wait for the next. The files are numbered from 0 in each call and written before the meeting, so that
what an earlier call left is never read.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from compress.recipe.loader import load_recipe
from compress.recipe.models import Recipe
from compress.run.runner import CANDIDATE_ERRORS
from compress.search.call import SearchPaths
from compress.search.trial_evaluator import Trials
from compress.training.engine import wait_for_all
from teachers.common.files import write_text


class Leader:
    """The first process's part; without others it costs nothing."""

    def __init__(self, out: Path, others: int) -> None:
        self._folder, self._others, self._number = _folder(out), others, 0

    def announce(self, recipe: Recipe) -> None:
        """What is trained next, if it learns."""
        if self._others and recipe.learns:
            self._tell(recipe.to_yaml())

    def end(self) -> None:
        """The others may go home."""
        if self._others:
            self._tell("")

    def _tell(self, text: str) -> None:
        write_text(self._folder / f"{self._number}.yaml", text)
        self._number += 1
        wait_for_all()


def train_along(out: Path, make: Callable[[], Trials]) -> None:
    """Each further process's part: it writes no candidate, no record and no answer to the study, and prints nothing.

    make: called when the first process has claimed the folder.
    """
    trials: Trials | None = None
    number = 0
    while True:
        wait_for_all()
        path = _folder(out) / f"{number}.yaml"
        if not path.read_bytes():
            return
        trials = trials or make()
        with suppress(*CANDIDATE_ERRORS):  # the first process fails alike, and records it
            trials.follow(load_recipe(path))
        number += 1


def _folder(out: Path) -> Path:
    return SearchPaths(out).work / "together"
