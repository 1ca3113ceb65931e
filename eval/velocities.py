"""Continuous angles, and how fast they change."""

from collections.abc import Sequence

import numpy as np

from eval.angles import Array, wrap


def unwrap(values: Array, stretches: Sequence[slice], period: float, centre: float) -> Array:
    """Removes the jumps of a full period inside each stretch and puts its median into [centre -+ period/2).

    A stretch stands on its own, because a limb that turned unseen during a gap must not carry a full turn over it.
    For the same reason a step of more than a quarter period begins a new one: it cannot be told from a step the other
    way round. Where left and right are exchanged for a while, as on a man doing jumping jacks, plain unwrapping
    adds a full turn each time: his shoulder read -31 to 714 degrees.

    Args:
        values: (T,) degrees, finite inside the stretches.
        stretches: runs without a gap.

    """
    smooth = np.full(values.shape, np.nan)
    for stretch in stretches:
        whole = np.unwrap(values[stretch], period=period)
        pieces = np.split(whole, np.flatnonzero(np.abs(np.diff(whole)) > period / 4) + 1)
        smooth[stretch] = np.concatenate([_homed(piece, period, centre) for piece in pieces])
    return smooth


def nearest_turn(values: Array, guide: Array, period: float) -> Array:
    """The same directions, each on the turn closest to its guide; unchanged where there is no guide."""
    return np.where(np.isfinite(guide), guide + wrap(values - guide, period), values)


def velocity(times: Array, values: Array, stretches: Sequence[slice], period: float) -> Array:
    """(T,) deg/s: central difference on the true time stamps, one-sided at the ends of a stretch, NaN for one frame.

    Every step is taken the short way round. Where time steps differ, the two neighbours are weighted so that the
    difference stays second-order exact.
    """
    speed = np.full(values.shape, np.nan)
    for stretch in stretches:
        if stretch.stop - stretch.start > 1:
            speed[stretch] = np.gradient(np.unwrap(values[stretch], period=period), times[stretch])
    return speed


def _homed(piece: Array, period: float, centre: float) -> Array:
    middle = float(np.median(piece))
    home = float(wrap(np.array(middle - centre), period)) + centre
    return np.asarray(piece + np.round((home - middle) / period) * period, np.float64)
