"""lines: one line of text for each finished candidate, in OUT/tracking/lines/lines.txt."""

from collections.abc import Mapping
from typing import Any

from compress.common.values import Value
from compress.tracking.base import Files, TrackerPlace


class LinesTracker:
    """The least that a tracker can do; what it does not want to know it passes over."""

    def __init__(self, place: TrackerPlace) -> None:
        self._file = place.folder / "lines.txt"

    def candidate(self, name: str, row: Mapping[str, Value]) -> None:
        """A row of candidates.csv."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(f"{name}: {row['latency_ms']} ms, joints {row['joint_rel_l2']}\n")

    def config(self, values: Mapping[str, Any]) -> None:
        """The recipe and the conditions."""

    def point(self, series: str, step: int, values: Mapping[str, float]) -> None:
        """A point of a training's curve."""

    def files(self, files: Files) -> None:
        """Finished files."""

    def finish(self, ok: bool) -> None:
        """The call ends."""

    def abandon(self) -> None:
        """Nothing is held open."""
