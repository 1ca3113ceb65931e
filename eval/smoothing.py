"""Keypoints as seen -> without outliers, filled and smoothed, by what the settings ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.angles import Array, extents
from eval.filters import Butterworth, Mask, OneEuro, butterworth, fill_gaps, one_euro, runs, spacing
from eval.kinematic_settings import KinematicsSettings
from eval.outliers import find_outliers
from eval.rts_smoother import RauchTungStriebel, rts_smooth
from eval.stretches import stretches
from teachers.skeleton import Skeleton


@dataclass(frozen=True)
class SmoothTrack:
    """One person's keypoints, made continuous."""

    keypoints: Array
    """(T, K, 3): smoothed x and y; confidence as given."""
    filled: Mask
    """(T, K): not seen, dropped as an outlier, or seen faintly and alone; what stands there is a guess."""
    outliers: Mask
    """(T, K): seen, and dropped."""
    reasons: frozenset[str]
    """What could not be done, in words."""


def joined(parts: Sequence[SmoothTrack]) -> SmoothTrack:
    """Parts that follow each other, as one."""
    return SmoothTrack(
        np.concatenate([part.keypoints for part in parts]),
        np.concatenate([part.filled for part in parts]),
        np.concatenate([part.outliers for part in parts]),
        frozenset[str]().union(*(part.reasons for part in parts)),
    )


def smooth_keypoints(times: Array, seen: Array, skeleton: Skeleton, settings: KinematicsSettings) -> SmoothTrack:
    """Drops outliers, fills gaps up to the limit and smooths.

    Args:
        times: (T,) seconds, increasing.
        seen: (T, K, 3) x, y, confidence; missing is NaN, NaN, 0.
        skeleton: names the keypoints.
        settings: gaps, outliers, low pass.

    """
    low_pass, gap = settings.low_pass, settings.max_gap_s
    causal = isinstance(low_pass, OneEuro)
    outliers = np.zeros(seen.shape[:2], bool)
    if settings.outliers is not None and not causal:  # it takes the frames after an outlier to tell
        outliers = find_outliers(times, seen, skeleton, gap, settings.outliers)
    used = np.where(outliers[..., None], (np.nan, np.nan, 0.0), seen)
    unsure = np.zeros(outliers.shape, bool)
    reasons: set[str] = set()
    if isinstance(low_pass, OneEuro):
        xy = one_euro(times, used[..., :2], _sizes_so_far(used), low_pass, gap)
    elif isinstance(low_pass, RauchTungStriebel):
        (xy, unsure), reasons = _rts(times, used, gap, low_pass), _too_slow(times, low_pass)
    else:
        xy, _ = fill_gaps(times, used[..., :2], gap)
        if low_pass is not None:
            reasons = _filter_runs(times, xy, gap, low_pass)
    filled = np.isfinite(xy).all(axis=2) & (~np.isfinite(used[..., 0]) | unsure)
    return SmoothTrack(np.concatenate([xy, seen[..., 2:]], axis=2), filled, outliers, frozenset(reasons))


def _rts(times: Array, used: Array, max_gap_s: float, low_pass: RauchTungStriebel) -> tuple[Array, Mask]:
    """(T, K, 2) smoothed, and (T, K) where that is no more than a guess."""
    there = np.isfinite(used[..., 0])
    if len(times) < 2 or not there.any():
        return used[..., :2].copy(), np.zeros(there.shape, bool)
    reach = stretches(times, there, max_gap_s)
    weights = np.where(there, used[..., 2], 0.0) ** low_pass.confidence_power * there
    weights /= np.median(weights[there])
    smooth = rts_smooth(times, used[..., :2], weights, reach.opens, low_pass.cutoff_hz)
    return np.where(reach.covered[..., None], smooth.xy, np.nan), smooth.variance > low_pass.max_variance


def _too_slow(times: Array, low_pass: RauchTungStriebel) -> set[str]:
    rate = 1 / spacing(times)
    if not low_pass.cutoff_hz >= rate / 2:  # nor for a single frame
        return set()
    return {
        f"nearly unfiltered: the cut-off of {low_pass.cutoff_hz:g} Hz is not below half the frame rate of "
        f"{rate:.3g} per second"
    }


def _filter_runs(times: Array, xy: Array, max_gap_s: float, low_pass: Butterworth) -> set[str]:
    """Filters each run of each point in place; gives back what could not be done."""
    reasons = set()
    for k in range(xy.shape[1]):
        for stretch in runs(np.asarray(np.isfinite(xy[:, k]).all(axis=1)), times, max_gap_s):
            xy[stretch, k], reason = butterworth(times[stretch], xy[stretch, k], low_pass)
            reasons |= {reason} if reason else set()
    return reasons


def _sizes_so_far(seen: Array) -> Array:
    """(T,): mean size of the person up to each frame, so that a causal filter knows no later one."""
    size = extents(seen)
    known = np.isfinite(size) & (size > 0)
    mean = np.cumsum(np.where(known, size, 0)) / np.maximum(np.cumsum(known), 1)
    return np.where(mean > 0, mean, 1.0)
