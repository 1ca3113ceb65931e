"""Tracking: what a run tells, to all of its trackers or to none."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compress.common.fact_cache import fact_key
from compress.common.progress import Reporter
from compress.common.run_folder import TRACKING
from compress.common.values import Value
from compress.tracking import TRACKERS
from compress.tracking.base import Files, TrackerPlace
from compress.tracking.thread import TrackerThread
from compress.training.curve import Follow


class Tracking:
    """The methods of a tracker, each of which returns at once and raises nothing."""

    def __init__(self, lanes: Sequence[TrackerThread] = ()) -> None:
        self._lanes = tuple(lanes)

    def config(self, values: Mapping[str, Any]) -> None:
        self._put("config", fact_key(values), "config", dict(values))

    def candidate(self, name: str, row: Mapping[str, Value]) -> None:
        self._put(f"candidate {name}", fact_key(row), "candidate", name, dict(row))

    def point(self, series: str, step: int, values: Mapping[str, float]) -> None:
        # By the step alone: a training that goes on from a checkpoint repeats some, at another speed.
        self._put(f"point {series} {step}", "", "point", series, step, dict(values))

    def files(self, files: Files) -> None:
        self._put(f"files {files.kind} {files.name}", f"{files.id} {files.on_front}", "files", files)

    def following(self, name: str, place: int | str) -> Follow:
        """What tells the curves of the training at `place`, the number of its step, of the candidate `name`."""
        return lambda kind, step, values: self.point(series(kind, name, place), step, values)

    def finish(self, ok: bool) -> None:
        """Waits for the trackers, for a limited time."""
        for lane in self._lanes:
            lane.finish(ok)

    def _put(self, subject: str, content: str, method: str, *values: Any) -> None:
        for lane in self._lanes:
            lane.put(subject, content, lambda tracker: getattr(tracker, method)(*values))


def series(kind: str, name: str, place: int | str) -> str:
    """A curve's name, in which the step is named as its path in the recipe is."""
    return f"{kind}/{name}/steps.{place}"


@contextmanager
def open_tracking(names: Sequence[str], out: Path, reporter: Reporter, worker: str = "") -> Iterator[Tracking]:
    """The trackers of one process for a run in `out`, finished at the block's end.

    worker: names this process among several that track the same run folder; each has a tracked run of its own.
    """
    group = out.resolve().name
    base, run = (out / TRACKING / worker, f"{group}-{worker}") if worker else (out / TRACKING, group)
    tracking = Tracking(
        [TrackerThread(name, TRACKERS[name], TrackerPlace(base / name, run, group, reporter)) for name in names]
    )
    ok = False
    try:
        yield tracking
        ok = True
    finally:
        tracking.finish(ok)
