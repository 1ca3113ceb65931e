"""How far a person reaches who is seen in part: a window around the seen part alone would never see the rest.

Lengths follow the trunk, neck to mid-hip (0.29 of the stature; thigh 0.245, shank 0.246, nose to neck 0.12). Only the
window's size depends on them, so a bent leg or a child's proportions do no harm.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from teachers.skeleton import Skeleton

Floats = NDArray[np.float64]

_LEG, _HEAD = 0.85, 0.42
"""Thigh, and as much again the shank; nose to neck. In trunks."""
_TRUNK_OF_SHOULDERS = 1.3
_DOWN = np.array([0.0, 1.0])


def unseen_ends(points: Floats, skeleton: Skeleton) -> Floats:
    """(M, 2): where head, hips, knees and ankles probably are of which neither side was seen.

    points: (K, 2), NaN where not seen. Nothing for a skeleton without the names, or for a person without a trunk
    whose length can be told.
    """
    there = _middles(points, skeleton)
    neck, hips = there.get("neck", there.get("shoulder")), there.get("hip")
    ends: list[Floats] = []
    if neck is None and hips is None:
        return np.empty((0, 2))
    if neck is None or hips is None:
        length, down = _length_without(there, points, skeleton)
        if length <= 0:
            return np.empty((0, 2))
        if hips is not None:
            neck = hips - length * down
            ends += [neck, neck - _HEAD * length * down]
        elif neck is not None:
            hips = neck + length * down
            ends.append(hips)
        assert hips is not None, "without both there is no extent"
    else:
        length = float(np.hypot(*(hips - neck)))
        down = (hips - neck) / length if length > 0 else _DOWN
        if not {"nose", "head", "eye", "ear"} & there.keys():
            ends.append(neck - _HEAD * length * down)
    knees = there.get("knee")
    if knees is None:
        knees = hips + _LEG * length * down
        ends.append(knees)
    if "ankle" not in there:
        ends.append(knees + _LEG * length * down)
    return np.array(ends).reshape(-1, 2)


def _middles(points: Floats, skeleton: Skeleton) -> Mapping[str, Floats]:
    """Name without its side -> the mean of the sides that were seen."""
    sides: dict[str, list[Floats]] = {}
    for name, point in zip(skeleton.keypoints, points, strict=True):
        if np.isfinite(point).all():
            sides.setdefault(name.removeprefix("right_").removeprefix("left_"), []).append(point)
    return {name: np.mean(found, axis=0) for name, found in sides.items()}


def _length_without(there: Mapping[str, Floats], points: Floats, skeleton: Skeleton) -> tuple[float, Floats]:
    """The trunk's length and its direction from neck to hips, where one end of it is missing; 0 if nothing tells."""
    if "hip" in there and "knee" in there:
        thigh = there["knee"] - there["hip"]
        length = float(np.hypot(*thigh))
        return length / _LEG, thigh / length if length > 0 else _DOWN
    guesses = []
    if "nose" in there and "neck" in there:
        guesses.append(float(np.hypot(*(there["neck"] - there["nose"]))) / _HEAD)
    both = [points[skeleton.index(name)] for name in ("right_shoulder", "left_shoulder") if name in skeleton.keypoints]
    if len(both) == 2 and np.isfinite(both).all():
        guesses.append(float(np.hypot(*(both[0] - both[1]))) * _TRUNK_OF_SHOULDERS)
    return max(guesses, default=0.0), _DOWN
