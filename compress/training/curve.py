"""What is seen while a student learns: its loss, its held-out L2, its speed."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from compress.training.schedule import Schedule
from compress.training.validation import Validation
from teachers.common.errors import UserError

_POINTS = 200
"""So many points of the loss are kept; each is the mean of the steps since the one before."""
_RECENT = 20

Follow = Callable[[str, int, Mapping[str, float]], None]
"""Takes in a point of the curves: `training` or `validation`, the steps done, and values by name. Must not wait."""


def unfollowed(kind: str, step: int, values: Mapping[str, float]) -> None:
    """Takes in a curve that no tracker follows."""


class Diverged(UserError):  # noqa: N818 - the field's word
    """The loss is no longer a number."""


class TrainingCurve:
    """Facts of one training, JSON-able, as they are kept in the checkpoint and shown in the report."""

    def __init__(self, schedule: Schedule, facts: dict[str, Any] | None = None, follow: Follow = unfollowed) -> None:
        self._schedule, self._follow = schedule, follow
        self._every = max(1, schedule.steps // _POINTS)
        self.facts: dict[str, Any] = facts or {"losses": [], "validations": [], "sum": 0.0, "seconds": 0.0}
        self._pending: list[Tensor] = []
        self._flushed = 0
        self._moments: deque[float] = deque([time.monotonic()], maxlen=_RECENT + 1)
        self._last = ""

    def add(self, step: int, loss: Tensor) -> None:
        """The loss of step `step`, from 0. On a GPU it is looked at a few steps later: asking for it would wait."""
        if not self._pending:
            self._flushed = step
        self._pending.append(loss)
        self._moments.append(time.monotonic())
        if loss.device.type == "cpu" or len(self._pending) >= _RECENT:
            self.flush()

    def flush(self) -> None:
        """Takes in what is pending. UserError names the first step whose loss is not a number."""
        if not self._pending:
            return
        values = torch.stack(self._pending).tolist()
        first, self._pending = self._flushed, []
        for step, value in enumerate(values, first):
            if not math.isfinite(value):
                raise Diverged(
                    f"training diverged: the loss of step {step} is {value} at a learning rate of "
                    f"{self._schedule.rate(step):.2g}; a lower learning_rate or a smaller max_grad_norm would do"
                )
            self.facts["sum"] += value
            if (step + 1) % self._every == 0:
                mean = self.facts["sum"] / self._every
                point = {"loss": mean, "learning_rate": self._schedule.rate(step)}
                self.facts["losses"].append({"step": step + 1, **point})
                speed = self.images_per_s()
                self._follow("training", step + 1, point if speed is None else {**point, "images_per_s": speed})
                self.facts["sum"] = 0.0
            self._last = f"loss {value:.3f}"

    def look(self, step: int, found: Validation) -> bool:
        """Notes a validation after `step` steps; whether it is the best so far."""
        best = self.best()
        look = {"joint_rel_l2": found.joint_rel_l2, "paf_rel_l2": found.paf_rel_l2, "score": found.score}
        people = {"oks": found.people.oks, "people_recall": found.people.people_recall}
        look |= {name: value for name, value in people.items() if value is not None}
        self.facts["validations"].append({"step": step, **look})
        self._follow("validation", step, look)
        return best is None or found.score < best["score"]

    def best(self) -> dict[str, float] | None:
        """The best validation so far."""
        looks: list[dict[str, float]] = self.facts["validations"]
        return min(looks, key=lambda look: look["score"], default=None)

    def has_stalled(self) -> bool:
        """Whether `patience` looks in a row found neither a better OKS nor better maps than the looks before."""
        patience, looks = self._schedule.patience, self.facts["validations"]
        if patience is None or len(looks) <= patience:
            return False
        before, recent = looks[:-patience], looks[-patience:]
        oks = [max(float(look.get("oks", 0.0)) for look in part) for part in (before, recent)]
        score = [min(float(look["score"]) for look in part) for part in (before, recent)]
        return oks[1] <= oks[0] and score[1] >= score[0]

    def images_per_s(self) -> float | None:
        """Over the last steps of this call."""
        spent = self._moments[-1] - self._moments[0]
        return None if spent <= 0 else (len(self._moments) - 1) * self._schedule.batch_size / spent

    def words(self) -> str:
        """For the progress bar."""
        best, speed = self.best(), self.images_per_s()
        return ", ".join(
            part
            for part in (
                self._last,
                f"held out: joints {best['joint_rel_l2']:.3f} PAFs {best['paf_rel_l2']:.3f}" if best else "",
                f"OKS {best['oks']:.3f} of {best['people_recall']:.0%}" if best and "oks" in best else "",
                f"{speed:.1f} images/s" if speed else "",
            )
            if part
        )
