"""Keypoints as seen -> filled and smoothed, by what the settings ask for."""

import numpy as np

from eval.angles import Array, extents
from eval.filters import Butterworth, Mask, OneEuro, butterworth, fill_gaps, hampel, one_euro, runs, spacing
from eval.kinematic_settings import KinematicsSettings


def smooth_keypoints(times: Array, seen: Array, settings: KinematicsSettings) -> tuple[Array, Mask, set[str]]:
    """Filled and filtered keypoints (T, K, 3), what was filled (T, K), and what could not be done."""
    low_pass, gap = settings.low_pass, settings.max_gap_s
    causal = isinstance(low_pass, OneEuro)
    xy, filled = seen[..., :2].copy(), np.zeros(seen.shape[:2], dtype=bool)
    if not causal:
        xy, filled = fill_gaps(times, xy, gap)
    step = spacing(times)
    window = round(settings.hampel_s / step) | 1 if np.isfinite(step) and settings.hampel_sigmas > 0 else 1
    reasons = set()
    if window < 3 and settings.hampel_sigmas > 0:
        reasons.add("outlier filter off: its window holds fewer than 3 frames")
    for k in range(xy.shape[1]):
        for stretch in runs(np.asarray(np.isfinite(xy[:, k]).all(axis=1)), times, gap):
            for axis in (0, 1):
                xy[stretch, k, axis] = hampel(xy[stretch, k, axis], window, settings.hampel_sigmas, causal=causal)
            if isinstance(low_pass, Butterworth):
                xy[stretch, k], reason = butterworth(times[stretch], xy[stretch, k], low_pass)
                reasons |= {reason} if reason else set()
    if isinstance(low_pass, OneEuro):
        xy = one_euro(times, xy, _sizes_so_far(seen), low_pass, gap)
    return np.concatenate([xy, seen[..., 2:]], axis=2), filled, reasons


def _sizes_so_far(seen: Array) -> Array:
    """(T,): mean size of the person up to each frame, so that a causal filter knows no later one."""
    size = extents(seen)
    known = np.isfinite(size) & (size > 0)
    mean = np.cumsum(np.where(known, size, 0)) / np.maximum(np.cumsum(known), 1)
    return np.where(mean > 0, mean, 1.0)
