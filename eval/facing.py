"""Which way a person faces, over time: image right or left.

The face says it best; a skeleton without one says it by its knees, which bend backward only; else the person is held
to face where the hips move to. A frame alone is not believed: a turn has to be worth its evidence (hysteresis).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array, Points, named_points, wrap
from eval.filters import spacing
from eval.hysteresis import steady_states
from teachers.skeleton import Skeleton

CLEAR_SHARE = 0.75
"""Below this share of agreeing evidence the way a person faces is told as uncertain."""

SHORTEST_TURN_S = 0.3
"""A person who faces the other way for less, at full evidence, is held not to have turned."""

FULL_AHEAD = 0.1
"""A nose this share of the trunk's length ahead of the ears is full evidence; closer, the face points to us."""

BENT_DEG = 15.0
"""A knee bent by less says nothing."""

Evidence = tuple[str, Array, Array]
"""What it is, (T,) which way it points (> 0 to image right; NaN where unknown), and (T,) its weight, 0 to 1."""


@dataclass(frozen=True)
class Facing:
    """The way a person faces, frame by frame."""

    right: NDArray[np.bool_]
    """(T,) image right, else image left."""
    evidence: str
    share: float | None
    """Share (by weight) of the frames whose own sign agrees; None where nothing per frame decided."""
    note: str | None = None


def find_facing(keypoints: Array, times: Array, skeleton: Skeleton) -> Facing:
    """Facing of a track: nose against ears, or neck where no ear is seen; bend of the knees; where the hips move to.

    Args:
        keypoints: (T, K, 3) x, y, confidence; missing is NaN, NaN, 0.
        times: (T,) seconds.

    """
    points = named_points(keypoints, skeleton)
    for evidence, ahead, weight in (*_by_face(points), *_by_knees(points)):
        usable = np.isfinite(ahead) & (weight > 0) & (ahead != 0)
        if usable.any():
            return _decided(evidence, np.where(usable, np.sign(ahead), 0.0), np.where(usable, weight, 0.0), times)
    drift = _drift(points, times)
    right = np.full(len(times), drift >= 0)
    if drift != 0:
        return Facing(right, "displacement of the hips", None)
    note = "nothing shows which way the person faces: image right is assumed; --visible-side sets it"
    return Facing(right, "none", None, note)


def ahead_per_frame(keypoints: Array, skeleton: Skeleton) -> Array:
    """(T,): how many pixels the nose is ahead (to image right) of the ears, else of the neck; NaN where unknown."""
    ahead = np.full(len(keypoints), np.nan)
    for _, values, _ in _face(named_points(keypoints, skeleton)):
        ahead = np.where(np.isnan(ahead), values, ahead)
    return ahead


def trunk_length(points: Points) -> float:
    """Median length in pixels of the line from the middle of the hips to the neck; NaN if it was never seen."""
    if "neck" not in points or "mid_hip" not in points:
        return float("nan")
    lengths = np.hypot(*(points["neck"] - points["mid_hip"])[:, :2].T)
    return float(np.median(lengths[np.isfinite(lengths)])) if np.isfinite(lengths).any() else float("nan")


def _face(points: Points) -> list[Evidence]:
    found: list[Evidence] = []
    if "nose" not in points:
        return found
    nose, trunk = points["nose"], trunk_length(points)
    ears = [points[name] for name in ("right_ear", "left_ear") if name in points]
    if ears:
        # From the side the far ear is hidden; the one that is seen then stands for the middle.
        stacked = np.stack(ears)
        seen = np.isfinite(stacked[..., 0])
        count = seen.sum(axis=0)
        middle = np.where(seen, stacked[..., 0], 0).sum(axis=0) / np.where(count > 0, count, np.nan)
        weakest = np.where(seen, stacked[..., 2], np.inf).min(axis=0)
        ahead = nose[:, 0] - middle
        found.append(("nose against ears", ahead, _weight(ahead, np.minimum(nose[:, 2], weakest), trunk)))
    if "neck" in points:
        ahead = nose[:, 0] - points["neck"][:, 0]
        weakest = np.minimum(nose[:, 2], points["neck"][:, 2])
        found.append(("nose against neck", ahead, _weight(ahead, weakest, trunk)))
    return found


def _weight(ahead: Array, confidence: Array, trunk: float) -> Array:
    """A nose in the middle of the face points nowhere; without a trunk to compare with, every nose counts."""
    clear = np.minimum(np.abs(ahead) / (FULL_AHEAD * trunk), 1.0) if np.isfinite(trunk) and trunk > 0 else 1.0
    return np.where(np.isfinite(ahead), clear * confidence, 0.0)


def _by_face(points: Points) -> list[Evidence]:
    """Ears where they are seen. The far one is hidden from the side, and in front of dark hair both often are."""
    found = _face(points)
    if len(found) < 2:
        return found
    (by_ears, ahead, weight), (by_neck, other, other_weight) = found
    no_ear = np.isnan(ahead)
    mostly = by_ears if (weight > 0).sum() >= (no_ear & (other_weight > 0)).sum() else by_neck
    # A head that leans forward is ahead of the neck too, so the neck counts half.
    return [(mostly, np.where(no_ear, other, ahead), np.where(no_ear, other_weight / 2, weight))]


def _by_knees(points: Points) -> list[Evidence]:
    bends, weights = [], []
    for side in ("right", "left"):
        chain = [points.get(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")]
        hip, knee, ankle = chain
        if hip is None or knee is None or ankle is None:
            continue
        thigh, shank = (hip - knee)[:, :2], (ankle - knee)[:, :2]
        turn = np.arctan2(shank[:, 0] * thigh[:, 1] - shank[:, 1] * thigh[:, 0], (shank * thigh).sum(axis=1))
        bend = wrap(-np.degrees(turn) - 180.0)
        weakest = np.minimum.reduce([hip[:, 2], knee[:, 2], ankle[:, 2]])
        bends.append(np.where(np.abs(bend) >= BENT_DEG, bend, 0.0))
        weights.append(np.where(np.isfinite(bend) & (np.abs(bend) >= BENT_DEG), weakest, 0.0))
    if not bends:
        return []
    weight = np.sum(weights, axis=0)
    total = np.sum([np.nan_to_num(bend) * part for bend, part in zip(bends, weights, strict=True)], axis=0)
    return [("bend of the knees", np.where(weight > 0, total, np.nan), np.minimum(weight, 1.0))]


def _decided(evidence: str, sign: Array, weight: Array, times: Array) -> Facing:
    step = spacing(times)
    against = weight[:, None] * (sign[:, None] * np.array([1.0, -1.0]) < 0)
    # A typical weight, not 1: a network that is never sure of a face may still see a turn.
    typical = float(np.median(weight[weight > 0]))
    change = typical * SHORTEST_TURN_S / 2 / step if np.isfinite(step) else np.inf
    right = steady_states(against, change) == 0
    agrees = np.where(right, sign > 0, sign < 0)
    share = float(weight[agrees].sum() / weight.sum())
    note = None
    if share < CLEAR_SHARE:
        note = (
            f"only {share:.0%} of the evidence ({evidence}) agrees on the way the person faces; if it is wrong, set "
            "--visible-side"
        )
    return Facing(right, evidence, share, note)


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
