"""One call of `compress search`, and what lies where in its folder."""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from compress.common.differences import recipe_differences
from compress.common.run_folder import JOURNAL, RECIPE, TRIALS, WORK, Leaves, run_folder
from compress.recipe.models import Recipe
from compress.recipe.search_plan import SearchPlan
from compress.results.objectives import OBJECTIVES
from compress.results.search_file import SEARCH
from compress.search.storage_url import STUDY_FILE, checked, own_file
from compress.search.study import StudyPlan
from teachers.checkpoint import WEIGHTS
from teachers.common.errors import UserError
from teachers.common.files import printable, write_text
from teachers.common.lock import only_one

JOURNALS = "journals"
_NAME = "study-name.txt"
_STUDY = (STUDY_FILE, f"{STUDY_FILE}-journal", f"{STUDY_FILE}-wal", f"{STUDY_FILE}-shm")


@dataclass(frozen=True)
class SearchCall:
    """What the user asked for."""

    recipe: Recipe
    out: Path
    command: str
    storage: str | None = None
    """A URL; None for the study's own file in the folder."""
    trials: int | None = None
    workers: int = 1
    timeout_s: float | None = None
    fresh: bool = False
    heartbeat_s: int = 60
    artefacts: str | None = None
    """An fsspec URL where finished trials go as well, and come from for the report; None for the folder alone."""

    @property
    def plan(self) -> SearchPlan:
        if self.recipe.search is None:
            raise UserError("the recipe has no `search`, so nothing varies; `compress run` takes it as it is")
        return self.recipe.search

    @property
    def objectives(self) -> tuple[str, ...]:
        return tuple(self.plan.objectives or self.recipe.objectives)

    @property
    def smaller(self) -> tuple[bool, ...]:
        """For each objective, whether smaller is better."""
        return tuple(OBJECTIVES[name].smaller_is_better for name in self.objectives)

    @property
    def url(self) -> str:
        return checked(self.storage, self.out)

    @property
    def study(self) -> StudyPlan:
        return StudyPlan(
            url=self.url,
            name=_study_name(self.out),
            recipe=self.recipe.to_yaml(),
            objectives=self.objectives,
            smaller=self.smaller,
            sampler=self.plan.sampler,
            heartbeat_s=self.heartbeat_s,
            own_file=None if self.storage is not None else own_file(self.out),
        )

    @property
    def local(self) -> bool:
        """Whether the study lies in the folder, so that all workers are processes of one call."""
        return self.storage is None


def _study_name(out: Path) -> str:
    """The last part of the folder's path when the search began; the folder may have been renamed or copied since."""
    with suppress(OSError):
        return (out / _NAME).read_text(encoding="utf-8").rstrip("\n")
    return printable(out.resolve().name)


@contextmanager
def search_folder(call: SearchCall) -> Iterator[None]:
    """Claims the folder for this search. UserError if it is not ours, or if another search is at work in it.

    A study that lies elsewhere may have further workers, which use the same folder: only the first one claims it.
    """
    text = call.recipe.to_yaml()
    if call.fresh and not call.local:
        raise UserError("--fresh starts over in a folder; a study in a storage of its own has to be deleted there")
    if not call.local and (call.out / RECIPE).is_file() and (call.out / TRIALS).is_dir():
        if (call.out / RECIPE).read_bytes() != text.encode():
            differs = recipe_differences((call.out / RECIPE).read_text(encoding="utf-8"), text)
            raise UserError(
                f"{call.out}: holds the search of another recipe ({differs or 'compare them'}); "
                "give --out another folder"
            )
        yield
        return
    leaves = Leaves(
        (JOURNALS, "records.jsonl", "environment.json", "candidates.csv", "latency.csv", "report.html", "report.md",
         "candidates", "figures", "tracking", SEARCH, TRIALS, *_STUDY, _NAME, WORK, RECIPE),
        foreign=(WEIGHTS, JOURNAL),
    )  # fmt: skip
    with run_folder(call.out, text, call.fresh, leaves) as claim:
        claim()
        (call.out / TRIALS).mkdir(exist_ok=True)
        if not (call.out / _NAME).exists():
            write_text(call.out / _NAME, call.study.name + "\n")
        if call.local:
            yield
            return
    yield


@dataclass(frozen=True)
class SearchPaths:
    """Where processes of a search meet."""

    out: Path

    @property
    def work(self) -> Path:
        return self.out / WORK

    def trial(self, name: str) -> Path:
        """The folder of a trial's recipe and record."""
        return self.out / TRIALS / name

    @contextmanager
    def studying(self) -> Iterator[None]:
        """One process of this folder at a time asks the study and answers it."""
        with self._lock(self.work / "study.lock"):
            yield

    @contextmanager
    def alone_on(self, key: str) -> Iterator[None]:
        """One process at a time makes and measures the same thing; the next one finds it done."""
        with self._lock(self.work / "locks" / f"{key}.lock"):
            yield

    @contextmanager
    def _lock(self, path: Path) -> Iterator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with only_one(path, -1, ""):
            yield

    def worker(self, name: str) -> Path:
        """The lock that a worker holds while it lives; the operating system lets go of it with the process."""
        return self.work / "workers" / f"{name}.lock"

    def is_dead(self, worker: str) -> bool:
        """Whether this worker's lock is free."""
        path = self.worker(worker)
        if not path.exists():
            return True
        try:
            with only_one(path, 0, "alive"):
                return True
        except UserError:
            return False


@contextmanager
def timing_alone() -> Iterator[None]:
    """Held while latency is measured: one process of this user at a time on this machine, over all searches."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    with only_one(Path(tempfile.gettempdir()) / f"compress-timing-{user}.lock", -1, ""):
        yield


def worker_name(out: Path) -> str:
    """Of this process; the first half is that of all processes that see the same locks."""
    return f"{lock_token(out)}-{secrets.token_hex(4)}"


def lock_token(out: Path) -> str:
    """Six hexadecimal digits for this folder at this start of this machine; neither can be read from them.

    The folder itself, not its path: two containers on one machine may each have a folder of the same path.
    """
    boot, place = "", out.stat()
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8")
    return hashlib.sha256(f"{boot}{place.st_dev}-{place.st_ino}".encode()).hexdigest()[:6]
