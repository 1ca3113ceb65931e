"""From the tracks of teacher and candidate to what is compared: one column for each measure, frame by frame."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from eval.angles import Array, named_points, shortest_segment
from eval.facing import ahead_per_frame
from eval.filters import Mask
from eval.kinematic_labels import Labels, label_counts
from eval.kinematic_motion import Column
from eval.kinematic_pairs import swaps
from eval.kinematic_settings import KinematicsSettings
from eval.kinematics import Kinematics, analyse, gate
from eval.measure_names import LIMB_OF, joint_of
from eval.views import Plane
from teachers.skeleton import Skeleton


@dataclass(frozen=True)
class TrackPair:
    """One person of the teacher's, and the candidate's answer frame by frame (eval.kinematic_pairs.pair_people)."""

    times: Array
    """(T,) seconds."""
    teacher: Array
    """(T, K, 3) x, y, confidence; missing is NaN, NaN, 0."""
    candidate: Array


@dataclass(frozen=True)
class ComparedTrack:
    """Both networks' angles of one person."""

    teacher: Kinematics
    columns: tuple[Column, ...]
    """One for each of `teacher.measures`."""
    keypoints: tuple[Array, Array]
    """(T, K, 3) of teacher and candidate, gated, with their sides put right."""
    candidate: Kinematics

    def within(self, plane: Plane) -> list[Column]:
        """The columns with only the frames that are seen in a plane."""
        frames = self.teacher.views.within(plane)
        return [_only(column, frames) for column in self.columns]

    def labels(self, plane: Plane, skeleton: Skeleton) -> Labels:
        """What became of the labels in the frames that are seen in a plane."""
        seen = (np.isfinite(self.keypoints[0][..., 0]), np.isfinite(self.keypoints[1][..., 0]))
        return label_counts(self.teacher, self.candidate, seen, self.teacher.views.within(plane), skeleton)


def compared(
    track: int, pair: TrackPair, skeleton: Skeleton, settings: KinematicsSettings, min_segment_px: float
) -> ComparedTrack:
    """Analyses both and lays their angles side by side; `track` numbers the person.

    Raises:
        ValueError: the arrays do not fit each other.

    """
    if pair.teacher.shape != pair.candidate.shape:
        raise ValueError(f"teacher {pair.teacher.shape} and candidate {pair.candidate.shape} differ in shape")
    teacher = analyse(pair.times, pair.teacher, skeleton, settings)
    # The teacher's views for both: else a wrong sign of the candidate's would mirror every angle of a stretch.
    candidate = analyse(pair.times, pair.candidate, skeleton, settings, teacher.views)
    seen = (_seen(pair.teacher, teacher, settings), _seen(pair.candidate, candidate, settings))
    columns = tuple(_columns(track, (teacher, candidate), seen, skeleton, min_segment_px))
    return ComparedTrack(teacher, columns, seen, candidate)


def _seen(keypoints: Array, found: Kinematics, settings: KinematicsSettings) -> Array:
    return gate(keypoints, settings.min_confidence) if found.sides is None else found.sides.keypoints


def _columns(
    track: int, both: tuple[Kinematics, Kinematics], seen: tuple[Array, Array], skeleton: Skeleton, min_px: float
) -> Iterable[Column]:
    teacher, candidate = both
    points = named_points(seen[0], skeleton)
    swapped = swaps(seen[0], seen[1], skeleton)
    facing = _facing(seen[0], seen[1], skeleton)
    for m, measure in enumerate(teacher.measures):
        # What the teacher itself dropped as an outlier, or saw faintly and alone, is no reference.
        known = np.isfinite(teacher.raw[:, m]) & ~teacher.filled[:, m]
        short = known & (shortest_segment(points, measure) < min_px)
        limb = LIMB_OF.get(joint_of(measure.name))
        yield Column(
            track=track,
            period=measure.period,
            times=teacher.times,
            raw=(teacher.raw[:, m], candidate.raw[:, m]),
            filtered=(teacher.filtered[:, m], candidate.filtered[:, m]),
            velocity=(teacher.velocity[:, m], candidate.velocity[:, m]),
            measurable=known & ~short,
            doubled=candidate.doubled[:, m],
            unmeasured=~known,
            short=short,
            swap=swapped[limb] if limb else None,
            facing=facing,
        )


def _only(column: Column, frames: Mask) -> Column:
    return replace(
        column,
        measurable=column.measurable & frames,
        unmeasured=column.unmeasured & frames,
        short=column.short & frames,
        swap=None if column.swap is None else (column.swap[0] & frames, column.swap[1] & frames),
        facing=(column.facing[0] & frames, column.facing[1] & frames),
    )


def _facing(teacher: Array, candidate: Array, skeleton: Skeleton) -> tuple[Mask, Mask]:
    one, other = np.sign(ahead_per_frame(teacher, skeleton)), np.sign(ahead_per_frame(candidate, skeleton))
    clear = np.isfinite(one) & np.isfinite(other)
    return clear, clear & (one != other)
