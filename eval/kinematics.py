"""From the keypoints of one person over time to joint angles and angular velocities.

Order: score gate -> views -> sides put right -> outliers dropped -> gaps up to 0.33 s filled, longer stay empty -> low
pass on coordinates -> angles (joints on their one turn, segments unwrapped while seen) -> velocity by central
difference on the true time stamps. What was measured (`raw`: gated, sides put right, unfilled, unfiltered) is kept
beside what was smoothed (`filtered`). Signs follow the view of each frame; no curve goes on across a change of view.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eval.angles import (
    NOT_COMPUTABLE,
    Array,
    Measure,
    any_of,
    measures_of,
    named_points,
    weakest_point,
)
from eval.filters import Mask, OneEuro, runs, spacing
from eval.kinematic_settings import KinematicsSettings
from eval.side_assignment import SideAssignment, assign_sides
from eval.smoothing import SmoothTrack, joined, smooth_keypoints
from eval.velocities import home, nearest_turn, unwrap, velocity
from eval.views import Views, find_views, given_view, view_in_words
from teachers.skeleton import Skeleton


@dataclass(frozen=True)
class Kinematics:
    """Angles of one person over T frames and M measures; degrees, deg/s, seconds, pixels; NaN where unknown."""

    times: Array
    """(T,) seconds, from the container."""
    measures: tuple[Measure, ...]
    absent: dict[str, str]
    """Measures that give no column -> why."""
    views: Views
    sides: SideAssignment | None
    """What was done to labels of left and right; None where the repair is off."""
    raw: Array
    """(T, M) from the keypoints as seen, their sides put right; segments on the turn nearest to `filtered`."""
    filtered: Array
    """(T, M) from filled and smoothed keypoints."""
    velocity: Array
    """(T, M) deg/s, from `filtered`."""
    filled: Mask
    """(T, M): a keypoint of this angle was filled, replaced, or seen faintly and alone: `filtered` is a guess."""
    doubled: Mask
    """(T, M): the label of a keypoint of this angle sat on the other limb and was dropped; filled at most."""
    confidence: Array
    """(T, M): the lowest confidence among the angle's keypoints; 0 where one was not seen."""
    keypoints: Array
    """(T, K, 3): smoothed x and y; confidence as given."""
    guessed: Mask
    """(T, K): `keypoints` has a guess there (`SmoothTrack.filled`)."""
    fps: float | None
    """Mean rate; None for a single frame. The median step would be wrong where stamps are rounded."""
    notes: tuple[str, ...]
    settings: KinematicsSettings

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, as Sports2D has them."""
        return tuple(measure.name for measure in self.measures)


def analyse(
    times: Array, keypoints: Array, skeleton: Skeleton, settings: KinematicsSettings, views: Views | None = None
) -> Kinematics:
    """Angles, velocities and what they rest on, for one track.

    Args:
        times: (T,) seconds, increasing; T may be 1.
        keypoints: (T, K, 3) x, y in pixels and confidence; missing is NaN, NaN, 0. Left unchanged.
        views: of each frame, where more is known than `settings.visible_side`.

    Raises:
        ValueError: shapes do not fit, or time does not increase.

    """
    times, keypoints = np.asarray(times, np.float64), np.asarray(keypoints, np.float64)
    if keypoints.shape != (len(times), len(skeleton.keypoints), 3) or not len(times):
        raise ValueError(f"expected ({len(times)} > 0, {len(skeleton.keypoints)}, 3), got {keypoints.shape}")
    spacing(times)  # refuses times that do not increase
    seen = gate(keypoints, settings.min_confidence)
    views = views or _views(times, seen, skeleton, settings)
    sides = _sides(times, seen, views, skeleton, settings)
    seen = seen if sides is None else sides.keypoints
    smooth = _smooth(times, seen, views, skeleton, settings)
    measures, absent = measures_of(skeleton)
    points = tuple(named_points(each, skeleton) for each in (seen, smooth.keypoints))
    twice = np.zeros(smooth.filled.shape, bool) if sides is None else sides.doubled
    raw, angles, speed, confidence = np.full((4, len(times), len(measures)), np.nan)
    was_filled, doubled = np.zeros((2, len(times), len(measures)), bool)
    for m, measure in enumerate(measures):
        sign = views.signs(measure.side)
        angle = measure.value(points[1], sign)
        stretches = _within_views(runs(np.isfinite(angle), times, settings.max_gap_s), views)
        was_filled[:, m] = np.isfinite(angle) & any_of(smooth.filled, measure, skeleton)
        doubled[:, m] = any_of(twice, measure, skeleton)
        angles[:, m], raw[:, m] = _on_turn(measure, angle, measure.value(points[0], sign), ~was_filled[:, m], stretches)
        speed[:, m] = velocity(times, angle, stretches, measure.period)
        confidence[:, m] = weakest_point(points[0], measure)
    return Kinematics(
        times,
        measures,
        {**absent, **NOT_COMPUTABLE},
        views,
        sides,
        raw=raw,
        filtered=angles,
        velocity=speed,
        filled=was_filled,
        doubled=doubled,
        confidence=confidence,
        keypoints=smooth.keypoints,
        guessed=smooth.filled,
        fps=float((len(times) - 1) / (times[-1] - times[0])) if len(times) > 1 else None,
        notes=tuple(_notes(times, views, set(smooth.reasons) | _not_repaired(settings))),
        settings=settings,
    )


def every_frame(
    frames: NDArray[np.int64], keypoints: Array, clip_times: Array
) -> tuple[NDArray[np.int64], Array, Array]:
    """A track with a row for every frame from its first to its last: a person's absence is a gap like any other.

    Args:
        frames: (T,) index into `clip_times` of each row, increasing.
        keypoints: (T, K, 3).
        clip_times: (N,) seconds of every frame of the clip.

    Returns:
        Frames (T',), times (T',) and keypoints (T', K, 3); a frame without the person is NaN, NaN, 0.

    """
    whole = np.arange(frames[0], frames[-1] + 1)
    spread = np.full((len(whole), *keypoints.shape[1:]), np.nan)
    spread[..., 2] = 0.0
    spread[frames - frames[0]] = keypoints
    return whole, np.asarray(clip_times, np.float64)[whole], spread


def gate(keypoints: Array, min_confidence: float) -> Array:
    """(T, K, 3) with what is below the confidence, or not a number, set to NaN, NaN, 0."""
    seen = keypoints.copy()
    weak = ~(keypoints[..., 2] >= min_confidence) | ~np.isfinite(keypoints).all(axis=-1)
    seen[weak] = np.nan, np.nan, 0.0
    return seen


def _on_turn(
    measure: Measure, smooth: Array, seen: Array, known: Mask, stretches: Sequence[slice]
) -> tuple[Array, Array]:
    """(T,) smooth and seen angles: of a joint on its one turn, of a segment continuous while it is seen."""
    if measure.bounded:
        return home(smooth, measure.period, measure.centre), home(seen, measure.period, measure.centre)
    angles = unwrap(smooth, known, stretches, measure.period, measure.centre)
    return angles, nearest_turn(seen, angles, measure.period)


def _views(times: Array, seen: Array, skeleton: Skeleton, settings: KinematicsSettings) -> Views:
    if settings.visible_side == "auto":
        return find_views(seen, times, skeleton)
    return given_view(settings.visible_side, len(times))


def _sides(
    times: Array, seen: Array, views: Views, skeleton: Skeleton, settings: KinematicsSettings
) -> SideAssignment | None:
    if settings.swap_repair is None or isinstance(settings.low_pass, OneEuro):
        return None
    return assign_sides(seen, times, views, skeleton, settings.swap_repair)


def _not_repaired(settings: KinematicsSettings) -> set[str]:
    """A causal filter is for live use, and the repair looks at the whole track."""
    if settings.swap_repair is None or not isinstance(settings.low_pass, OneEuro):
        return set()
    return {"exchanged sides are not repaired: that looks ahead, and the one-euro filter does not"}


def _smooth(times: Array, seen: Array, views: Views, skeleton: Skeleton, settings: KinematicsSettings) -> SmoothTrack:
    """Smoothed, but not across a sudden turn: the limbs of before and after are in other places."""
    edges = [0, *views.turns, len(times)]
    return joined([smooth_keypoints(times[a:b], seen[a:b], skeleton, settings) for a, b in pairwise(edges)])


def _within_views(stretches: Sequence[slice], views: Views) -> list[slice]:
    """Stretches cut where the view changes: signs change there, and no person turns within a frame."""
    cuts = [stretch.stop for stretch in views.stretches]
    found = []
    for stretch in stretches:
        edges = [stretch.start, *(cut for cut in cuts if stretch.start < cut < stretch.stop), stretch.stop]
        found += [slice(start, stop) for start, stop in pairwise(edges)]
    return found


def _notes(times: Array, views: Views, reasons: set[str]) -> Iterator[str]:
    if views.note:
        yield views.note
    if len(times) < 2:
        yield "a single frame: no velocity, nothing to filter"
    elif np.abs(np.diff(times) - spacing(times)).max() > 0.01 * spacing(times):
        yield "the frame rate varies by more than 1 %: runs were resampled for the low pass, velocities use true times"
    yield from sorted(reasons)


def column_meaning(views: Views, times: Array) -> tuple[str, ...]:
    """What the columns stand for, for the headers of files: which view holds when, and what it means."""
    stretches = views.stretches
    lines = [f"Views: {views.in_words(times)}."] if len(stretches) > 1 else []
    for plane, views_of_plane in (("side", ("right", "left")), ("front", ("front", "back"))):
        seen = dict.fromkeys(view_in_words(part.view) for part in stretches if part.view in views_of_plane)
        if seen:
            lines += _meaning(plane, " or ".join(seen))
    return (*lines, "Pelvis, shoulders: tilt of the line from right to left in the image, 0 level.")


def _meaning(plane: str, seen: str) -> tuple[str, ...]:
    if plane == "side":
        return (
            f"Seen from the side, {seen}: knee, hip, shoulder, elbow: 0 is straight, + is flexion.",
            "Thigh, shank, arm, forearm: -90 hanging. Trunk: 90 upright, less is leaning forward.",
        )
    return (
        f"{seen[0].upper()}{seen[1:]}: hip and shoulder are ab-/adduction (+ is abduction), knee and elbow are the "
        "bend in the image plane (varus/valgus-like), not flexion.",
        "Thigh, shank, arm, forearm: -90 hanging, more is outward. Trunk: 90 upright, less is leaning to image right.",
    )
