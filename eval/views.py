"""From where the camera sees a person, over time: a side, the front or the back.

Flexion in the image plane is flexion only from the side. How broad the shoulders look, over the length of the trunk,
tells the two apart: measured medians are 0.17 to 0.26 for a woman who walks by and 0.58 for a man who faces the camera.
A single frame is not believed; a view has to be worth its evidence (hysteresis).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from eval.angles import SIGNS, Array, Points, Side, View, along, named_points
from eval.facing import Facing, find_facing, trunk_length
from eval.filters import Mask, spacing
from eval.hysteresis import steady_states
from teachers.skeleton import Skeleton

VIEW_NAMES: tuple[View, ...] = get_args(View)
"""right and left (the way a person faces who is seen from the side), front, back."""
Plane = Literal["side", "front"]
"""`front`: the frontal plane, seen from the front or the back."""

FRONTAL_WIDTH = 0.42
"""Shoulder width over trunk length where a person is turned half-way: sin 45 deg of the 0.6 of one who faces us."""
_CLEAR = 0.12
"""So far above or below it the evidence is full."""
SHORTEST_VIEW_S = 0.5
"""A view that lasts less, at full evidence, is held not to have been one."""


@dataclass(frozen=True)
class ViewStretch:
    """Frames `start` to `stop` (not included) of a track, seen alike."""

    view: View
    start: int
    stop: int


@dataclass(frozen=True)
class Views:
    """The view of each frame of a track, and what it was decided by."""

    per_frame: NDArray[np.int64]
    """(T,) index into VIEW_NAMES."""
    evidence: str
    share: float | None
    """Share of the evidence that agrees on the way the person faces; None where nothing per frame decided."""
    width: float | None
    """Median of shoulder width over trunk length; None where it was never seen."""
    note: str | None = None

    @property
    def main(self) -> View:
        """The view of most frames; of equals the first in VIEW_NAMES."""
        return VIEW_NAMES[int(np.argmax(np.bincount(self.per_frame, minlength=len(VIEW_NAMES))))]

    @property
    def stretches(self) -> tuple[ViewStretch, ...]:
        """From the first frame to the last."""
        return tuple(self._stretches())

    def _stretches(self) -> Iterator[ViewStretch]:
        edges = [0, *(np.flatnonzero(np.diff(self.per_frame)) + 1).tolist(), len(self.per_frame)]
        for start, stop in pairwise(edges):
            yield ViewStretch(VIEW_NAMES[int(self.per_frame[start])], start, stop)

    def within(self, plane: Plane) -> Mask:
        """(T,) the frames that are seen in a plane."""
        return np.asarray((self.per_frame < VIEW_NAMES.index("front")) == (plane == "side"))

    def signs(self, side: Side) -> Array:
        """(T,) the sign of the angles of a side's limbs."""
        return np.array([float(SIGNS[view][side]) for view in VIEW_NAMES])[self.per_frame]

    @property
    def turns(self) -> tuple[int, ...]:
        """The frames in which a person first faces the other way, without having been seen from front or back."""
        last, now = self.per_frame[:-1], self.per_frame[1:]
        return tuple((np.flatnonzero((last != now) & (last < 2) & (now < 2)) + 1).tolist())

    @property
    def near(self) -> Array:
        """(T,) +1 where the right limbs are on the camera's side, -1 where the left ones are, 0 from front or back."""
        return np.array([1.0, -1.0, 0.0, 0.0])[self.per_frame]

    @property
    def frontal(self) -> Array:
        """(T,) +1 where the right limbs lie image left of the left ones (front), -1 in the back view, else 0."""
        return np.array([0.0, 0.0, 1.0, -1.0])[self.per_frame]

    def in_words(self, times: Array) -> str:
        """`facing image left`, or each view with its seconds."""
        parts = self.stretches
        if len(parts) == 1:
            return view_in_words(parts[0].view)
        return ", ".join(
            f"{view_in_words(part.view)} ({times[part.start]:.2f} to {times[part.stop - 1]:.2f} s)" for part in parts
        )


def view_in_words(view: View) -> str:
    """How a person stands, for people who read it."""
    return f"facing image {view}" if view in ("right", "left") else f"seen from the {view}"


def given_view(view: View, frames: int) -> Views:
    """The same view throughout, as the caller says."""
    return Views(np.full(frames, VIEW_NAMES.index(view)), "given", None, None)


def find_views(keypoints: Array, times: Array, skeleton: Skeleton) -> Views:
    """The views of one track.

    Args:
        keypoints: (T, K, 3) x, y, confidence; missing is NaN, NaN, 0.
        times: (T,) seconds.

    """
    width, weight = shoulder_width(named_points(keypoints, skeleton))
    planes = _planes(width, weight, _face_seen(keypoints, skeleton), times)
    from_side = planes == 0
    # Who faces the camera has a nose that points nowhere: only side views say which way a person faces.
    facing = find_facing(np.where(from_side[:, None, None], keypoints, [np.nan, np.nan, 0.0]), times, skeleton)
    views = np.where(from_side, np.where(facing.right, 0, 1), planes + 1)
    seen = width[np.isfinite(width)]
    middle = float(np.median(np.abs(seen))) if len(seen) else None
    return Views(views, *_told(facing, bool(from_side.any())), middle, facing.note if from_side.any() else None)


def _told(facing: Facing, from_side: bool) -> tuple[str, float | None]:
    return (facing.evidence, facing.share) if from_side else ("width of the shoulders", None)


def shoulder_width(points: Points) -> tuple[Array, Array]:
    """(T,) width of the shoulders across the trunk over its length, and the confidence in it; NaN and 0 where unknown.

    Positive where the right shoulder is image left of the left one in a person who stands upright (seen from the
    front), negative from the back. Measured across the trunk, so that a person upside down is not seen from the back.
    """
    names = ("right_shoulder", "left_shoulder", "neck", "mid_hip")
    frames = len(next(iter(points.values())))
    usual = trunk_length(points)
    if not all(name in points for name in names) or not usual > 0:
        return np.full(frames, np.nan), np.zeros(frames)
    trunk, across = along(points, ("mid_hip", "neck")), along(points, ("right_shoulder", "left_shoulder"))
    length = np.hypot(*trunk.T)
    # A trunk that leans towards the camera looks short: its direction is worth little then, and its length nothing.
    width = (trunk[:, 0] * across[:, 1] - trunk[:, 1] * across[:, 0]) / length / np.maximum(length, usual / 2)
    confidence = np.minimum.reduce([points[name][:, 2] for name in names])
    known = np.isfinite(width)
    return np.where(known, width, np.nan), np.asarray(np.where(known, confidence, 0.0), np.float64)


def _face_seen(keypoints: Array, skeleton: Skeleton) -> Array:
    """(T,) from -1, no part of the face is seen, to 1; 0 where the skeleton has no face."""
    face = [skeleton.index(name) for name in ("nose", "right_eye", "left_eye") if name in skeleton.keypoints]
    if not face:
        return np.zeros(len(keypoints))
    return np.asarray(2 * np.isfinite(keypoints[:, face, 0]).mean(axis=1) - 1, np.float64)


def _planes(width: Array, weight: Array, face: Array, times: Array) -> NDArray[np.int64]:
    """(T,) 0 side, 1 front, 2 back."""
    step = spacing(times)
    known = weight > 0
    if not known.any():
        return np.zeros(len(width), np.int64)
    frontal = np.clip((np.abs(np.nan_to_num(width)) - FRONTAL_WIDTH) / _CLEAR, -1, 1)
    # Labels of both sides are exchanged more often than a face is made up, so the two have equal weight.
    front = np.clip(np.clip(np.nan_to_num(width) / FRONTAL_WIDTH, -1, 1) + face, -1, 1)
    across = (1 - frontal) / 2
    costs = np.stack([(1 + frontal) / 2, across + np.maximum(-front, 0), across + np.maximum(front, 0)], axis=1)
    change = float(np.median(weight[known])) * SHORTEST_VIEW_S / 2 / step if np.isfinite(step) else np.inf
    return steady_states(costs * weight[:, None], change)
