"""Where points are seen over time: what lies before and after, where a stretch begins, which gaps are short."""

from dataclasses import dataclass

import numpy as np

from eval.filters import Array, Mask, spacing


@dataclass(frozen=True)
class Stretches:
    """Of K points over T frames, each (T, K)."""

    opens: Mask
    """Seen here for the first time, or again after a gap that is too long."""
    covered: Mask
    """Seen, or inside a gap that is short enough to be filled."""
    enclosed: Mask
    """Within reach of a frame before and of one after in which the point is seen: what both sides can judge."""


def stretches(times: Array, seen: Mask, max_gap_s: float) -> Stretches:
    """A gap lasts as long as its missing frames: the time between the frames beside it, less one time step.

    Args:
        times: (T,) seconds, increasing.
        seen: (T, K).

    """
    step = spacing(times) if len(times) > 1 else 0.0
    shown = np.where(seen, times[:, None], -np.inf)
    before = _shifted(np.maximum.accumulate(shown, axis=0), -np.inf)
    later = np.where(seen, times[:, None], np.inf)
    after = _shifted(np.minimum.accumulate(later[::-1], axis=0), np.inf)[::-1]
    enclosed = after - before - step <= max_gap_s + 1e-9
    opens = seen & (times[:, None] - before - step > max_gap_s + 1e-9)
    return Stretches(opens, seen | enclosed, enclosed)


def _shifted(values: Array, first: float) -> Array:
    return np.concatenate([np.full((1, values.shape[1]), first), values[:-1]])
