"""Percentile bootstrap (Efron and Tibshirani 1993): 95% intervals of a statistic from resampled measurements.

The same measurements and seed give the same interval. Imports no torch: times are summarised also where only a runtime
is installed.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MEANS = 1000
"""Resamples for the interval of a mean."""


def resamples(count: int, times: int, seed: int) -> NDArray[np.int64]:
    """(times, count) indices of measurements, each row drawn with replacement."""
    return np.random.default_rng(seed).integers(0, count, (times, count))


def interval(statistics: NDArray[np.float64] | Sequence[float]) -> tuple[float, float]:
    """The middle 95% of a statistic's values, one of each resample."""
    low, high = np.percentile(statistics, [2.5, 97.5])
    return float(low), float(high)


def mean_intervals(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Of the mean of each column of (images, columns).

    Empty for a single image, which has no spread.
    """
    images = len(values)
    if images < 2:
        return []
    means = np.stack([values[picked].mean(axis=0) for picked in resamples(images, MEANS, 0)])
    return [interval(column) for column in means.T]
