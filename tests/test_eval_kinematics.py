"""Angles of figures with set flexions, views, gaps, unwrapping, velocities and odd tracks."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinematic_figures import Pose, figure, lose, stamps, walk

from eval.angles import MEASURES, View, wrap
from eval.filters import Butterworth, OneEuro
from eval.kinematic_settings import KinematicsSettings
from eval.kinematics import Kinematics, analyse, every_frame
from eval.rts_smoother import RauchTungStriebel
from teachers.common.errors import UserError
from teachers.skeleton import COCO_18, Skeleton

RAW = KinematicsSettings(low_pass=None, outliers=None)


def angles(keypoints: np.ndarray, side: View | str = "auto") -> dict[str, float]:
    found = analyse(stamps(1), keypoints[None], COCO_18, KinematicsSettings(visible_side=side))  # type: ignore[arg-type]
    return dict(zip(found.names, found.raw[0], strict=True))


def column(found: Kinematics, name: str, series: str = "filtered") -> np.ndarray:
    return getattr(found, series)[:, found.names.index(name)]


@pytest.mark.parametrize("faces", [1, -1])
@pytest.mark.parametrize(
    "pose",
    [
        Pose(knee=60),
        Pose(hip=40),
        Pose(shoulder=90),
        Pose(elbow=100),
        Pose(lean=20),
        Pose(knee=60, hip=40, shoulder=90, elbow=100, lean=20),
        Pose(knee=150, hip=-30, shoulder=-50, elbow=150, lean=-10),
    ],
)
def test_a_figure_returns_the_flexions_it_was_set_to(pose: Pose, faces: int) -> None:
    found = angles(figure(pose, faces=faces))
    for side in ("right", "left"):
        for joint in ("knee", "hip", "shoulder", "elbow"):
            assert found[f"{side} {joint}"] == pytest.approx(getattr(pose, joint), abs=1e-9)
        assert found[f"{side} thigh"] == pytest.approx(-90 + pose.hip - pose.lean, abs=1e-9)
        shank = (90 + pose.hip - pose.lean - pose.knee) % 360 - 180  # -90 is hanging, in [-180, 180)
        assert found[f"{side} shank"] == pytest.approx(shank, abs=1e-9)
        assert found[f"{side} arm"] == pytest.approx(-90 + pose.shoulder - pose.lean, abs=1e-9)
    assert found["trunk"] == pytest.approx(90 - pose.lean, abs=1e-9)
    assert found["pelvis"] == pytest.approx(0, abs=1e-9)
    assert found["shoulders"] == pytest.approx(0, abs=1e-9)


bend = st.floats(0, 150)
poses = st.builds(
    Pose,
    knee=bend,
    hip=st.floats(-30, 130),
    shoulder=st.floats(-60, 175),
    elbow=bend,
    lean=st.floats(-40, 80),
)


@given(right=poses, left=poses, height=st.floats(20, 2000), faces=st.sampled_from([1, -1]))
def test_random_figures_return_their_flexions_both_ways(right: Pose, left: Pose, height: float, faces: int) -> None:
    found = angles(figure(right, left, height, faces=faces))
    for side, pose in (("right", right), ("left", left)):
        for joint in ("knee", "elbow"):
            assert abs(wrap(np.array(found[f"{side} {joint}"] - getattr(pose, joint)))) < 1e-6
        # hip and shoulder are taken against the one trunk, which leans as the right pose says
        for joint in ("hip", "shoulder"):
            assert abs(wrap(np.array(found[f"{side} {joint}"] - getattr(pose, joint)))) < 1e-6
    assert found["trunk"] == pytest.approx(float(wrap(np.array(90 - right.lean))), abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, -1]))
def test_random_points_agree_with_the_formulas_as_written(seed: int, s: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 500, (18, 2))
    found = angles(np.column_stack([points, np.ones(18)]), "right" if s > 0 else "left")
    hip_middle = (points[8] + points[11]) / 2

    def a(u: np.ndarray, v: np.ndarray) -> float:
        return float(-np.degrees(np.arctan2(u[0] * v[1] - u[1] * v[0], u @ v)))

    def w(x: float) -> float:
        return (x + 180) % 360 - 180

    p, trunk = points, points[1] - hip_middle
    expected = {
        "left knee": s * w(a(p[13] - p[12], p[11] - p[12]) - 180),
        "right hip": s * w(-a(p[8] - p[9], trunk)),
        "left shoulder": s * w(-a(p[5] - p[6], trunk)),
        "right elbow": s * w(-(a(p[4] - p[3], p[2] - p[3]) + 180)),
        "left forearm": -np.degrees(np.arctan2(p[7, 1] - p[6, 1], s * (p[7, 0] - p[6, 0]))),
        "trunk": -np.degrees(np.arctan2(trunk[1], s * trunk[0])),
        "pelvis": (-np.degrees(np.arctan2(*(p[11] - p[8])[::-1])) + 90) % 180 - 90,
    }
    for name, value in expected.items():
        assert abs(wrap(np.array(found[name] - value))) < 1e-9, name


def test_columns_carry_the_names_of_sports2d_and_what_needs_toes_is_absent_with_a_reason() -> None:
    found = analyse(stamps(1), figure(Pose())[None], COCO_18, KinematicsSettings())
    assert {"right knee", "left hip", "right thigh", "left forearm", "trunk", "pelvis", "shoulders"} < set(found.names)
    assert len(found.names) == 19 and found.names[:2] == ("right knee", "left knee")
    assert "toe" in found.absent["ankle"] and "toe" in found.absent["foot"] and "finger" in found.absent["wrist"]


def test_a_skeleton_without_ankles_loses_its_knees_only() -> None:
    kept = [i for i, name in enumerate(COCO_18.keypoints) if not name.endswith("ankle")]
    bare = Skeleton(
        name="no-ankles",
        keypoints=tuple(COCO_18.keypoints[i] for i in kept),
        limbs=(),
        mirror_pairs=(),
        sigmas=tuple(COCO_18.sigmas[i] for i in kept),
    )
    found = analyse(stamps(1), figure(Pose(hip=40))[kept][None], bare, KinematicsSettings())
    assert found.absent["right knee"] == "skeleton no-ankles has no right_ankle"
    assert {"right knee", "left shank"}.isdisjoint(found.names) and len(found.names) == 15
    assert column(found, "right hip", "raw")[0] == pytest.approx(40)


def test_visible_side_overrides_and_turns_the_sign() -> None:
    assert angles(figure(Pose(knee=45)), "left")["right knee"] == pytest.approx(-45)
    with pytest.raises(UserError, match="front, back"):
        KinematicsSettings(visible_side="up")  # type: ignore[arg-type]


def frontal(abduct: float, lean: float, tilt: float) -> np.ndarray:
    """A person seen from the front: the left side lies to image right; arms and legs lifted sideways."""
    turn = np.radians(lean)
    up = np.array([np.sin(turn), -np.cos(turn)])
    points = {"mid_hip": np.array([300.0, 300.0])}
    points["neck"] = points["mid_hip"] + 120 * up
    points["nose"] = points["neck"] + 30 * up
    level = np.array([np.cos(np.radians(tilt)), -np.sin(np.radians(tilt))])
    for side, out in (("left", 1), ("right", -1)):
        for upper, lower, end, base in (("hip", "knee", "ankle", "mid_hip"), ("shoulder", "elbow", "wrist", "neck")):
            points[f"{side}_{upper}"] = points[base] + 30 * out * level
            # sideways of the trunk's own line, by `abduct` degrees
            away = np.radians(abduct * out - lean)
            limb = np.array([np.sin(away), np.cos(away)])
            points[f"{side}_{lower}"] = points[f"{side}_{upper}"] + 80 * limb
            points[f"{side}_{end}"] = points[f"{side}_{upper}"] + 160 * limb
        points[f"{side}_eye"] = points[f"{side}_ear"] = points["nose"] + [8 * out, -8]
    return np.array([[*points[name], 1.0] for name in COCO_18.keypoints])


@pytest.mark.parametrize("view", ["front", "back"])
def test_in_a_frontal_view_the_sign_works_on_the_angle_and_pelvis_obliquity_survives(view: str) -> None:
    keypoints = frontal(abduct=15, lean=10, tilt=10)
    if view == "back":
        keypoints[:, 0] = 600 - keypoints[:, 0]
    found = angles(keypoints, view)
    for name in ("right hip", "left hip", "right shoulder", "left shoulder"):
        assert found[name] == pytest.approx(15, abs=1e-9)
    assert abs(found["pelvis"]) == pytest.approx(10) and abs(found["shoulders"]) == pytest.approx(10)
    assert found["left thigh"] == pytest.approx(-90 + 15 - 10, abs=1e-9)
    assert found["right thigh"] == pytest.approx(-90 + 15 + 10, abs=1e-9)
    assert found["right knee"] == pytest.approx(0, abs=1e-9)


def test_short_gaps_are_filled_and_marked_longer_ones_stay_empty() -> None:
    track = lose(lose(walk(120), slice(20, 29), "right_ankle"), slice(60, 72), "right_ankle")
    found = analyse(stamps(120), track, COCO_18, KinematicsSettings())
    knee, filled = column(found, "right knee"), column(found, "right knee", "filled")
    assert np.isfinite(knee[20:29]).all() and filled[20:29].all() and filled.sum() == 9
    assert np.isnan(knee[60:72]).all() and np.isfinite(np.delete(knee, range(60, 72))).all()
    assert np.isnan(column(found, "right knee", "raw")[20:29]).all()
    assert (column(found, "right knee", "confidence")[20:29] == 0).all()
    assert not column(found, "left knee", "filled").any()


def test_frames_without_the_person_become_a_gap_like_any_other() -> None:
    seen = np.array([*range(10, 40), *range(45, 70), *range(90, 120)])
    frames, times, track = every_frame(seen, walk(120)[seen], stamps(120))
    assert frames.tolist() == list(range(10, 120)) and times == pytest.approx(stamps(120)[10:])
    found = analyse(times, track, COCO_18, KinematicsSettings())
    empty = np.flatnonzero(np.isnan(column(found, "right knee"))) + 10
    assert empty.tolist() == list(range(70, 90))
    assert (np.flatnonzero(column(found, "right knee", "filled")) + 10).tolist() == list(range(40, 45))


def test_what_is_below_the_gate_is_not_seen() -> None:
    track = walk(30)
    track[10, COCO_18.index("left_wrist"), 2] = 0.1
    found = analyse(stamps(30), track, COCO_18, KinematicsSettings())
    assert np.flatnonzero(np.isnan(column(found, "left elbow", "raw"))).tolist() == [10]
    assert track[10, COCO_18.index("left_wrist"), 2] == 0.1


def test_an_arm_that_swings_past_overhead_does_not_jump() -> None:
    lifted = 100 + 95 * np.sin(2 * np.pi * 0.5 * stamps(120))
    track = np.array([figure(Pose(shoulder=angle)) for angle in lifted])
    found = analyse(stamps(120), track, COCO_18, RAW)
    for series in ("raw", "filtered"):
        assert column(found, "right shoulder", series) == pytest.approx(lifted, abs=1e-9)


def test_joints_never_leave_their_turn_and_segments_go_on_only_while_they_are_seen() -> None:
    turned = np.linspace(0, 700, 120)
    turning = np.array([figure(Pose(shoulder=angle)) for angle in turned])
    found = analyse(stamps(120), turning, COCO_18, RAW)
    for series in ("raw", "filtered"):
        shoulder = column(found, "right shoulder", series)
        assert shoulder.min() >= -150 and shoulder.max() < 210 and np.ptp(shoulder) > 300
        assert np.abs(wrap(shoulder - turned)).max() < 1e-6
        assert np.ptp(column(found, "right arm", series)) == pytest.approx(700)
    assert np.abs(column(found, "right shoulder", "velocity")).max() < 200
    blinking = analyse(stamps(120), lose(turning, slice(60, 63), "right_elbow"), COCO_18, RAW)
    arm = column(blinking, "right arm")
    assert np.isfinite(arm).all() and np.ptp(arm) < 420  # the half turns before and after stand for themselves
    assert np.abs(wrap(arm - column(found, "right arm"))).max() < 3


def test_after_a_long_gap_no_full_turn_is_carried_over() -> None:
    lifted = np.concatenate([np.linspace(0, 190, 40), np.full(20, 100.0), np.full(60, 5.0)])
    track = lose(np.array([figure(Pose(shoulder=angle)) for angle in lifted]), slice(40, 60), "right_elbow")
    found = analyse(stamps(120), track, COCO_18, RAW)
    assert column(found, "right shoulder")[60:] == pytest.approx(np.full(60, 5.0))
    assert column(found, "right shoulder")[39] == pytest.approx(190)


def test_sides_exchanged_for_a_while_add_no_full_turns() -> None:
    lifted = 90 - 85 * np.cos(2 * np.pi * stamps(120))
    exchanged = np.where((np.arange(120) + 5) % 30 > 14, -lifted, lifted)
    track = np.array([figure(Pose(shoulder=angle)) for angle in exchanged])
    found = analyse(stamps(120), track, COCO_18, replace(RAW, swap_repair=None))
    assert np.ptp(np.unwrap(exchanged, period=360)) > 1000
    assert np.ptp(column(found, "right shoulder")) < 360
    # the speed of such a jump is the short way round, whatever turn either side is shown on
    assert np.nanmax(np.abs(column(found, "right shoulder", "velocity"))) <= 180 * 30


def test_velocity_is_in_degrees_per_second_on_the_true_time_stamps() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.02, 0.06, 80))
    bent = 20 + 8 * times**2
    found = analyse(times, np.array([figure(Pose(knee=angle)) for angle in bent]), COCO_18, RAW)
    speed = column(found, "right knee", "velocity")
    assert speed[1:-1] == pytest.approx(16 * times[1:-1], abs=1e-6)
    assert speed[0] == pytest.approx((bent[1] - bent[0]) / (times[1] - times[0]))
    assert any("varies" in note for note in found.notes)


def test_the_low_pass_calms_noise_and_keeps_the_walk() -> None:
    clean, noisy = walk(200), walk(200, noise=1.5, seed=3)
    truth = column(analyse(stamps(200), clean, COCO_18, RAW), "right knee")
    found = analyse(stamps(200), noisy, COCO_18, KinematicsSettings())
    raw, filtered = (column(found, "right knee", series) - truth for series in ("raw", "filtered"))
    assert filtered.std() < 0.75 * raw.std()
    assert column(found, "right knee").max() == pytest.approx(60, abs=3)


@pytest.mark.parametrize("fps", [1.0, 12.0, 240.0])
@pytest.mark.parametrize("low_pass", [RauchTungStriebel(), Butterworth(), OneEuro(), None])
@pytest.mark.parametrize("frames", [1, 2, 5, 60])
def test_any_frame_rate_and_length_works(
    fps: float, low_pass: RauchTungStriebel | Butterworth | OneEuro | None, frames: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = analyse(stamps(frames, fps), walk(frames, fps), COCO_18, KinematicsSettings(low_pass=low_pass))
    assert np.isfinite(found.raw).all() and np.isfinite(found.filtered).all()
    assert np.isfinite(found.velocity).all() == (frames > 1)
    assert found.fps == (None if frames == 1 else pytest.approx(fps))
    told = " ".join(found.notes)
    shortest = {RauchTungStriebel: 2, Butterworth: 60}.get(type(low_pass), 999)
    assert ("not below half the frame rate" in told) == (frames >= shortest and fps <= 12)


def test_a_track_of_nothing_gives_nothing_and_no_exception() -> None:
    for low_pass in (RauchTungStriebel(), Butterworth(), OneEuro(), None):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            empty = lose(walk(50), slice(None))
            found = analyse(stamps(50), empty, COCO_18, KinematicsSettings(low_pass=low_pass))
        assert np.isnan(found.filtered).all() and np.isnan(found.velocity).all() and not found.filled.any()
        assert (found.confidence == 0).all()


def test_one_euro_never_looks_ahead() -> None:
    settings = KinematicsSettings(low_pass=OneEuro(), visible_side="right")
    whole = walk(90, noise=1.0)
    early = analyse(stamps(50), whole[:50], COCO_18, settings)
    late = analyse(stamps(90), whole, COCO_18, settings)
    assert late.keypoints[:50] == pytest.approx(early.keypoints, abs=1e-12)


def test_wrong_shapes_and_time_that_stands_still_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        analyse(stamps(3), walk(2), COCO_18, RAW)
    with pytest.raises(ValueError, match="increase"):
        analyse(np.zeros(2), walk(2), COCO_18, RAW)


def test_every_measure_has_a_name_of_its_own() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(names) == len(set(names)) == 19
