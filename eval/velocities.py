"""Angles on the turn they belong to, and how fast they change."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from eval.angles import Array, wrap
from eval.filters import Mask


def home(values: Array, period: float, centre: float) -> Array:
    """The same directions in [centre - period/2, centre + period/2): the turn that a joint never leaves."""
    return wrap(values - centre, period) + centre


def unwrap(values: Array, seen: Mask, stretches: Sequence[slice], period: float, centre: float) -> Array:
    """Removes the jumps of a full period while a segment is seen, and puts each piece's median on the home turn.

    A piece ends where the segment is unseen: it may have turned meanwhile, and no full turn is carried over. It ends
    as well at a step of more than a quarter period, which cannot be told from a step the other way round. Frames that
    were filled stay on the turn that is nearest to the frame before them.

    Args:
        values: (T,) degrees, finite inside the stretches.
        seen: (T,) false where the value was filled.
        stretches: runs without a gap.
        period: 360 for a direction, 180 for a line without one.
        centre: of the home turn.

    """
    smooth = np.full(values.shape, np.nan)
    for stretch in stretches:
        last = centre
        for piece in _pieces(seen[stretch], stretch.start):
            if not seen[piece.start]:
                smooth[piece] = _following(values[piece], last, period)
            else:
                smooth[piece] = _homed(values[piece], period, centre)
            last = float(smooth[piece.stop - 1])
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


def _pieces(seen: Mask, start: int) -> Iterator[slice]:
    cuts = np.flatnonzero(seen[1:] != seen[:-1]) + 1
    edges = [0, *cuts.tolist(), len(seen)]
    for first, last in pairwise(edges):
        yield slice(start + first, start + last)


def _homed(values: Array, period: float, centre: float) -> Array:
    whole = np.unwrap(values, period=period)
    pieces = np.split(whole, np.flatnonzero(np.abs(np.diff(whole)) > period / 4) + 1)
    shifted = []
    for piece in pieces:
        middle = float(np.median(piece))
        turns = round((float(home(np.array(middle), period, centre)) - middle) / period)
        shifted.append(piece + turns * period)
    return np.concatenate(shifted)


def _following(values: Array, last: float, period: float) -> Array:
    placed = np.empty(len(values))
    for i, value in enumerate(values):
        last = last + float(wrap(np.array(value - last), period))
        placed[i] = last
    return placed
