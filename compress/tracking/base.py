"""What a tracker is told. Whatever it raises, and however long it takes, the run goes on (tracking/thread.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from compress.common.progress import Reporter
from compress.common.values import Value


class TrackerOffError(Exception):
    """The user has switched the tracker off: nothing is lost, and nothing is told."""


@dataclass(frozen=True)
class TrackerPlace:
    """Which run is tracked, and where its tracker may keep files."""

    folder: Path
    """Of this tracker and this process alone; it is there. What is kept here is how a later call goes on."""
    run: str
    """The run folder's name, for a worker of a search followed by the worker's."""
    group: str
    """The run folder's name: what all processes of one search have in common."""
    reporter: Reporter


@dataclass(frozen=True)
class Files:
    """Finished files that belong together: a report, or the model of one candidate."""

    kind: Literal["report", "model"]
    name: str
    """`report`, or the candidate's name."""
    id: str
    """Hash of the content."""
    root: Path
    """Inside the files are named relative to it."""
    paths: Sequence[Path]
    facts: Mapping[str, Value] = field(default_factory=dict)
    """What should stand beside them: the licence of a model's weights, for instance."""
    on_front: bool = False
    """A model on the Pareto front; a tracker that uploads may leave the others out."""


class Tracker(Protocol):
    """One tracked run. All calls of a process come from one thread, one after the other, and nothing comes twice.

    Any exception loses this tracker for the rest of the call, with one warning; what it was not told is told to the
    next call's. Several processes have a tracker each, so none needs a lock.
    """

    def config(self, values: Mapping[str, Any]) -> None:
        """The recipe, the conditions and the command: JSON-able; a later call's replace an earlier one's."""

    def candidate(self, name: str, row: Mapping[str, Value]) -> None:
        """A row of candidates.csv, and each joint's errors in degrees; None where nothing was measured.

        Told again where a later call found something else, for instance after a failure.
        """

    def point(self, series: str, step: int, values: Mapping[str, float]) -> None:
        """A point of a curve: `training/NAME/steps.1` (loss, learning_rate, images_per_s) or `validation/...`.

        Steps of a series rise, except where a later call makes up for what an earlier one could not tell.
        """

    def files(self, files: Files) -> None:
        """Files that are finished. They stay where they are as long as the run folder does."""

    def finish(self, ok: bool) -> None:
        """The call ends; ok: without an error."""

    def abandon(self) -> None:
        """Lets go of whatever would keep the process from ending, without waiting. After an error, or a `finish`
        that took too long; maybe from another thread."""
