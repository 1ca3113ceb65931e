"""Points that jump are found as whole points; what moves, is noisy or stands at an end is left alone."""

import numpy as np
import pytest
from kinematic_figures import lose, stamps, walk

from eval.filters import OneEuro
from eval.kinematic_settings import KinematicsSettings
from eval.outliers import OutlierFilter, find_outliers
from eval.smoothing import smooth_keypoints
from teachers.common.errors import UserError
from teachers.skeleton import COCO_18

HEIGHT = 400.0
NOISE = 0.005 * HEIGHT


def found(track: np.ndarray, fps: float = 30.0) -> np.ndarray:
    return find_outliers(stamps(len(track), fps), track, COCO_18, 0.33, OutlierFilter())


def spiked(track: np.ndarray, share: float, size: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Single points thrown away by `size` pixels in a random direction, at least a few frames from each other."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(track.shape[:2], bool)
    for k in range(track.shape[1]):
        at = rng.permutation(np.arange(3, len(track) - 3, 5))[: round(share * len(track))]
        mask[at, k] = True
    turn = rng.uniform(0, 2 * np.pi, mask.sum())
    thrown = track.copy()
    thrown[mask, :2] += size * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return thrown, mask


@pytest.mark.parametrize("fps", [30.0, 60.0, 240.0])
def test_a_walk_keeps_its_points_and_loses_those_that_jump(fps: float) -> None:
    frames = round(3 * fps) if fps < 50 else 120  # time grows with the square of the rate
    assert not found(walk(frames, fps), fps).any()
    noisy = walk(frames, fps, noise=NOISE, seed=1)
    assert found(noisy, fps).mean() < 0.005
    thrown, mask = spiked(noisy, 0.03, 0.08 * HEIGHT)
    dropped = found(thrown, fps)
    assert mask.sum() >= 30
    assert dropped[mask].mean() > 0.97
    assert dropped[~mask].mean() < 0.005


@pytest.mark.parametrize(("fps", "lasts"), [(30.0, 2), (60.0, 4), (60.0, 6), (240.0, 16)])
def test_frames_in_a_row_are_found_too_and_as_long_in_time_at_any_rate(fps: float, lasts: int) -> None:
    frames = 120 if fps < 100 else 240
    noisy = walk(frames, fps, noise=NOISE, seed=2)
    ankle = COCO_18.index("left_ankle")
    expected = []
    for start in (frames // 6, frames // 2):
        noisy[start : start + lasts, ankle, :2] += (0.2 * HEIGHT, 0.1 * HEIGHT)
        expected += range(start, start + lasts)
    dropped = np.flatnonzero(found(noisy, fps)[:, ankle]).tolist()
    assert set(expected) <= set(dropped) and len(dropped) <= 2 * len(expected), "some that stand beside may go"


def test_the_ends_of_a_stretch_are_never_judged() -> None:
    track = lose(walk(90, noise=NOISE, seed=3), slice(40, 55), "right_knee")
    knee = COCO_18.index("right_knee")
    for at in (0, 39, 55, 89):
        track[at, knee, :2] += 0.3 * HEIGHT
    assert not found(track)[[0, 39, 55, 89], knee].any()


def test_a_bone_that_changes_its_length_makes_a_weaker_jump_an_outlier() -> None:
    clean = walk(120, noise=0.0)
    hip, knee, ankle = (COCO_18.index(f"right_{name}") for name in ("hip", "knee", "ankle"))
    counts = {}
    for kind in ("along", "across"):
        noisy = walk(120, noise=NOISE, seed=4)
        for at in range(10, 110, 10):
            bone = clean[at, ankle, :2] - clean[at, knee, :2]
            bone /= np.hypot(*bone)
            away = bone if kind == "along" else np.array([-bone[1], bone[0]])
            noisy[at, ankle, :2] = clean[at, ankle, :2] + 0.05 * HEIGHT * away
        counts[kind] = int(found(noisy)[range(10, 110, 10), ankle].sum())
    assert counts["along"] > counts["across"] and hip != knee


def test_what_was_dropped_is_replaced_from_both_sides_and_marked() -> None:
    track = walk(90)
    knee = COCO_18.index("right_knee")
    truth = track[40, knee, :2].copy()
    track[40, knee, :2] += (0.0, 0.2 * HEIGHT)  # one coordinate is wrong, the whole point goes
    smooth = smooth_keypoints(stamps(90), track, COCO_18, KinematicsSettings())
    assert np.argwhere(smooth.outliers).tolist() == [[40, knee]] == np.argwhere(smooth.filled).tolist()
    assert np.hypot(*(smooth.keypoints[40, knee, :2] - truth)) < 0.01 * HEIGHT
    causal = smooth_keypoints(stamps(90), track, COCO_18, KinematicsSettings(low_pass=OneEuro()))
    kept = smooth_keypoints(stamps(90), track, COCO_18, KinematicsSettings(outliers=None))
    assert not causal.outliers.any() and not kept.outliers.any()


def test_sigmas_must_be_positive() -> None:
    with pytest.raises(UserError, match="sigmas"):
        OutlierFilter(sigmas=0.0)
