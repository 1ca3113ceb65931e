"""Labels of left and right that change places or sit on the same limb, and what is left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinematic_figures import Array, lose, stamps
from kinematic_walker import ARM, LEG, doubled, exchanged, jumping_jack, noisy, rows, runner, walker, with_gaps

from eval.kinematic_settings import KinematicsSettings
from eval.kinematics import Kinematics, analyse
from eval.side_assignment import SideAssignment, assign_sides
from eval.side_search import SideSettings
from eval.views import find_views
from teachers.skeleton import COCO_18, Skeleton

OFF = KinematicsSettings(swap_repair=None)
UNFILTERED = KinematicsSettings(low_pass=None, outliers=None, swap_repair=None)


def repaired(track: Array, fps: float = 30.0) -> SideAssignment:
    times = stamps(len(track), fps)
    return assign_sides(track, times, find_views(track, times, COCO_18), COCO_18, SideSettings())


def knees(found: Kinematics) -> Array:
    return found.filtered[:, [found.names.index(f"{side} knee") for side in ("right", "left")]]


def rmse(track: Array, clean: Array, fps: float = 30.0, settings: KinematicsSettings | None = None) -> float:
    """Filtered knee angles against those of the clean track, degrees."""
    times = stamps(len(track), fps)
    truth = knees(analyse(times, clean, COCO_18, UNFILTERED))
    error = knees(analyse(times, track, COCO_18, settings or KinematicsSettings())) - truth
    assert np.isfinite(error).mean() > 0.9
    return float(np.sqrt(np.nanmean(error**2)))


@pytest.mark.parametrize(
    ("fps", "faces", "lengths"),
    [(30.0, 1, (3, 15)), (30.0, -1, (8,)), (60.0, 1, (5,)), (240.0, -1, (9,))],
)
def test_exchanged_legs_of_a_walker_leave_no_trace_in_the_knees(
    fps: float, faces: int, lengths: tuple[int, ...]
) -> None:
    """Lengths in thirtieths of a second."""
    clean = walker(3 if fps < 100 else 1, fps, faces)
    rng = np.random.default_rng(int(fps) + faces)
    without = []
    for seed, thirtieths in enumerate(lengths):
        length = round(thirtieths * fps / 30)
        start = int(rng.integers(5, len(clean) - length - 5))
        track = exchanged(noisy(clean, 1.2, seed), slice(start, start + length))
        assert rmse(track, clean, fps) <= 1.5
        if fps < 60:
            without.append(rmse(track, clean, fps, OFF))
        counts = repaired(track, fps).counts()
        assert counts["legs"]["exchanged"] == length and counts["arms"]["exchanged"] == 0
    assert fps >= 60 or (len(without) == len(lengths) and max(without) > 4)


@settings(max_examples=10, deadline=None)
@given(
    st.sampled_from([walker, runner, jumping_jack]),
    st.integers(3, 15),
    st.integers(8, 90),
    st.sampled_from([LEG, LEG[1:], LEG[2:]]),
    st.integers(0, 99),
)
def test_any_exchange_of_half_a_second_is_taken_back(make, length: int, start: int, joints, seed: int) -> None:  # type: ignore[no-untyped-def]
    clean = noisy(make(4), 1.0, seed)
    track = exchanged(clean, slice(start, start + length), joints)
    found = repaired(track)
    right = [COCO_18.index(f"right_{joint}") for joint in joints]
    left = [COCO_18.index(f"left_{joint}") for joint in joints]
    apart = np.hypot(*np.moveaxis(clean[:, right, :2] - clean[:, left, :2], -1, 0)) > 40
    seen = np.isfinite(found.keypoints[:, right, 0]) & apart
    assert seen.any()
    assert (found.keypoints[:, right, :2] == clean[:, right, :2])[seen].all()


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from([walker, runner, jumping_jack]),
    st.sampled_from([1, -1]),
    st.floats(0, 3),
    st.floats(0, 0.1),
    st.integers(0, 999),
)
def test_what_the_network_said_stands_where_it_was_right(
    make, faces: int, noise: float, gaps: float, seed: int
) -> None:  # type: ignore[no-untyped-def]
    clean = make(4) if make is jumping_jack else make(4, faces=faces)
    track = with_gaps(noisy(clean, noise, seed), gaps, seed)
    found = repaired(track)
    for limb in found.limbs.values():
        assert (limb.order > 0).mean() <= 0.02
        assert limb.dropped.mean() <= 0.06
    changed = np.isfinite(found.keypoints[..., 0]) & (found.keypoints[..., 0] != track[..., 0])
    assert changed.mean() < 0.01


def test_nothing_is_made_up_and_nothing_but_limbs_is_touched() -> None:
    track = with_gaps(exchanged(noisy(walker(4), 1.0), slice(40, 50)), 0.1)
    before = track.copy()
    found = repaired(track)
    assert np.array_equal(track, before, equal_nan=True)
    limbs = [row for side in ("right", "left") for row in rows(side, (*LEG, *ARM))]
    others = [k for k in range(18) if k not in limbs]
    assert np.array_equal(found.keypoints[:, others], track[:, others], equal_nan=True)
    for frame in range(len(track)):
        given_points = {tuple(point) for point in track[frame, limbs] if np.isfinite(point[0])}
        kept = {tuple(point) for point in found.keypoints[frame, limbs] if np.isfinite(point[0])}
        assert kept <= given_points
    assert (found.keypoints[found.doubled][:, 2] == 0).all() and np.isnan(found.keypoints[found.doubled][:, 0]).all()


@pytest.mark.parametrize(
    ("make", "onto", "fps"),
    [(walker, "right", 30.0), (walker, "left", 30.0), (runner, "right", 30.0), (runner, "left", 30.0),
     (walker, "right", 120.0)],
)  # fmt: skip
def test_the_wrong_label_of_a_doubled_leg_is_dropped(make, onto: str, fps: float) -> None:  # type: ignore[no-untyped-def]
    starts = (1.0, 1.4, 2.1, 2.6) if fps < 100 else (1.0,)
    clean = make(starts[-1] + 1.4, fps)
    gone = rows("left" if onto == "right" else "right", LEG[1:])
    there = rows(onto, LEG[1:])
    tried = 0
    for start_s in starts:
        stretch = slice(round(start_s * fps), round((start_s + 0.3) * fps))
        found = repaired(doubled(noisy(clean, 1.0), stretch, onto), fps)
        apart = np.hypot(*np.moveaxis(clean[:, gone, :2] - clean[:, there, :2], -1, 0)) > 40
        wrong = np.zeros(len(clean), bool)
        wrong[stretch] = True
        assert np.isnan(found.keypoints[:, gone, 0])[wrong[:, None] & apart].mean() >= 0.9
        assert np.isfinite(found.keypoints[:, there, 0])[wrong].mean() >= 0.9
        assert found.counts()["legs"]["doubled"] >= 0.7 * wrong.sum()
        tried += 1
    assert tried == len(starts)


def test_legs_that_pass_each_other_are_no_doubled_limb() -> None:
    for make in (walker, runner):
        assert repaired(noisy(make(6), 1.0)).counts()["legs"]["doubled"] <= 0.04 * 180


def test_standing_with_both_legs_together_keeps_both() -> None:
    still = noisy(np.repeat(walker(0.1)[:1], 90, axis=0), 1.0)
    together = still.copy()
    for right, left in zip(rows("right", LEG), rows("left", LEG), strict=True):
        together[:, left, :2] = still[:, right, :2] + 3
    assert repaired(together).counts()["legs"] == repaired(still).counts()["legs"]


def test_whoever_is_right_most_of_the_time_is_right() -> None:
    """The network's word stands: the shorter stretch is exchanged, and of a whole clip nothing."""
    clean = noisy(walker(6), 1.0)
    assert repaired(exchanged(clean, slice(0, None))).counts()["legs"]["exchanged"] == 0
    late = repaired(exchanged(clean, slice(20, None)))
    assert late.counts()["legs"]["exchanged"] in (0, 20)
    assert repaired(exchanged(clean, slice(165, None))).counts()["legs"]["exchanged"] == 15


def test_facing_the_camera_right_is_on_the_image_left() -> None:
    clean = noisy(jumping_jack(4), 1.0)
    track = exchanged(exchanged(clean, slice(30, 75)), slice(50, 95), ARM)
    found = repaired(track)
    assert np.array_equal(found.keypoints[..., :2], clean[..., :2])
    assert found.counts()["legs"]["exchanged_whole"] == found.counts()["arms"]["exchanged_whole"] == 45


def test_the_repair_can_be_switched_off_and_says_what_it_did() -> None:
    track = exchanged(noisy(walker(3), 1.0), slice(30, 36))
    times = stamps(90)
    off = analyse(times, track, COCO_18, OFF)
    assert off.sides is None
    on = analyse(times, track, COCO_18, KinematicsSettings())
    assert on.sides is not None and on.sides.counts()["legs"]["exchanged"] == 6
    assert not np.allclose(knees(on), knees(off), equal_nan=True)


def test_skeletons_without_limbs_and_tracks_without_points_pass_through() -> None:
    upper = Skeleton(
        name="upper",
        keypoints=("nose", "right_shoulder", "right_elbow", "right_wrist"),
        limbs=((1, 2),),
        mirror_pairs=(),
        sigmas=(0.1, 0.1, 0.1, 0.1),
    )
    track = noisy(walker(1), 1.0)[:, [0, 2, 3, 4]]
    times = stamps(30)
    found = assign_sides(track, times, find_views(track, times, upper), upper, SideSettings())
    assert found.limbs == {} and np.array_equal(found.keypoints, track)
    nothing = lose(walker(1), slice(None))
    assert repaired(nothing).counts() == {}
    assert repaired(walker(1)[:1]).counts()["legs"]["exchanged"] == 0
