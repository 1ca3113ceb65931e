"""Rauch-Tung-Striebel smoother: a Kalman filter forward, then backward, so that every frame knows past and future.

The motion model is a point whose velocity takes random steps (integrated Wiener process). In the steady state its
smoother has the gain 1 / (1 + (f / f_c)^4): that of a zero-lag Butterworth of order 4 with the same cut-off. What it
adds: frames may be unevenly spaced or missing, each has a weight of its own, and the ends need no padding.
Rauch, Tung, Striebel 1965; Wahba 1978 for the same thing as a smoothing spline.
"""

from dataclasses import dataclass

import numpy as np

from eval.filters import Array, Mask, check_cutoff, spacing
from teachers.common.errors import UserError

_KNOWN_LATER = 1e3
"""Standard deviation of the velocity of a point just seen, in units of noise times cut-off: as good as unknown."""


@dataclass(frozen=True)
class RauchTungStriebel:
    """The zero-lag smoother that weighs every keypoint by its confidence."""

    cutoff_hz: float = 6.0
    """For a keypoint of the track's median confidence; a surer one is followed more closely."""
    confidence_power: float = 2.0
    """The variance of a keypoint falls with this power of its confidence; 0 weighs all alike."""
    max_variance: float = 4.0
    """In units of a sample of the track's median confidence: what is known worse is a guess, as a filled gap is."""

    def __post_init__(self) -> None:
        check_cutoff("smoother", self.cutoff_hz)
        if not 0 <= self.confidence_power < np.inf:
            raise UserError(f"smoother: confidence_power must not be negative, got {self.confidence_power}")


@dataclass(frozen=True)
class Smoothed:
    """What the smoother says of K points over T frames."""

    xy: Array
    """(T, K, 2) pixels; NaN where the point is in no stretch."""
    variance: Array
    """(T, K) of xy, in units of the variance of a sample with weight 1."""


def rts_smooth(times: Array, xy: Array, weights: Array, opens: Mask, cutoff_hz: float) -> Smoothed:
    """Smooths points, each within its stretches.

    Args:
        times: (T,) seconds, increasing; T is 2 or more.
        xy: (T, K, 2) pixels; read only where the weight is above 0.
        weights: (T, K) one over the variance of a sample, relative; 0 where there is none.
        opens: (T, K) where a stretch begins; the sample there must have a weight. Nothing is carried over from before.
        cutoff_hz: where the gain is 1/2, for samples of weight 1 at the median spacing.

    """
    corner = 2 * np.pi * cutoff_hz
    motion = _Motion(spacing(times) * corner**4, (_KNOWN_LATER * corner) ** 2)
    steps = np.diff(times, prepend=times[0])
    before, after = _forward(xy, weights, opens, steps, motion)
    return _backward(before, after, opens, steps)


@dataclass(frozen=True)
class _Motion:
    drive: float
    """Spectral density of the acceleration: that of the noise times corner^4."""
    unknown: float
    """Variance of the velocity of a point just seen."""


@dataclass(frozen=True)
class _States:
    """Position and velocity along x and y, (T, K, 2) each, and their common covariance."""

    position: Array
    velocity: Array
    p00: Array
    """(T, K): variance of the position; p01 and p11 follow."""
    p01: Array
    p11: Array


def _empty(shape: tuple[int, int]) -> _States:
    return _States(*(np.zeros((*shape, 2)) for _ in range(2)), *(np.zeros(shape) for _ in range(3)))


def _forward(xy: Array, weights: Array, opens: Mask, steps: Array, motion: _Motion) -> tuple[_States, _States]:
    """The states before and after each frame's sample was taken in."""
    before, after, drive = _empty(weights.shape), _empty(weights.shape), motion.drive
    for i, h in enumerate(steps):
        last = max(i - 1, 0)
        x, v = after.position[last] + h * after.velocity[last], after.velocity[last]
        p11 = after.p11[last] + drive * h
        p01 = after.p01[last] + h * after.p11[last] + drive * h**2 / 2
        p00 = after.p00[last] + 2 * h * after.p01[last] + h**2 * after.p11[last] + drive * h**3 / 3
        for store, value in zip(vars(before).values(), (x, v, p00, p01, p11), strict=True):
            store[i] = value
        weight = weights[i]
        away = np.where(weight[:, None] > 0, xy[i] - x, 0.0)
        gain = weight / (1 + p00 * weight)
        after.position[i] = x + (p00 * gain)[:, None] * away
        after.velocity[i] = v + (p01 * gain)[:, None] * away
        after.p00[i], after.p01[i] = p00 * (1 - p00 * gain), p01 * (1 - p00 * gain)
        after.p11[i] = p11 - p01**2 * gain
        new = opens[i]
        after.position[i, new], after.velocity[i, new] = xy[i, new], 0.0
        after.p00[i, new], after.p01[i, new], after.p11[i, new] = 1 / weight[new], 0.0, motion.unknown
    return before, after


def _backward(before: _States, after: _States, opens: Mask, steps: Array) -> Smoothed:
    position, velocity = after.position.copy(), after.velocity.copy()
    p00, p01, p11 = after.p00.copy(), after.p01.copy(), after.p11.copy()
    for i in range(len(steps) - 2, -1, -1):
        h, n = steps[i + 1], i + 1
        a, b, d = after.p00[i] + h * after.p01[i], after.p01[i], after.p11[i]
        c = b + h * d
        whole = before.p00[n] * before.p11[n] - before.p01[n] ** 2
        # A stretch that opens in the next frame tells nothing of this one.
        whole = np.where(opens[n] | (whole <= 0), np.inf, whole)
        g00, g01 = (a * before.p11[n] - b * before.p01[n]) / whole, (b * before.p00[n] - a * before.p01[n]) / whole
        g10, g11 = (c * before.p11[n] - d * before.p01[n]) / whole, (d * before.p00[n] - c * before.p01[n]) / whole
        dx, dv = position[n] - before.position[n], velocity[n] - before.velocity[n]
        position[i] += g00[:, None] * dx + g01[:, None] * dv
        velocity[i] += g10[:, None] * dx + g11[:, None] * dv
        e00, e01, e11 = p00[n] - before.p00[n], p01[n] - before.p01[n], p11[n] - before.p11[n]
        p00[i] += g00**2 * e00 + 2 * g00 * g01 * e01 + g01**2 * e11
        p01[i] += g00 * g10 * e00 + (g00 * g11 + g01 * g10) * e01 + g01 * g11 * e11
        p11[i] += g10**2 * e00 + 2 * g10 * g11 * e01 + g11**2 * e11
    return Smoothed(position, p00)
