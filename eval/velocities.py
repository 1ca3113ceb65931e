"""Continuous angles, and how fast they change."""

from collections.abc import Sequence

import numpy as np

from eval.angles import Array, wrap


def unwrap(values: Array, stretches: Sequence[slice], period: float, centre: float) -> Array:
    """Removes the jumps of a full period inside each stretch and puts its median into [centre -+ period/2).

    A stretch stands on its own: a limb that turned unseen during a gap must not carry a full turn over it.

    Args:
        values: (T,) degrees, finite inside the stretches.
        stretches: runs without a gap.

    """
    smooth = np.full(values.shape, np.nan)
    for stretch in stretches:
        whole = np.unwrap(values[stretch], period=period)
        middle = float(np.median(whole))
        home = float(wrap(np.array(middle - centre), period)) + centre
        smooth[stretch] = whole + np.round((home - middle) / period) * period
    return smooth


def nearest_turn(values: Array, guide: Array, period: float) -> Array:
    """The same directions, each on the turn closest to its guide; unchanged where there is no guide."""
    return np.where(np.isfinite(guide), guide + wrap(values - guide, period), values)


def velocity(times: Array, values: Array, stretches: Sequence[slice]) -> Array:
    """(T,) deg/s: central difference on the true time stamps, one-sided at the ends of a stretch, NaN for one frame.

    Where the steps differ the two neighbours are weighted so that the difference stays second-order exact.
    """
    speed = np.full(values.shape, np.nan)
    for stretch in stretches:
        if stretch.stop - stretch.start > 1:
            speed[stretch] = np.gradient(values[stretch], times[stretch])
    return speed
