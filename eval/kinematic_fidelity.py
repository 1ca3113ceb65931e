"""Kinematic fidelity: how many degrees a candidate's joint angles lie from the teacher's on the same clip.

Teacher-relative, so it says nothing about the truth. The teacher's track is fixed and gives the person, the view of
each frame and the frames that count: what the teacher could not measure does not count, what only the candidate lost
counts as lost and never as zero error. Both go through the same gate, repair of sides, gap filling and filters; frames
that were filled are never compared. Flexion means nothing from the front, so frontal views have numbers of their own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from eval.angle_errors import FLOORED, AngleErrors, AngleSample, ErrorSettings, angle_errors
from eval.angles import measures_of
from eval.kinematic_columns import ComparedTrack, TrackPair, compared
from eval.kinematic_labels import Labels, summed
from eval.kinematic_motion import MOTION_FIELDS, Column, Motion, motion_errors
from eval.kinematic_settings import KinematicsSettings
from eval.measure_names import joint_of
from eval.views import VIEW_NAMES, Plane
from teachers.skeleton import Skeleton


@dataclass(frozen=True)
class FidelitySettings:
    """What the comparison depends on; the same for candidate and noise floor."""

    kinematics: KinematicsSettings = field(default_factory=KinematicsSettings)
    errors: ErrorSettings = field(default_factory=ErrorSettings)
    min_segment_px: float = 10.0
    """A teacher's segment shorter than this has no direction worth comparing; such frames are skipped and counted."""


@dataclass(frozen=True)
class JointFidelity:
    """One column (`right knee`) or both sides together (`knee`)."""

    raw: AngleErrors
    filtered: AngleErrors
    motion: Motion
    n_unmeasured: int
    """Frames of the tracks in which the teacher does not know the angle: not seen, an outlier, or faint and alone."""
    n_short: int
    """Frames in which it did, on a segment shorter than `min_segment_px`."""


@dataclass(frozen=True)
class FrontalFidelity:
    """The frames seen from the front or the back: ab-/adduction and bend in the image plane, no flexion."""

    frames: int
    joints: Mapping[str, JointFidelity]
    labels: Labels


@dataclass(frozen=True)
class KinematicFidelity:
    """Everything measured for one candidate on one clip: of side views, and apart from them of frontal ones."""

    joints: Mapping[str, JointFidelity]
    """Of the frames seen from the side."""
    absent: Mapping[str, str]
    """Measures that the skeleton does not allow -> why."""
    conditions: Mapping[str, object]
    """Frame rate, filter, gates: what a velocity error in deg/s must be read with."""
    views: Mapping[str, int] = field(default_factory=dict)
    """View -> frames of all tracks, of people and not of the clip."""
    labels: Labels = field(default_factory=dict)
    """Of the frames seen from the side."""
    front: FrontalFidelity | None = None
    """None where no person is seen from the front or the back."""

    @property
    def side_frames(self) -> int:
        """Frames of all tracks that are seen from the side."""
        return self.views.get("right", 0) + self.views.get("left", 0)


def compare(pairs: Iterable[TrackPair], skeleton: Skeleton, settings: FidelitySettings) -> KinematicFidelity:
    """All joints of all tracks; without any track every number is None with a reason.

    Raises:
        ValueError: a track's arrays do not fit each other.

    """
    measures, absent = measures_of(skeleton)
    tracks = [
        compared(number, pair, skeleton, settings.kinematics, settings.min_segment_px)
        for number, pair in enumerate(pairs)
    ]
    rates = [track.teacher.fps for track in tracks if track.teacher.fps]
    views = Counter(VIEW_NAMES[view] for track in tracks for view in track.teacher.views.per_frame.tolist())
    conditions = {
        "tracks": len(tracks),
        "frames": sum(len(track.teacher.times) for track in tracks),
        "fps": median(rates) if rates else None,
        "low_pass": repr(settings.kinematics.low_pass),
        "settings": repr(settings),
    }
    names = [measure.name for measure in measures]
    frontal = views["front"] + views["back"]
    return KinematicFidelity(
        _joints(tracks, names, "side", settings.errors),
        absent,
        conditions,
        {view: views[view] for view in VIEW_NAMES},
        summed([track.labels("side", skeleton) for track in tracks]),
        FrontalFidelity(
            frontal,
            _joints(tracks, names, "front", settings.errors),
            summed([track.labels("front", skeleton) for track in tracks]),
        )
        if frontal
        else None,
    )


def _joints(
    tracks: Sequence[ComparedTrack], names: Sequence[str], plane: Plane, settings: ErrorSettings
) -> dict[str, JointFidelity]:
    """Each column, then both sides of a joint together."""
    columns: dict[str, list[Column]] = {name: [] for name in names}
    for track in tracks:
        for name, column in zip(names, track.within(plane), strict=True):
            columns[name].append(column)
    groups = {name: [name] for name in columns}
    for name in columns:
        if (joint := joint_of(name)) != name:
            groups.setdefault(joint, []).append(name)
    return {
        name: _joint([column for member in members for column in columns[member]], settings)
        for name, members in groups.items()
    }


def with_floor(candidate: KinematicFidelity, floors: Sequence[KinematicFidelity]) -> KinematicFidelity:
    """Sets the teacher's own noise beside every number: the median over the perturbations of the same clip."""
    front = candidate.front
    if front is not None:
        own = [floor.front.joints for floor in floors if floor.front is not None]
        front = replace(front, joints=_beside(front.joints, own))
    return replace(
        candidate,
        joints=_beside(candidate.joints, [floor.joints for floor in floors]),
        front=front,
        conditions={**candidate.conditions, "perturbations": len(floors)},
    )


def _beside(
    joints: Mapping[str, JointFidelity], floors: Sequence[Mapping[str, JointFidelity]]
) -> dict[str, JointFidelity]:
    found = {}
    for name, joint in joints.items():
        own = [floor[name] for floor in floors if name in floor]
        motion = {f"floor_{key}": _median([getattr(each.motion, key) for each in own]) for key in MOTION_FIELDS}
        found[name] = replace(
            joint,
            raw=_floored(joint.raw, [each.raw for each in own]),
            filtered=_floored(joint.filtered, [each.filtered for each in own]),
            motion=replace(joint.motion, floor=motion),
        )
    return found


def _joint(columns: Sequence[Column], settings: ErrorSettings) -> JointFidelity:
    return JointFidelity(
        raw=angle_errors(_sample(columns, filtered=False), settings),
        filtered=angle_errors(_sample(columns, filtered=True), settings),
        motion=motion_errors(columns),
        n_unmeasured=sum(int(column.unmeasured.sum()) for column in columns),
        n_short=sum(int(column.short.sum()) for column in columns),
    )


def _sample(columns: Sequence[Column], *, filtered: bool) -> AngleSample:
    errors, teacher, tracks = [np.empty(0)], [np.empty(0)], [np.empty(0, np.int64)]
    for column in columns:
        series = column.filtered if filtered else column.raw
        errors.append(column.error(series)[column.found])
        teacher.append(series[0][column.found])
        tracks.append(np.full(int(column.found.sum()), column.track, np.int64))
    measurable = sum(int(column.measurable.sum()) for column in columns)
    doubled = sum(int((column.measurable & ~column.found & column.doubled).sum()) for column in columns)
    return AngleSample(np.concatenate(errors), np.concatenate(teacher), np.concatenate(tracks), measurable, doubled)


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
