"""What the steps of one run share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from compress.common.progress import Reporter
from compress.common.time_limit import TimeLimit
from compress.training.curve import Follow, unfollowed
from compress.training.teacher_targets import TeacherTargets
from teachers.common.errors import UserError


class TellsCurves(Protocol):
    """Takes in the curves of trainings while they run; trackers do, through `tracking.session.Tracking`."""

    def following(self, name: str, place: int | str) -> Follow:
        """What tells the curves of the training at `place`, the number of its step, of the candidate `name`."""


class Untracked:
    """Where no tracker listens."""

    def following(self, name: str, place: int | str) -> Follow:
        """See `TellsCurves`."""
        return unfollowed


@dataclass(frozen=True)
class StepContext:
    """The run's seed, and what steps that train or calibrate learn from."""

    seed: int
    learning: TeacherTargets | None = None
    """None where the recipe has no `training`."""
    folder: Path | None = None
    """Where a step may keep unfinished work, in a subfolder of its own; None where nothing can be continued."""
    reporter: Reporter = field(default_factory=Reporter)
    tracking: TellsCurves = field(default_factory=Untracked)
    """Told of every training; without trackers as it is by default."""
    building: str = ""
    """The name of the candidate that is being made."""

    limit: TimeLimit = TimeLimit()  # noqa: RUF009 - frozen
    """After which a training stops, to be continued by a later call."""

    @property
    def targets(self) -> TeacherTargets:
        """UserError where the recipe has no `training`."""
        if self.learning is None:
            raise UserError("this step learns from frames: the recipe needs `training`, with `data`")
        return self.learning

    def following(self, place: int | str) -> Follow:
        """Takes in the curves of a training of the candidate that is being made; its path below `steps`."""
        return self.tracking.following(self.building, place)
