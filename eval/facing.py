"""Which way a person faces: one answer for a whole track, because a sign that flips between frames ruins a curve."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array, Points, View, named_points
from teachers.skeleton import Skeleton

CLEAR_SHARE = 0.75
"""Below this share of agreeing evidence the person is more likely seen from the front or the back."""


@dataclass(frozen=True)
class Facing:
    """The view that signs are taken from, what it was decided by, and how much of the evidence agrees."""

    view: View
    evidence: str
    share: float | None
    """Share (by confidence) of the frames whose own sign agrees; None where nothing per frame decided."""
    note: str | None = None


def find_facing(keypoints: Array, times: Array, skeleton: Skeleton) -> Facing:
    """Facing of one track: nose against the ears, else nose against the neck, else where the hips move to.

    Args:
        keypoints: (T, K, 3) x, y, confidence; missing is NaN, NaN, 0.
        times: (T,) seconds.

    """
    points = named_points(keypoints, skeleton)
    for evidence, ahead, weight in _evidence(points):
        middle = weighted_median(ahead, weight)
        if np.isfinite(middle) and middle != 0:
            return _decided(evidence, middle, ahead, weight)
    drift = _drift(points, times)
    if drift != 0:
        return Facing("right" if drift > 0 else "left", "displacement of the hips", None)
    note = "nothing shows which way the person faces: image right is assumed; --visible-side sets it"
    return Facing("right", "none", None, note)


def ahead_per_frame(keypoints: Array, skeleton: Skeleton) -> Array:
    """(T,): how many pixels the nose is ahead (to image right) of the ears, else of the neck; NaN where unknown."""
    ahead = np.full(len(keypoints), np.nan)
    for _, values, _ in _evidence(named_points(keypoints, skeleton)):
        ahead = np.where(np.isnan(ahead), values, ahead)
    return ahead


def weighted_median(values: Array, weights: Array) -> float:
    """The value at which half of the weight of the finite values is reached; NaN if there is none."""
    usable = np.isfinite(values) & (weights > 0)
    if not usable.any():
        return float("nan")
    order = np.argsort(values[usable], kind="stable")
    reached = np.cumsum(weights[usable][order])
    return float(values[usable][order][np.searchsorted(reached, reached[-1] / 2)])


def _evidence(points: Points) -> list[tuple[str, Array, NDArray[np.float64]]]:
    found: list[tuple[str, Array, Array]] = []
    if "nose" not in points:
        return found
    nose = points["nose"]
    ears = [points[name] for name in ("right_ear", "left_ear") if name in points]
    if ears:
        # From the side the far ear is hidden; the one that is seen then stands for the middle.
        stacked = np.stack(ears)
        seen = np.isfinite(stacked[..., 0])
        count = seen.sum(axis=0)
        middle = np.where(seen, stacked[..., 0], 0).sum(axis=0) / np.where(count > 0, count, np.nan)
        weakest = np.where(seen, stacked[..., 2], np.inf).min(axis=0)
        found.append(("nose against ears", nose[:, 0] - middle, np.minimum(nose[:, 2], weakest)))
    if "neck" in points:
        neck = points["neck"]
        found.append(("nose against neck", nose[:, 0] - neck[:, 0], np.minimum(nose[:, 2], neck[:, 2])))
    return found


def _decided(evidence: str, middle: float, ahead: Array, weight: Array) -> Facing:
    usable = np.isfinite(ahead) & (weight > 0)
    share = float(weight[usable & (np.sign(ahead) == np.sign(middle))].sum() / weight[usable].sum())
    note = None
    if share < CLEAR_SHARE:
        note = (
            f"only {share:.0%} of the frames agree on the way the person faces; if the camera sees the front or the "
            "back, set --visible-side front or back"
        )
    return Facing("right" if middle > 0 else "left", evidence, share, note)


def _drift(points: Points, times: Array) -> float:
    """Least-squares speed of the middle of the hips along x; 0 where it cannot be told."""
    hips = points.get("mid_hip")
    if hips is None:
        return 0.0
    seen = np.isfinite(hips[:, 0])
    if seen.sum() < 2:
        return 0.0
    t, x = times[seen], hips[seen, 0]
    return float((t - t.mean()) @ (x - x.mean()))
