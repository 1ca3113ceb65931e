"""Which of a candidate's people is the teacher's person, and where its left and right changed places."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array, Points, extents, named_points
from eval.filters import Mask
from teachers.skeleton import Skeleton

LIMBS: Mapping[str, tuple[str, ...]] = {"legs": ("hip", "knee", "ankle"), "arms": ("shoulder", "elbow", "wrist")}

SEPARATION = 0.05
"""Left and right must lie this share of the person's height apart before a swap can be told from noise."""

SHARED_KEYPOINTS = 3
"""A lone keypoint that happens to lie close is not the same person."""


def person_height(track: Array) -> float:
    """Median over a track (T, K, 3) of the longer side of the person's box, in pixels; NaN if never seen."""
    sizes = extents(track)
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(known)) if len(known) else float("nan")


def pair_people(
    track: Array, people: Sequence[Sequence[Array]], skeleton: Skeleton, max_distance: float = 0.15
) -> Array:
    """A candidate's keypoints for the teacher's fixed track: per frame the person with the lowest mean distance.

    Blind to sides: a person whose legs are exchanged or doubled is the same person, and not lost.

    Args:
        track: (T, K, 3) of the teacher; missing is NaN, NaN, 0.
        people: per frame of the track, the candidate's people, each (K, 3).
        max_distance: the mean distance must lie below this share of the person's height, else the frame is lost.

    Returns:
        (T, K, 3); a lost frame is NaN, NaN, 0.

    Raises:
        ValueError: the two do not have the same number of frames.

    """
    if len(track) != len(people):
        raise ValueError(f"the track has {len(track)} frames, the candidate {len(people)}")
    paired = np.full(track.shape, np.nan)
    paired[..., 2] = 0.0
    limit = max_distance * person_height(track)
    other = _opposites(skeleton)
    for i, found in enumerate(people):
        distances = [_distance(track[i], np.asarray(person, np.float64), other) for person in found]
        if distances and min(distances) < limit:
            paired[i] = found[int(np.argmin(distances))]
    return paired


def swaps(teacher: Array, candidate: Array, skeleton: Skeleton) -> dict[str, tuple[Mask, Mask]]:
    """Per limb: the frames (T,) in which a swap could be told, and those in which left and right changed places.

    Swapped: the candidate's limb lies less than half as far from the teacher's other side as from the same side.
    """
    t, c = named_points(teacher, skeleton), named_points(candidate, skeleton)
    apart_enough = SEPARATION * person_height(teacher)
    found = {}
    for limb, joints in LIMBS.items():
        there = [joint for joint in joints if f"right_{joint}" in t and f"left_{joint}" in t]
        straight = _total(c, t, there, cross=False)
        crossed = _total(c, t, there, cross=True)
        apart = _total(t, t, there, cross=True)
        clear = np.isfinite(straight) & (apart > 2 * len(there) * apart_enough)
        found[limb] = clear, clear & (crossed < straight / 2)
    return found


def _opposites(skeleton: Skeleton) -> NDArray[np.int64]:
    """(K,) the same keypoint of the other side; a keypoint of the middle is its own."""
    other = np.arange(len(skeleton.keypoints))
    for one, two in skeleton.mirror_pairs:
        other[one], other[two] = two, one
    return other


def _distance(one: Array, other: Array, opposite: NDArray[np.int64]) -> float:
    """Mean distance of each of `other`'s keypoints to the nearer of its two namesakes in `one`."""
    away = np.fmin(*(np.hypot(*(target[:, :2] - other[:, :2]).T) for target in (one, one[opposite])))
    shared = np.isfinite(away)
    wanted = min(SHARED_KEYPOINTS, int(np.isfinite(one[:, 0]).sum()))
    return float(away[shared].mean()) if shared.sum() >= max(wanted, 1) else float("inf")


def _total(one: Points, other: Points, joints: Sequence[str], *, cross: bool) -> Array:
    """(T,): summed distance of both sides' joints, side to same side or side to other side; NaN if one is missing."""
    total = np.zeros(len(next(iter(one.values()))))
    for joint in joints:
        for side, opposite in (("right", "left"), ("left", "right")):
            target = other[f"{opposite if cross else side}_{joint}"]
            total = total + np.hypot(*(one[f"{side}_{joint}"] - target)[:, :2].T)
    return total
