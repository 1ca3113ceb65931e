"""Statistics of angle errors over frames, by the names that poseaudit gives them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array
from eval.bootstrap import interval, resamples

Interval = tuple[float, float]

FLOORED = ("bias", "mae", "median_abs_error", "p95_abs_error", "rmse", "big_error_rate", "gross_rate", "detection_rate")

_THEIL_SEN_READINGS = 1000

STANDS_STILL_DEG = 1e-6
"""A reference that varies less has no slope to speak of."""


@dataclass(frozen=True)
class AngleErrors:
    """Candidate minus teacher, degrees, over the frames that the teacher could measure and the candidate has.

    What the candidate lost lowers `detection_rate` and is in no other number; what it doubled is counted apart. None is
    "not measured", see `reason`.
    """

    n: int
    n_measurable: int
    detection_rate: float | None = None
    bias: float | None = None
    loa: Interval | None = None
    """2.5th and 97.5th percentile of the error: 95 % limits of agreement without a normal distribution."""
    loa_normal: Interval | None = None
    """Bias -+ 1.96 SD."""
    mae: float | None = None
    median_abs_error: float | None = None
    p95_abs_error: float | None = None
    rmse: float | None = None
    big_error_rate: float | None = None
    gross_rate: float | None = None
    slope: float | None = None
    """Least squares of candidate on teacher: below 1 the candidate flattens the movement."""
    slope_theil_sen: float | None = None
    intervals: Mapping[str, Interval] | None = None
    """95 % cluster bootstrap by track; None with a single track, because its frames are not independent."""
    floor: Mapping[str, float | None] | None = None
    """`floor_*`: the same numbers of the teacher against itself on disturbed input, median over the perturbations."""
    error_over_noise: float | None = None
    """median_abs_error over floor_median_abs_error: below 1 the candidate is closer than the teacher's own noise."""
    reason: str | None = None
    n_doubled: int = 0
    """Frames that the teacher could measure, and of which the candidate had both labels on one limb: neither found nor
    lost, see eval.kinematic_labels."""


@dataclass(frozen=True)
class AngleSample:
    """Errors (n,) in degrees, the teacher's angle at each, the track each comes from, and how many were measurable."""

    errors: Array
    teacher: Array
    tracks: NDArray[np.int64]
    n_measurable: int
    n_doubled: int = 0


@dataclass(frozen=True)
class ErrorSettings:
    """From where an error counts as big and as gross (a joint on another limb), and the bootstrap."""

    big_error_deg: float = 5.0
    gross_error_deg: float = 20.0
    resamples: int = 1000
    seed: int = 0


DEFAULTS = ErrorSettings()


def angle_errors(sample: AngleSample, settings: ErrorSettings = DEFAULTS) -> AngleErrors:
    """All statistics of one measure; with nothing to compare they are None with a reason."""
    errors, n, measurable = sample.errors, len(sample.errors), sample.n_measurable
    if not measurable:
        return AngleErrors(0, 0, reason="the teacher could not measure this angle on any frame")
    doubled = sample.n_doubled
    if not n and doubled == measurable:
        return AngleErrors(0, measurable, reason="the candidate doubled the limb on every frame", n_doubled=doubled)
    if not n:
        why = "the candidate lost this angle on every frame"
        return AngleErrors(0, measurable, 0.0, reason=why, n_doubled=doubled)
    size = np.abs(errors)
    bias = float(errors.mean())
    spread = 1.96 * float(errors.std(ddof=1)) if n > 1 else None
    low, high = np.percentile(errors, [2.5, 97.5])
    return AngleErrors(
        n=n,
        n_measurable=measurable,
        n_doubled=doubled,
        detection_rate=n / (measurable - doubled),
        bias=bias,
        loa=(float(low), float(high)),
        loa_normal=None if spread is None else (bias - spread, bias + spread),
        mae=float(size.mean()),
        median_abs_error=float(np.median(size)),
        p95_abs_error=float(np.percentile(size, 95)),
        rmse=float(np.sqrt((errors**2).mean())),
        big_error_rate=float((size >= settings.big_error_deg).mean()),
        gross_rate=float((size >= settings.gross_error_deg).mean()),
        slope=slope(sample.teacher, sample.teacher + errors),
        slope_theil_sen=theil_sen(sample.teacher, sample.teacher + errors),
        intervals=bootstrap(sample, settings),
    )


def slope(reference: Array, values: Array) -> float | None:
    """Least-squares slope of values on reference; None below 3 readings or where the reference stands still."""
    if len(reference) < 3 or np.ptp(reference) < STANDS_STILL_DEG:
        return None
    centred = reference - reference.mean()
    return float(centred @ (values - values.mean()) / (centred @ centred))


def theil_sen(reference: Array, values: Array) -> float | None:
    """Median slope between pairs of readings; above 1,000 readings, of evenly spaced ones."""
    if len(reference) < 3 or np.ptp(reference) < STANDS_STILL_DEG:
        return None
    from scipy.stats import theilslopes  # noqa: PLC0415 - takes a second to import, and every command would

    every = -(-len(reference) // _THEIL_SEN_READINGS)
    return float(theilslopes(values[::every], reference[::every]).slope)


def bootstrap(sample: AngleSample, settings: ErrorSettings) -> dict[str, Interval] | None:
    """95 % intervals from whole tracks drawn with replacement; None where there is one track only.

    A resample counts every track's errors as often as it was drawn, so quantiles come from one sorted list.
    """
    _, labels = np.unique(sample.tracks, return_inverse=True)
    clusters = int(labels.max()) + 1
    if clusters < 2:
        return None
    order = np.argsort(np.abs(sample.errors), kind="stable")
    errors, labels = sample.errors[order], labels[order]
    drawn: dict[str, list[float]] = {"bias": [], "median_abs_error": [], "p95_abs_error": [], "rmse": []}
    for picked in resamples(clusters, settings.resamples, settings.seed):
        counts = np.bincount(picked, minlength=clusters)
        weights = counts[labels]
        reached = np.cumsum(weights)
        total = reached[-1]
        drawn["bias"].append(float(weights @ errors / total))
        drawn["rmse"].append(float(np.sqrt(weights @ errors**2 / total)))
        for name, share in (("median_abs_error", 0.5), ("p95_abs_error", 0.95)):
            drawn[name].append(float(abs(errors[np.searchsorted(reached, share * total)])))
    return {name: interval(values) for name, values in drawn.items()}
