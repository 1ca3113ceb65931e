"""The metric in degrees: pairing, gates, lost frames, noise floor, tiers, swaps, and poseaudit as a second opinion."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinematic_figures import Pose, figure, lose, stamps, walk
from kinematic_walker import doubled, exchanged, jumping_jack, walker

from eval.angle_errors import AngleErrors, AngleSample, ErrorSettings, angle_errors, theil_sen
from eval.kinematic_columns import TrackPair
from eval.kinematic_fidelity import FidelitySettings, KinematicFidelity, compare, with_floor
from eval.kinematic_files import write_angles_mot
from eval.kinematic_pairs import pair_people, person_height
from eval.kinematic_settings import KinematicsSettings
from eval.kinematic_tiers import judge, worst, worst_velocity
from eval.kinematics import analyse
from teachers.skeleton import COCO_18

QUICK = FidelitySettings(errors=ErrorSettings(resamples=100))


def against(teacher: np.ndarray, *candidates: np.ndarray, settings: FidelitySettings = QUICK) -> KinematicFidelity:
    pairs = [TrackPair(stamps(len(teacher)), teacher, candidate) for candidate in candidates]
    return compare(pairs, COCO_18, settings)


def moved(track: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    copy = track.copy()
    copy[..., :2] += np.random.default_rng(seed).normal(0, noise, copy[..., :2].shape)
    return copy


def test_the_teacher_against_itself_has_no_error_and_loses_nothing() -> None:
    found = against(walk(90), walk(90))
    for joint in ("knee", "hip", "shoulder", "elbow", "right knee", "trunk"):
        for errors in (found.joints[joint].raw, found.joints[joint].filtered):
            assert errors.rmse == errors.p95_abs_error == errors.bias == 0.0
            assert errors.detection_rate == 1.0 and errors.slope == (None if joint == "trunk" else pytest.approx(1))
            assert errors.loa == (0.0, 0.0) and errors.gross_rate == 0.0
    motion = found.joints["knee"].motion
    assert (motion.rom_error, motion.velocity_rmse, motion.jitter_ratio) == (0.0, 0.0, 1.0)
    assert motion.lr_swap_rate == 0.0 and motion.facing_disagreement == 0.0
    assert found.joints["knee"].raw.n == 180 and found.conditions["fps"] == pytest.approx(30)
    assert "cutoff_hz=6.0" in str(found.conditions["low_pass"])


def bent_by(extra: float, frames: int = 60) -> tuple[np.ndarray, np.ndarray]:
    angles = 30 + 20 * np.sin(2 * np.pi * stamps(frames))
    return (
        np.array([figure(Pose(knee=angle, elbow=30)) for angle in angles]),
        np.array([figure(Pose(knee=angle + extra, elbow=30)) for angle in angles]),
    )


def test_a_known_offset_comes_out_as_bias_median_rmse_and_limits() -> None:
    found = against(*bent_by(7.0)).joints["knee"]
    for errors in (found.raw, found.filtered):
        assert errors.bias == pytest.approx(7, abs=0.3) and errors.rmse == pytest.approx(7, abs=0.3)
    raw = found.raw
    assert (raw.bias, raw.mae, raw.median_abs_error, raw.p95_abs_error) == pytest.approx((7, 7, 7, 7))
    assert raw.loa == pytest.approx((7, 7)) and raw.loa_normal == pytest.approx((7, 7))
    assert raw.big_error_rate == 1.0 and raw.gross_rate == 0.0
    assert found.motion.peak_error == pytest.approx(7, abs=0.3) and found.motion.rom_error == pytest.approx(0, abs=0.4)


def test_a_flattened_movement_shows_in_slope_range_and_velocity() -> None:
    swing = 30 * np.sin(2 * np.pi * stamps(120))
    teacher = np.array([figure(Pose(knee=45 + angle)) for angle in swing])
    candidate = np.array([figure(Pose(knee=45 + 0.6 * angle)) for angle in swing])
    found = against(teacher, candidate).joints["knee"]
    assert found.raw.slope == pytest.approx(0.6) and found.raw.slope_theil_sen == pytest.approx(0.6)
    assert found.motion.rom_error == pytest.approx(-0.4 * 60, rel=0.05)
    assert found.motion.velocity_rmse == pytest.approx(0.4 * 30 * 2 * np.pi / np.sqrt(2), rel=0.05)
    assert found.motion.velocity_nrmse == pytest.approx(0.4 / np.sqrt(2), rel=0.06)
    assert found.motion.jitter_ratio == pytest.approx(0.6, rel=0.01)


def test_a_few_wild_frames_decide_the_velocitys_rmse_and_not_its_median() -> None:
    teacher = walk(150)
    wild = teacher.copy()
    ankle = COCO_18.index("right_ankle")
    wild[70:76, ankle, 0] += [40, 80, 120, 120, 80, 40]
    motion = against(teacher, wild).joints["right knee"].motion
    assert motion.velocity_rmse is not None and motion.velocity_rmse > 50
    assert motion.velocity_median is not None and motion.velocity_median < 1


def test_what_only_the_candidate_lost_counts_as_lost_and_what_the_teacher_lacks_does_not_count() -> None:
    teacher = lose(walk(100), slice(0, 20), "right_ankle")
    candidate = lose(walk(100), slice(50, 54), "right_ankle")
    found = against(teacher, candidate).joints["right knee"]
    for errors in (found.raw, found.filtered):
        assert (errors.n, errors.n_measurable) == (76, 80)  # a filled frame is not a found one
        assert errors.detection_rate == pytest.approx(0.95) and errors.rmse is not None
    assert found.n_unmeasured == 20 and found.n_short == 0
    gone = against(walk(30), lose(walk(30), slice(None))).joints["knee"].raw
    assert (gone.detection_rate, gone.rmse, gone.reason) == (0.0, None, "the candidate lost this angle on every frame")
    never = against(lose(walk(30), slice(None)), walk(30)).joints["knee"].raw
    assert never.detection_rate is None and never.reason is not None and "teacher could not" in never.reason


def test_what_the_teacher_dropped_or_hardly_saw_is_no_reference() -> None:
    ankle = COCO_18.index("right_ankle")
    spike = walk(100)
    spike[40, ankle, 0] += 60.0
    found = against(spike, walk(100)).joints["right knee"]
    assert (found.n_unmeasured, found.raw.n) == (1, 99) and found.raw.rmse == pytest.approx(0, abs=1e-6)
    faint = lose(lose(walk(100), slice(30, 36), "right_ankle"), slice(37, 43), "right_ankle")
    faint[36, ankle, 2] = 0.16
    assert against(faint, walk(100)).joints["right knee"].n_unmeasured == 13


def test_segments_under_10_px_and_scores_under_the_gate_are_skipped_and_counted() -> None:
    small = walk(40)
    small[:, :, :2] *= 0.1  # shank of 9.8 px, forearm of 5.8
    found = against(small, small)
    assert found.joints["right knee"].n_short == 40 and found.joints["right knee"].raw.n_measurable == 0
    weak = walk(40)
    weak[:10, COCO_18.index("left_wrist"), 2] = 0.05
    found = against(weak, walk(40))
    assert found.joints["left elbow"].n_unmeasured == 10 and found.joints["left elbow"].raw.n == 30


def test_the_teachers_facing_holds_for_both() -> None:
    candidate = walk(60)
    candidate[:, COCO_18.index("nose"), 0] -= 80
    found = against(walk(60), candidate).joints["knee"]
    assert found.raw.rmse == pytest.approx(0, abs=1e-9) and found.motion.facing_disagreement == 1.0


def test_errors_go_the_short_way_round_and_undirected_lines_fold_at_90() -> None:
    teacher = np.array([figure(Pose(shoulder=178))] * 20)
    candidate = np.array([figure(Pose(shoulder=-178))] * 20)
    assert against(teacher, candidate).joints["shoulder"].raw.bias == pytest.approx(4)
    tilted, other = teacher.copy(), teacher.copy()
    hips = [COCO_18.index("right_hip"), COCO_18.index("left_hip")]
    for track, slant in ((tilted, 3.0), (other, -3.0)):
        track[:, hips[0], :2], track[:, hips[1], :2] = (600, 450), (600 + slant, 500)
    assert abs(against(tilted, other).joints["pelvis"].raw.bias or 0) == pytest.approx(6.87, abs=0.02)


def test_swapped_legs_are_counted_where_they_can_be_told_apart() -> None:
    teacher, swapped = walk(90), walk(90)
    pairs = [(COCO_18.index(f"right_{joint}"), COCO_18.index(f"left_{joint}")) for joint in ("hip", "knee", "ankle")]
    for right, left in pairs:
        swapped[30:60, [right, left]] = swapped[30:60, [left, right]]
    found = against(teacher, swapped, settings=replace(QUICK, kinematics=KinematicsSettings(swap_repair=None)))
    rate = found.joints["knee"].motion.lr_swap_rate
    assert rate is not None and 0.2 < rate < 0.5
    assert found.joints["elbow"].motion.lr_swap_rate == 0.0
    assert found.joints["trunk"].motion.lr_swap_rate is None


def test_pairing_takes_the_nearest_person_within_15_percent_of_the_height_and_else_none() -> None:
    track = walk(3)
    near, far = track.copy(), track.copy()
    near[..., 0] += 10
    far[..., 0] += 0.25 * person_height(track)  # so far that no limb lies near either limb
    lone = lose(track, slice(None))
    lone[:, 0] = track[:, 0]  # one keypoint in the very same place is not the person
    paired = pair_people(track, [[far[0], near[0]], [far[1], lone[1]], []], COCO_18)
    assert (paired[0] == near[0]).all()
    assert np.isnan(paired[1:, :, :2]).all() and (paired[1:, :, 2] == 0).all()
    with pytest.raises(ValueError, match="frames"):
        pair_people(track, [[]], COCO_18)
    assert np.isnan(pair_people(lose(track, slice(None)), [[near[0]]] * 3, COCO_18)[..., 0]).all()


def test_intervals_come_from_tracks_and_are_none_for_one() -> None:
    track = walk(60)
    assert against(track, moved(track, 1.0)).joints["knee"].raw.intervals is None
    many = against(track, *(moved(track, 0.5 + 0.5 * seed, seed) for seed in range(6))).joints["knee"].raw
    assert many.intervals is not None and set(many.intervals) == {"bias", "median_abs_error", "p95_abs_error", "rmse"}
    covered = 0
    for name, (low, high) in many.intervals.items():
        assert low <= getattr(many, name) <= high and low < high
        covered += 1
    assert covered == 4


def test_intervals_of_alike_frames_do_not_shrink_with_their_number() -> None:
    def width(frames: int) -> float:
        errors = np.repeat([1.0, 2.0, 3.0, 4.0], frames)
        tracks = np.repeat(np.arange(4), frames)
        found = angle_errors(AngleSample(errors, np.zeros_like(errors), tracks, len(errors))).intervals
        assert found is not None
        return found["bias"][1] - found["bias"][0]

    assert width(1000) == pytest.approx(width(10)) and width(10) > 1


def test_the_floor_is_the_median_over_perturbations_and_fidelity_the_ratio_to_it() -> None:
    track = walk(90)
    floors = [against(track, moved(track, noise, seed)) for seed, noise in enumerate((0.5, 1.0, 4.0))]
    found = with_floor(against(track, moved(track, 2.0, 9)), floors)
    knee = found.joints["knee"].raw
    assert knee.floor is not None and knee.error_over_noise is not None and knee.median_abs_error is not None
    assert knee.floor["floor_median_abs_error"] == floors[1].joints["knee"].raw.median_abs_error
    assert knee.error_over_noise == pytest.approx(knee.median_abs_error / (knee.floor["floor_median_abs_error"] or 0))
    assert 1.5 < knee.error_over_noise < 2.6
    motion = found.joints["knee"].motion
    assert motion.floor is not None and motion.floor["floor_velocity_rmse"] is not None
    assert found.conditions["perturbations"] == 3
    bare = with_floor(against(track, moved(track, 2.0, 9)), []).joints["knee"].raw
    assert bare.error_over_noise is None and bare.reason is not None and "not measured" in bare.reason
    assert with_floor(against(track, track), floors).joints["knee"].raw.error_over_noise == 0.0


def test_tiers_take_the_worst_joint_and_say_why_not_more() -> None:
    track = walk(200)
    floors = [against(track, moved(track, 3.0, seed)) for seed in range(2)]
    tiers = [judge(with_floor(against(track, moved(track, noise, 7)), floors)) for noise in (0.1, 0.8, 1.8, 8.0)]
    names = [verdict.tier for verdict in tiers]
    assert names == ["transparent", "equivalent", "usable with care", "not for angles"]
    assert tiers[0].reasons == () and tiers[0].joints == ("knee", "hip", "shoulder", "elbow")
    assert any(reason.startswith("transparent: elbow raw p95_abs_error") for reason in tiers[1].reasons)


def test_without_a_floor_a_perfect_candidate_is_only_usable_and_lost_frames_cost_the_tier() -> None:
    track = walk(100)
    verdict = judge(against(track, track))
    assert verdict.tier == "usable with care" and "error_over_noise not measured" in verdict.reasons[0]
    floors = [against(track, moved(track, 3.0))]
    lossy = judge(with_floor(against(track, lose(track, slice(40, 50), "left_wrist")), floors))
    assert lossy.tier == "usable with care"
    assert any("elbow raw detection_rate 0.950 < 0.98" in reason for reason in lossy.reasons)
    nobody = judge(compare([], COCO_18, QUICK))
    assert nobody.tier is None and nobody.joints == ()


def test_the_headline_names_the_worst_joint() -> None:
    found = against(walk(60), moved(walk(60), 2.0))
    top = worst(found, "p95_abs_error")
    assert top is not None and (top.joint, top.series) == ("elbow", "raw")
    calm = worst(found, "p95_abs_error", "filtered")
    assert calm is not None and calm.value < top.value
    speed = worst_velocity(found)
    assert speed is not None and speed.value == found.joints[speed.joint].motion.velocity_rmse
    assert worst(compare([], COCO_18, QUICK), "rmse") is None


def test_theil_sen_shrugs_off_what_least_squares_follows() -> None:
    t = np.linspace(0, 60, 2000)
    p = 0.8 * t
    p[:100] += 90
    assert theil_sen(t, p) == pytest.approx(0.8, abs=0.02)
    assert theil_sen(t[:2], p[:2]) is None


def test_a_single_frame_and_empty_tracks_raise_nothing() -> None:
    one = against(walk(1), walk(1))
    assert one.joints["knee"].raw.n == 2 and one.joints["knee"].motion.velocity_rmse is None
    assert one.conditions["fps"] is None
    assert isinstance(against(lose(walk(5), slice(None)), walk(5)).joints["hip"].filtered, AngleErrors)


@pytest.mark.parametrize("series", ["raw", "filtered"])
def test_poseaudit_finds_the_same_rmse_bias_and_p95_in_our_mot_files(tmp_path: Path, series: str) -> None:
    poseaudit = pytest.importorskip("poseaudit")
    teacher = walk(150, noise=1.0)
    candidate = moved(teacher, 3.0, 5)  # without gaps: a .mot bridges short ones, and ends at a long one
    settings = replace(QUICK, min_segment_px=0.0)
    files = {}
    for name, track in (("teacher", teacher), ("student", candidate)):
        found = analyse(stamps(150), track, COCO_18, KinematicsSettings(visible_side="right"))
        files[name] = tmp_path / f"{name}_angles_person01.mot"
        write_angles_mot(files[name], found, series)  # type: ignore[arg-type]
    call = ["paired", "--pred-mot", files["student"], "--ref-mot", files["teacher"], "--subject", "one"]
    out = tmp_path / "audit.json"
    from poseaudit.cli import main

    main([str(part) for part in [*call, "--big-error", "5", "--resamples", "50", "--json", out]])
    audited = json.loads(out.read_text())
    ours = against(teacher, candidate, settings=settings).joints
    compared = 0
    for theirs in audited["measures"]:
        name = theirs["measure"]["name"].replace("_", " ")
        if name in ("pelvis", "shoulders"):  # undirected lines: poseaudit does not fold them
            continue
        mine = getattr(ours[name], series)
        assert theirs["n"] == mine.n
        assert [theirs[key] for key in ("rmse", "bias", "p95_abs_error", "median_abs_error")] == pytest.approx(
            [mine.rmse, mine.bias, mine.p95_abs_error, mine.median_abs_error], abs=1e-6
        )
        assert theirs["empirical_limits"] == pytest.approx(mine.loa, abs=1e-6)
        assert theirs["limits"] == pytest.approx(mine.loa_normal, abs=1e-3)  # 1.96 here, 1.95996 there
        compared += 1
    assert compared == 17 and poseaudit.__version__


def test_people_are_paired_whatever_their_sides_and_lost_ones_stay_lost() -> None:
    track = jumping_jack(2)
    exchanged_people = exchanged(exchanged(track, slice(None)), slice(None), ("shoulder", "elbow", "wrist"))
    twice = doubled(track, slice(None), "right")
    for candidate in (exchanged_people, twice):
        paired = pair_people(track, [[person] for person in candidate], COCO_18)
        assert np.array_equal(paired, candidate, equal_nan=True)
    elsewhere = track.copy()
    elsewhere[..., 0] += 0.4 * person_height(track)
    assert np.isnan(pair_people(track, [[person] for person in elsewhere], COCO_18)[..., 0]).all()


def test_exchanged_doubled_and_lost_are_counted_apart_for_each_network() -> None:
    track = moved(walker(4), 1.0)
    teacher = exchanged(track, slice(20, 28))
    candidate = lose(doubled(exchanged(track, slice(60, 66)), slice(80, 90), "right"), slice(100, 105), "left_ankle")
    found = against(teacher, candidate)
    legs = {network: found.labels[network]["legs"] for network in ("teacher", "candidate")}
    assert (legs["teacher"].exchanged, legs["candidate"].exchanged) == (8, 6)
    assert legs["teacher"].doubled is not None and legs["teacher"].doubled <= 4
    assert legs["candidate"].doubled is not None and 7 <= legs["candidate"].doubled <= 14
    assert (legs["teacher"].lost, legs["candidate"].lost) == (0, 5)
    assert found.labels["candidate"]["arms"].exchanged == 0
    knee = found.joints["left knee"].raw
    assert knee.n + knee.n_doubled + 5 == knee.n_measurable and 6 <= knee.n_doubled <= 14
    assert knee.detection_rate == pytest.approx(knee.n / (knee.n + 5)) and knee.p95_abs_error is not None
    assert knee.p95_abs_error < 1e-6 and found.joints["left knee"].motion.lr_swap_rate == 0.0
    off = against(teacher, candidate, settings=replace(QUICK, kinematics=KinematicsSettings(swap_repair=None)))
    assert off.labels["candidate"]["legs"].exchanged is None and off.labels["candidate"]["legs"].lost == 5
    assert (off.joints["left knee"].raw.p95_abs_error or 0) > 10


def test_a_candidate_that_doubles_more_than_the_teacher_loses_its_tier() -> None:
    track = moved(walker(6), 0.5)
    floors = [against(track, moved(track, 3.0))]
    often = track
    for start in range(10, 170, 30):
        often = doubled(often, slice(start, start + 9), "right")
    verdict = judge(with_floor(against(track, often), floors))
    assert verdict.tier == "not for angles" and any("legs doubled on 0." in reason for reason in verdict.reasons)
    assert judge(with_floor(against(often, often), floors)).tier == "transparent"


def test_front_views_have_numbers_of_their_own_and_decide_nothing() -> None:
    side, front = moved(walker(3), 0.5), moved(jumping_jack(3), 0.5)
    spoilt = front.copy()
    spoilt[:, COCO_18.index("left_ankle"), 0] += 60
    found = against(np.concatenate([side, front]), np.concatenate([side, spoilt]))
    assert found.views == {"right": 90, "left": 0, "front": 90, "back": 0} and found.side_frames == 90
    knee = found.joints["left knee"].raw
    assert knee.n >= 86 and knee.rmse == 0.0, "beside the jump from one view to the other the teacher has outliers"
    assert found.front is not None and found.front.frames == 90
    bend = found.front.joints["left knee"].raw
    assert bend.n >= 86 and bend.median_abs_error is not None and bend.median_abs_error > 10
    floored = with_floor(found, [against(np.concatenate([side, front]), moved(np.concatenate([side, front]), 3.0))])
    assert judge(floored).tier == "transparent" and floored.front is not None
    assert floored.front.joints["knee"].raw.error_over_noise is not None
    assert against(side, side).front is None


def test_without_a_side_view_there_is_no_tier_and_the_reason_says_so() -> None:
    front = moved(jumping_jack(3), 0.5)
    found = against(front, front)
    verdict = judge(found)
    assert verdict.tier is None and verdict.joints == () and "no person is seen from the side" in verdict.reasons[0]
    assert found.joints["knee"].raw.rmse is None and worst(found, "rmse") is None
    assert found.front is not None and found.front.joints["knee"].raw.rmse == 0.0
