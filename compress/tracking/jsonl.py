"""jsonl: one JSON line for each thing that a tracker is told, in OUT/tracking/jsonl/events.jsonl."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compress.common.values import Value
from compress.tracking.base import Files, TrackerPlace
from teachers.common.files import append_line

EVENTS = "events.jsonl"


class JsonlTracker:
    """For scripts and dashboards of one's own: `tail -f` shows a run as it goes."""

    def __init__(self, place: TrackerPlace) -> None:
        self._file = place.folder / EVENTS
        # A kill may have come between this line and the note that it was told.
        self._last = _last_event(self._file)

    def config(self, values: Mapping[str, Any]) -> None:
        self._add("config", **values)

    def candidate(self, name: str, row: Mapping[str, Value]) -> None:
        self._add("candidate", candidate=name, row=dict(row))

    def point(self, series: str, step: int, values: Mapping[str, float]) -> None:
        self._add("point", series=series, step=step, values=dict(values))

    def files(self, files: Files) -> None:
        # Named, not copied: they lie in the same folder.
        listed = [
            {"path": path.relative_to(files.root).as_posix(), "bytes": path.stat().st_size} for path in files.paths
        ]
        self._add(
            "files", kind=files.kind, name=files.name, id=files.id, files=listed,
            facts=dict(files.facts), on_front=files.on_front,
        )  # fmt: skip

    def finish(self, ok: bool) -> None:
        self._add("finish", ok=ok)

    def abandon(self) -> None:
        """Nothing is held between calls."""

    def _add(self, event: str, **content: Any) -> None:
        told = {"event": event, "time": round(time.time(), 3), **content}
        if self._last is not None and event != "finish" and _identity(told) == _identity(self._last):
            self._last = None
            return
        append_line(self._file, json.dumps(told))


def _last_event(file: Path) -> dict[str, Any] | None:
    """None where there is none, or one that a kill cut short."""
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    return found


def _identity(event: Mapping[str, Any]) -> str:
    """The time aside; and of a point told twice the speed differs."""
    varies = {"time", "values"} if event["event"] == "point" else {"time"}
    return json.dumps({name: value for name, value in event.items() if name not in varies}, sort_keys=True)
