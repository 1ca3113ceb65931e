"""What is told to trackers in tests, and a tracker in memory that raises or hangs where it is told to."""

import json
import os
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from compress_tiny_run import QUICK, TinyRun, set_to

from compress.cli.main import run_command
from compress.common.display import shown
from compress.common.progress import Reporter
from compress.tracking.base import Files, TrackerPlace
from compress.tracking.session import open_tracking

METHODS = ("__init__", "config", "candidate", "point", "files", "finish", "abandon")


class Notebook:
    """A tracker in memory that raises, or hangs, where it is told to."""

    told: ClassVar[list[tuple[Any, ...]]] = []
    raises: ClassVar[tuple[str, ...]] = ()
    error: ClassVar[BaseException] = ConnectionResetError("gone")
    hangs: ClassVar[bool] = False

    def __init__(self, place: TrackerPlace) -> None:
        self.place = place
        self._note("__init__", place.run)

    def config(self, values: Any) -> None:
        self._note("config", values)

    def candidate(self, name: str, row: Any) -> None:
        self._note("candidate", name, row)

    def point(self, series: str, step: int, values: Any) -> None:
        if self.hangs:
            time.sleep(1e6)
        self._note("point", series, step, values)

    def files(self, files: Files) -> None:
        self._note("files", files)

    def finish(self, ok: bool) -> None:
        self._note("finish", ok)

    def abandon(self) -> None:
        self._note("abandon")

    def _note(self, *what: Any) -> None:
        self.told.append(what)
        if what[0] in self.raises:
            raise self.error


def no_account(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """As on a machine on which nobody has ever used wandb; whatever it left in the home folder would be seen."""
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    home = folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    return home


def run(recipe: TinyRun, out: Path, trackers: str, *more: str) -> int:
    words = set_to(*QUICK, *more, *([f"tracking={trackers}"] if trackers else []))
    return run_command(["run", str(recipe.recipe), "--out", str(out), *words])


def events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "tracking/jsonl/events.jsonl").read_text().splitlines()]


def of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in found if event["event"] == kind]


def tell(out: Path, name: str, worker: str = "") -> None:
    """All that a tracker can be told."""
    model = out / "candidates/a-1.5/model.onnx"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"weights")
    with shown(), open_tracking([name], out, Reporter(), worker) as found:
        found.config({"recipe": {"teacher": "t", "candidates": [{"name": "a"}]}, "conditions": {"threads": 1}})
        found.point("training/a-1.5/steps.0", 1, {"loss": 2.5, "learning_rate": 1e-3})
        found.point("training/a-1.5/steps.0", 2, {"loss": 1.5, "learning_rate": 1e-3, "images_per_s": 7.0})
        found.candidate("a-1.5", {"name": "a-1.5", "stages": 2, "latency_ms": 1.25, "ap": None, "note": "ap: off"})
        found.files(Files("model", "a-1.5", "77aa", model.parent, [model], {"licence": "MIT"}, on_front=True))
        found.files(Files("report", "report", "88bb", out, [model]))
