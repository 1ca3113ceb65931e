"""Workshop: what the steps of one run share."""

from dataclasses import dataclass, field
from pathlib import Path

from compress.progress import Reporter
from compress.training.lessons import Lessons
from teachers.errors import UserError


@dataclass(frozen=True)
class Workshop:
    """The run's seed, and what steps that train or calibrate learn from."""

    seed: int
    learning: Lessons | None = None
    """None where the recipe has no `training`."""
    folder: Path | None = None
    """Where a step may keep unfinished work, in a subfolder of its own; None where nothing can be continued."""
    reporter: Reporter = field(default_factory=Reporter)

    @property
    def lessons(self) -> Lessons:
        """UserError where the recipe has no `training`."""
        if self.learning is None:
            raise UserError("this step learns from frames: the recipe needs `training`, with `data`")
        return self.learning
