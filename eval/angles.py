"""Joint and segment angles from keypoints, with the definitions and the column names of Sports2D and Pose2Sim.

Image x points right and y points **down**. a(u, v) = -atan2(ux*vy - uy*vx, u.v); W wraps to [-180, 180). The sign s
is +1 where the person faces image right and -1 where image left; in a frontal view it belongs to the limb. It is
applied to the angle and never to coordinates: negating x of one side's points destroys the obliquity of the pelvis.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from teachers.skeleton import Skeleton

Array = NDArray[np.float64]
Side = Literal["right", "left", "middle"]
View = Literal["right", "left", "front", "back"]
"""Which side of the person the camera sees: `right` is a person who faces image right."""

Vector = tuple[str, str]
"""From one keypoint to another, by name."""

Points = Mapping[str, Array]
"""Keypoint name -> (T, 3): x, y in pixels and confidence; missing is NaN, NaN, 0."""

MIDPOINTS: Mapping[str, tuple[str, str]] = {
    "mid_hip": ("right_hip", "left_hip"),
    "neck": ("right_shoulder", "left_shoulder"),
}
"""Points made from two others where the skeleton has none of its own; COCO's neck is mid-shoulder too."""

NOT_COMPUTABLE: Mapping[str, str] = {
    "ankle": "needs toe and heel, which the skeleton has not",
    "foot": "needs toe and heel, which the skeleton has not",
    "wrist": "needs fingers, which the skeleton has not",
    "hand": "needs fingers, which the skeleton has not",
}

SIGNS: Mapping[View, Mapping[Side, int]] = {
    "right": {"right": 1, "left": 1, "middle": 1},
    "left": {"right": -1, "left": -1, "middle": -1},
    "front": {"right": -1, "left": 1, "middle": 1},
    "back": {"right": 1, "left": -1, "middle": 1},
}


def wrap(angle: Array, period: float = 360.0) -> Array:
    """The same direction in [-period/2, period/2)."""
    return (angle + period / 2) % period - period / 2


class Measure(Protocol):
    """One column: a name, the vectors it is made from, and its value for points and a sign."""

    @property
    def name(self) -> str: ...
    @property
    def side(self) -> Side: ...
    @property
    def vectors(self) -> tuple[Vector, ...]: ...
    @property
    def period(self) -> float: ...
    @property
    def centre(self) -> float: ...
    @property
    def bounded(self) -> bool:
        """A joint cannot turn on and on: its angle stays within half a period of the centre."""
        ...

    def value(self, points: Points, sign: float | Array) -> Array:
        """(T,) degrees; `sign` is one for all frames, or (T,)."""
        ...


@dataclass(frozen=True)
class JointAngle:
    """sign * W(gain * a(first, second) - turn), in degrees."""

    name: str
    side: Side
    first: Vector
    second: Vector
    gain: int
    turn: float

    period = 360.0
    centre = 30.0
    """Joints bend further to + than to -, so 185 (an arm behind overhead) must not read -175."""
    bounded = True

    @property
    def vectors(self) -> tuple[Vector, ...]:
        return self.first, self.second

    def value(self, points: Points, sign: float | Array) -> Array:
        u, v = along(points, self.first), along(points, self.second)
        cross = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        angle = -np.degrees(np.arctan2(cross, (u * v).sum(axis=1)))
        return np.asarray(sign * wrap(self.gain * angle - self.turn), np.float64)


@dataclass(frozen=True)
class SegmentAngle:
    """-atan2(dy, s*dx), in degrees: -90 hanging down, 90 pointing up, 0 pointing forward."""

    name: str
    side: Side
    vector: Vector

    period = 360.0
    centre = 0.0
    bounded = False

    @property
    def vectors(self) -> tuple[Vector, ...]:
        return (self.vector,)

    def value(self, points: Points, sign: float | Array) -> Array:
        v = along(points, self.vector)
        angle = -np.degrees(np.arctan2(v[:, 1], v[:, 0]))
        # atan2(dy, -dx) is 180 - atan2(dy, dx): the sign works on the angle, the coordinates stay.
        return wrap(np.where(np.asarray(sign) > 0, angle, 180.0 - angle))


@dataclass(frozen=True)
class LineAngle:
    """Tilt of the undirected line from right to left, folded to [-90, 90) degrees; 0 is level, no sign."""

    name: str
    side: Side
    vector: Vector

    period = 180.0
    centre = 0.0
    bounded = False

    @property
    def vectors(self) -> tuple[Vector, ...]:
        return (self.vector,)

    def value(self, points: Points, sign: float | Array) -> Array:
        v = along(points, self.vector)
        return wrap(-np.degrees(np.arctan2(v[:, 1], v[:, 0])), 180.0)


def _of_side(side: Side) -> tuple[Measure, ...]:
    hip, knee, ankle = f"{side}_hip", f"{side}_knee", f"{side}_ankle"
    shoulder, elbow, wrist = f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"
    trunk = ("mid_hip", "neck")
    return (
        JointAngle(f"{side} knee", side, (knee, ankle), (knee, hip), 1, 180.0),
        JointAngle(f"{side} hip", side, (knee, hip), trunk, -1, 0.0),
        JointAngle(f"{side} shoulder", side, (elbow, shoulder), trunk, -1, 0.0),
        JointAngle(f"{side} elbow", side, (elbow, wrist), (elbow, shoulder), -1, 180.0),
        SegmentAngle(f"{side} thigh", side, (hip, knee)),
        SegmentAngle(f"{side} shank", side, (knee, ankle)),
        SegmentAngle(f"{side} arm", side, (shoulder, elbow)),
        SegmentAngle(f"{side} forearm", side, (elbow, wrist)),
    )


MEASURES: tuple[Measure, ...] = (
    *(measure for pair in zip(_of_side("right"), _of_side("left"), strict=True) for measure in pair),
    SegmentAngle("trunk", "middle", ("mid_hip", "neck")),
    LineAngle("pelvis", "middle", ("right_hip", "left_hip")),
    LineAngle("shoulders", "middle", ("right_shoulder", "left_shoulder")),
)


def named_points(keypoints: Array, skeleton: Skeleton) -> dict[str, Array]:
    """(T, K, 3) keypoints by name, with the midpoints that the skeleton lacks and its points allow."""
    points = {name: np.asarray(keypoints[:, index], np.float64) for index, name in enumerate(skeleton.keypoints)}
    for name, (one, other) in MIDPOINTS.items():
        if name not in points and one in points and other in points:
            middle = (points[one] + points[other]) / 2
            middle[:, 2] = np.minimum(points[one][:, 2], points[other][:, 2])
            points[name] = middle
    return points


def measures_of(skeleton: Skeleton) -> tuple[tuple[Measure, ...], dict[str, str]]:
    """The measures that a skeleton allows, and for each of the others the reason why it is absent."""
    there = named_points(np.empty((0, len(skeleton.keypoints), 3)), skeleton)
    possible: list[Measure] = []
    absent: dict[str, str] = {}
    for measure in MEASURES:
        lacking = sorted({point for vector in measure.vectors for point in vector if point not in there})
        if lacking:
            absent[measure.name] = f"skeleton {skeleton.name} has no {', '.join(lacking)}"
        else:
            possible.append(measure)
    return tuple(possible), absent


def along(points: Points, vector: Vector) -> Array:
    """(T, 2): the vector in pixels; NaN where an end is missing."""
    start, end = vector
    return points[end][:, :2] - points[start][:, :2]


def shortest_segment(points: Points, measure: Measure) -> Array:
    """(T,): length in pixels of the shortest vector that the measure is made from."""
    lengths = [np.hypot(*along(points, vector).T) for vector in measure.vectors]
    return np.asarray(np.minimum.reduce(lengths), np.float64)


def any_of(marked: NDArray[np.bool_], measure: Measure, skeleton: Skeleton) -> NDArray[np.bool_]:
    """(T,): whether any keypoint that the measure is made from is marked in (T, K)."""
    names = {point for vector in measure.vectors for point in vector}
    made_from = {part for name in names for part in ([name] if name in skeleton.keypoints else MIDPOINTS[name])}
    return np.asarray(marked[:, [skeleton.index(name) for name in sorted(made_from)]].any(axis=1))


def weakest_point(points: Points, measure: Measure) -> Array:
    """(T,): the lowest confidence among the keypoints that the measure is made from."""
    ends = {point for vector in measure.vectors for point in vector}
    return np.asarray(np.minimum.reduce([np.nan_to_num(points[end][:, 2]) for end in sorted(ends)]), np.float64)


def extents(keypoints: Array) -> Array:
    """(T,): the longer side of the box around a person's keypoints (T, K, 3), in pixels; NaN where there are none.

    The longer side and not the height, so that a person who bends or turns upside down keeps a size.
    """
    xy = keypoints[..., :2]
    missing = np.isnan(xy)
    highest = np.where(missing, -np.inf, xy).max(axis=1, initial=-np.inf)
    lowest = np.where(missing, np.inf, xy).min(axis=1, initial=np.inf)
    longest = np.asarray((highest - lowest).max(axis=1), np.float64)
    return np.where(np.isfinite(longest), longest, np.nan)
