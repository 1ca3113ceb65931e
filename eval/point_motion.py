"""Where a point will be: a Kalman filter with a velocity that persists for a while (an Ornstein-Uhlenbeck process).

A velocity that is never forgotten carries a limb out of the picture during a gap; one that decays within 0.2 s predicts
the next frames as well and leaves a lost point near where it was. x and y share a covariance, since noise has no
direction. All arrays may have any leading shape (...), so that many hypotheses move at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array
from eval.filters import Mask


@dataclass(frozen=True)
class MotionModel:
    """In person sizes and seconds, so that near and far people follow the same rule."""

    speed: float = 1.0
    """Standard deviation of each component of a point's velocity, sizes per second."""
    memory_s: float = 0.2
    """Time within which a velocity is forgotten."""
    noise: float = 0.01
    """Standard deviation of an observation in each direction, sizes."""
    gate: float = 12.0
    """Most that a single point can cost; about five standard deviations. Farther points all say the same: a jump."""


@dataclass(frozen=True)
class Moving:
    """Points with position and velocity (..., 2), and the covariance of the two (...); NaN before the first sight."""

    position: Array
    velocity: Array
    spread: Array
    """Variance of the position."""
    mixed: Array
    """Covariance of position and velocity."""
    drift: Array
    """Variance of the velocity."""

    @staticmethod
    def unseen(shape: tuple[int, ...], model: MotionModel) -> "Moving":
        """Points that were never seen."""
        position = np.full((*shape, 2), np.nan)
        return Moving(
            position, np.zeros_like(position), np.zeros(shape), np.zeros(shape), np.full(shape, model.speed**2)
        )

    def take(self, rows: NDArray[np.int64]) -> "Moving":
        """The rows of the first axis that are named, in that order."""
        return Moving(self.position[rows], self.velocity[rows], self.spread[rows], self.mixed[rows], self.drift[rows])

    def after(self, seconds: float, model: MotionModel) -> "Moving":
        """The prediction `seconds` later."""
        kept = float(np.exp(-seconds / model.memory_s))
        reach = model.memory_s * (1 - kept)
        power = model.speed**2
        ratio = seconds / model.memory_s
        spread = (
            self.spread
            + 2 * reach * self.mixed
            + reach**2 * self.drift
            + power * model.memory_s**2 * (2 * ratio - 3 + 4 * kept - kept**2)
        )
        mixed = kept * (self.mixed + reach * self.drift) + power * model.memory_s * (1 - kept) ** 2
        drift = kept**2 * self.drift + power * (1 - kept**2)
        return Moving(self.position + reach * self.velocity, kept * self.velocity, spread, mixed, drift)

    def surprise(self, seen: Array, model: MotionModel) -> Array:
        """(...): half the squared distance of `seen` (..., 2) in standard deviations, at most the gate.

        0 where the point is not seen or was never seen before: what cannot be predicted is no evidence.
        """
        variance = self.spread + model.noise**2
        squared = ((seen - self.position) ** 2).sum(axis=-1) / variance
        return np.asarray(np.minimum(np.nan_to_num(squared / 2, nan=0.0), model.gate), np.float64)

    def updated(self, seen: Array, model: MotionModel) -> "Moving":
        """After seeing the points at `seen` (..., 2); NaN leaves a point as predicted.

        A point beyond the gate starts afresh: an average of two places is neither.
        """
        there = np.isfinite(seen[..., 0])
        fresh = there & (np.isnan(self.position[..., 0]) | (self.surprise(seen, model) >= model.gate))
        blended = there & ~fresh
        variance = self.spread + model.noise**2
        gain, speed_gain = (np.where(blended, part / variance, 0.0) for part in (self.spread, self.mixed))
        step = np.where(blended[..., None], seen - self.position, 0.0)
        position = np.where(fresh[..., None], seen, self.position + gain[..., None] * step)
        velocity = np.where(fresh[..., None], 0.0, self.velocity + speed_gain[..., None] * step)
        return Moving(
            position,
            velocity,
            _where(fresh, model.noise**2, (1 - gain) * self.spread),
            _where(fresh, 0.0, (1 - gain) * self.mixed),
            _where(fresh, model.speed**2, self.drift - speed_gain * self.mixed),
        )


def _where(condition: Mask, one: float, other: Array) -> Array:
    return np.where(condition, one, other)
