"""Kinematic fidelity: how many degrees a candidate's joint angles lie from the teacher's on the same clip.

Teacher-relative, so it says nothing about the truth. The teacher's track is fixed and gives the person, the way it
faces and the frames that count: what the teacher could not measure does not count, what only the candidate lost
counts as lost and never as zero error. Both go through the same gate, gap filling and filters; frames that were
filled are never compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from eval.angle_errors import FLOORED, AngleErrors, ErrorSettings, Sample, angle_errors
from eval.angles import Array, measures_of, named_points, shortest_segment
from eval.facing import ahead_per_frame
from eval.filters import Mask
from eval.kinematic_motion import MOTION_FIELDS, Column, Motion, motion_errors
from eval.kinematic_pairs import swaps
from eval.kinematic_settings import KinematicsSettings
from eval.kinematics import Kinematics, analyse, gate
from teachers.skeleton import Skeleton

LIMB_OF: Mapping[str, str] = {
    **dict.fromkeys(("knee", "hip", "thigh", "shank"), "leg"),
    **dict.fromkeys(("shoulder", "elbow", "arm", "forearm"), "arm"),
}


@dataclass(frozen=True)
class FidelitySettings:
    """What the comparison depends on; the same for candidate and noise floor."""

    kinematics: KinematicsSettings = field(default_factory=KinematicsSettings)
    errors: ErrorSettings = field(default_factory=ErrorSettings)
    min_segment_px: float = 10.0
    """A teacher's segment shorter than this has no direction worth comparing; such frames are skipped and counted."""


@dataclass(frozen=True)
class TrackPair:
    """One person of the teacher's, and the candidate's answer frame by frame (eval.kinematic_pairs.pair_people)."""

    times: Array
    """(T,) seconds."""
    teacher: Array
    """(T, K, 3) x, y, confidence; missing is NaN, NaN, 0."""
    candidate: Array


@dataclass(frozen=True)
class JointFidelity:
    """One column (`right knee`) or both sides together (`knee`)."""

    raw: AngleErrors
    filtered: AngleErrors
    motion: Motion
    n_unmeasured: int
    """Frames of the tracks in which the teacher did not see the angle (score under the gate)."""
    n_short: int
    """Frames in which it did, on a segment shorter than `min_segment_px`."""


@dataclass(frozen=True)
class KinematicFidelity:
    """Everything measured for one candidate on one clip."""

    joints: Mapping[str, JointFidelity]
    absent: Mapping[str, str]
    """Measures that the skeleton does not allow -> why."""
    conditions: Mapping[str, object]
    """Frame rate, filter, gates: what a velocity error in deg/s must be read with."""


def compare(pairs: Iterable[TrackPair], skeleton: Skeleton, settings: FidelitySettings) -> KinematicFidelity:
    """All joints of all tracks; without any track every number is None with a reason.

    Raises:
        ValueError: a track's arrays do not fit each other.

    """
    measures, absent = measures_of(skeleton)
    columns: dict[str, list[Column]] = {measure.name: [] for measure in measures}
    rates: list[float] = []
    frames = tracks = 0
    for track, pair in enumerate(pairs):
        teacher, candidate = _analyse(pair, skeleton, settings.kinematics)
        for measure, column in zip(
            measures, _columns(track, pair, (teacher, candidate), skeleton, settings), strict=True
        ):
            columns[measure.name].append(column)
        rates += [teacher.fps] if teacher.fps else []
        frames += len(pair.times)
        tracks += 1
    groups = {name: [name] for name in columns}
    for name in columns:
        if (joint := joint_of(name)) != name:
            groups.setdefault(joint, []).append(name)
    joints = {
        name: _joint([column for member in members for column in columns[member]], settings.errors)
        for name, members in groups.items()
    }
    conditions = {
        "tracks": tracks,
        "frames": frames,
        "fps": median(rates) if rates else None,
        "low_pass": repr(settings.kinematics.low_pass),
        "settings": repr(settings),
    }
    return KinematicFidelity(joints, absent, conditions)


def with_floor(candidate: KinematicFidelity, floors: Sequence[KinematicFidelity]) -> KinematicFidelity:
    """Sets the teacher's own noise beside every number: the median over the disturbances of the same clip."""
    joints = {}
    for name, joint in candidate.joints.items():
        own = [floor.joints[name] for floor in floors if name in floor.joints]
        motion = {f"floor_{key}": _median([getattr(each.motion, key) for each in own]) for key in MOTION_FIELDS}
        joints[name] = replace(
            joint,
            raw=_floored(joint.raw, [each.raw for each in own]),
            filtered=_floored(joint.filtered, [each.filtered for each in own]),
            motion=replace(joint.motion, floor=motion),
        )
    return replace(candidate, joints=joints, conditions={**candidate.conditions, "disturbances": len(floors)})


def joint_of(column: str) -> str:
    """`right knee` -> `knee`."""
    return column.removeprefix("right ").removeprefix("left ")


def _analyse(pair: TrackPair, skeleton: Skeleton, settings: KinematicsSettings) -> tuple[Kinematics, Kinematics]:
    if pair.teacher.shape != pair.candidate.shape:
        raise ValueError(f"teacher {pair.teacher.shape} and candidate {pair.candidate.shape} differ in shape")
    teacher = analyse(pair.times, pair.teacher, skeleton, settings)
    # The teacher's facing for both: else one wrong sign of the candidate's would mirror every angle of the clip.
    candidate = analyse(pair.times, pair.candidate, skeleton, settings, teacher.views)
    return teacher, candidate


def _columns(
    track: int,
    pair: TrackPair,
    both: tuple[Kinematics, Kinematics],
    skeleton: Skeleton,
    settings: FidelitySettings,
) -> Iterable[Column]:
    teacher, candidate = both
    seen = [gate(keypoints, settings.kinematics.min_confidence) for keypoints in (pair.teacher, pair.candidate)]
    points = named_points(seen[0], skeleton)
    swapped = swaps(seen[0], seen[1], skeleton)
    facing = _facing(seen[0], seen[1], skeleton)
    for m, measure in enumerate(teacher.measures):
        known = np.isfinite(teacher.raw[:, m])
        short = known & (shortest_segment(points, measure) < settings.min_segment_px)
        limb = LIMB_OF.get(joint_of(measure.name))
        yield Column(
            track=track,
            period=measure.period,
            times=teacher.times,
            raw=(teacher.raw[:, m], candidate.raw[:, m]),
            filtered=(teacher.filtered[:, m], candidate.filtered[:, m]),
            velocity=(teacher.velocity[:, m], candidate.velocity[:, m]),
            measurable=known & ~short,
            n_unmeasured=int((~known).sum()),
            n_short=int(short.sum()),
            swap=swapped[limb] if limb else None,
            facing=facing,
        )


def _facing(teacher: Array, candidate: Array, skeleton: Skeleton) -> tuple[Mask, Mask]:
    one, other = np.sign(ahead_per_frame(teacher, skeleton)), np.sign(ahead_per_frame(candidate, skeleton))
    clear = np.isfinite(one) & np.isfinite(other)
    return clear, clear & (one != other)


def _joint(columns: Sequence[Column], settings: ErrorSettings) -> JointFidelity:
    return JointFidelity(
        raw=angle_errors(_sample(columns, filtered=False), settings),
        filtered=angle_errors(_sample(columns, filtered=True), settings),
        motion=motion_errors(columns),
        n_unmeasured=sum(column.n_unmeasured for column in columns),
        n_short=sum(column.n_short for column in columns),
    )


def _sample(columns: Sequence[Column], *, filtered: bool) -> Sample:
    errors, teacher, tracks = [np.empty(0)], [np.empty(0)], [np.empty(0, np.int64)]
    for column in columns:
        series = column.filtered if filtered else column.raw
        errors.append(column.error(series)[column.found])
        teacher.append(series[0][column.found])
        tracks.append(np.full(int(column.found.sum()), column.track, np.int64))
    measurable = sum(int(column.measurable.sum()) for column in columns)
    return Sample(np.concatenate(errors), np.concatenate(teacher), np.concatenate(tracks), measurable)


def _floored(errors: AngleErrors, own: Sequence[AngleErrors]) -> AngleErrors:
    floor = {f"floor_{key}": _median([getattr(each, key) for each in own]) for key in FLOORED}
    noise = floor["floor_median_abs_error"]
    over, reason = None, errors.reason
    if noise is None:
        reason = reason or "the teacher's noise floor was not measured for this angle"
    elif errors.median_abs_error == 0:
        over = 0.0
    elif noise == 0:
        reason = reason or "the teacher's noise floor is zero"
    elif errors.median_abs_error is not None:
        over = errors.median_abs_error / noise
    return replace(errors, floor=floor, error_over_noise=over, reason=reason)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(median(known)) if known else None
