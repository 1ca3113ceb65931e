"""Learning-rate range test (Smith 2017): the rate rises from step to step, and the loss tells where it is too high."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

_SMOOTH = 0.9
"""Memory of the averaged loss: single batches differ by more than neighbouring rates do."""
_RUINED = 4.0
"""The test ends where the averaged loss is so many times the best one: nothing is learnt beyond."""
_SHARE = 0.1
"""The best loss is found at a rate that already climbs; a tenth of it trains for long."""


@dataclass(frozen=True)
class LrPoint:
    """One step."""

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class LrCurve:
    """The steps of a test, as far as it went."""

    points: tuple[LrPoint, ...]
    diverged: bool
    """Whether it ended early, because the loss had climbed or was no number."""

    @property
    def best(self) -> LrPoint:
        """The lowest averaged loss."""
        return min(self.points, key=lambda point: point.smoothed)

    @property
    def suggested(self) -> float | None:
        """A tenth of the rate of the lowest loss; None where it still fell at the end: higher rates are needed."""
        return _SHARE * self.best.rate if self.best is not self.points[-1] else None


def rates(low: float, high: float, steps: int) -> list[float]:
    """Evenly on a logarithmic axis, both ends included."""
    return [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]


def range_test(wanted: Iterable[float], losses: Iterable[float]) -> LrCurve:
    """The curve of steps at these rates; asks for no further loss once the training is ruined."""
    points: list[LrPoint] = []
    average = best = 0.0
    # The rates first: zip then asks for a loss only where there is a rate.
    for step, (rate, loss) in enumerate(zip(wanted, losses, strict=True)):
        if not math.isfinite(loss):
            return LrCurve(tuple(points), True)
        average = _SMOOTH * average + (1 - _SMOOTH) * loss
        smoothed = average / (1 - _SMOOTH ** (step + 1))
        points.append(LrPoint(rate, loss, smoothed))
        best = smoothed if step == 0 else min(best, smoothed)
        if smoothed > _RUINED * best:
            return LrCurve(tuple(points), True)
    return LrCurve(tuple(points), False)
