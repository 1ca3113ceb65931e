"""Smoothing never makes angles worse than they were seen, on a walk with noise, jumps and gaps whose truth is known."""

import numpy as np
import pytest
from kinematic_figures import lose, stamps, walk
from test_eval_outliers import NOISE, spiked

from eval.angles import wrap
from eval.filters import Butterworth
from eval.kinematic_settings import KinematicsSettings
from eval.kinematics import Kinematics, analyse
from eval.rts_smoother import RauchTungStriebel
from teachers.skeleton import COCO_18

SETTINGS = KinematicsSettings(visible_side="right", swap_repair=None)
RAW = KinematicsSettings(visible_side="right", swap_repair=None, low_pass=None, outliers=None)
JOINTS = ("knee", "hip", "shoulder", "elbow")


def errors(found: Kinematics, truth: Kinematics, joint: str, series: str) -> np.ndarray:
    """(T, 2) degrees, right beside left."""
    columns = [found.names.index(f"{side} {joint}") for side in ("right", "left")]
    return np.abs(wrap(getattr(found, series)[:, columns] - truth.raw[:, columns]))


def difficult(fps: float, seed: int, seconds: float = 5.0) -> np.ndarray:
    frames = round(seconds * fps)
    track, _ = spiked(walk(frames, fps, noise=NOISE, seed=seed), 0.02, 40.0, seed)
    rng = np.random.default_rng(seed)
    for name in ("right_knee", "left_ankle", "right_wrist", "left_elbow"):
        start = int(rng.integers(10, frames - 30))
        track = lose(track, slice(start, start + max(round(0.2 * fps), 1)), name)
    return track


@pytest.mark.parametrize("fps", [30.0, 60.0, 240.0])
@pytest.mark.parametrize("low_pass", [RauchTungStriebel(), Butterworth()])
def test_no_joint_is_worse_smoothed_than_raw(fps: float, low_pass: RauchTungStriebel | Butterworth) -> None:
    seconds = 5.0 if fps < 100 else 1.2
    frames = round(seconds * fps)
    truth = analyse(stamps(frames, fps), walk(frames, fps), COCO_18, RAW)
    settings = KinematicsSettings(visible_side="right", swap_repair=None, low_pass=low_pass)
    found = [analyse(stamps(frames, fps), difficult(fps, seed, seconds), COCO_18, settings) for seed in range(2)]
    for joint in JOINTS:
        raw, smooth = (
            np.concatenate([errors(each, truth, joint, series).ravel() for each in found])
            for series in ("raw", "filtered")
        )
        seen = np.isfinite(raw)
        for statistic in (np.median, lambda values: np.percentile(values, 95), lambda values: (values**2).mean()):
            assert statistic(smooth[seen]) < statistic(raw[seen]), joint


def test_the_ends_are_no_worse_than_they_were_seen_and_near_the_middle() -> None:
    truth = analyse(stamps(60), walk(60), COCO_18, RAW)
    raw, smooth = [], []
    for seed in range(25):
        found = analyse(stamps(60), walk(60, noise=NOISE, seed=seed), COCO_18, SETTINGS)
        raw.append(np.concatenate([errors(found, truth, joint, "raw") for joint in JOINTS], axis=1))
        smooth.append(np.concatenate([errors(found, truth, joint, "filtered") for joint in JOINTS], axis=1))
    rms = {name: np.sqrt((np.array(each) ** 2).mean(axis=(0, 2))) for name, each in (("raw", raw), ("smooth", smooth))}
    middle = rms["smooth"][10:50].mean()
    for end in (0, -1):
        assert rms["smooth"][end] < rms["raw"][end]
        assert rms["smooth"][end] < 1.6 * middle
    assert max(rms["smooth"][1:3].max(), rms["smooth"][-3:-1].max()) < 1.2 * middle


def test_nothing_is_invented_outside_of_what_was_seen() -> None:
    """Not more than 10 degrees outside all that is seen within 5 frames; the coordinate-wise filter before did so."""
    truth = analyse(stamps(150), walk(150), COCO_18, RAW)
    checked = 0
    for seed in range(5):
        found = analyse(stamps(150), difficult(30.0, seed), COCO_18, SETTINGS)
        for joint in JOINTS:
            for side in ("right", "left"):
                m = found.names.index(f"{side} {joint}")
                for i in np.flatnonzero(np.isfinite(found.filtered[:, m])):
                    near = found.raw[max(0, i - 5) : i + 6, m]
                    near = near[np.isfinite(near)]
                    value = found.filtered[i, m]
                    # A peak that falls into a gap lies outside what was seen, and rightly so.
                    true = abs(wrap(value - truth.raw[i, m])) < 10
                    assert true or near.min() - 10 < value < near.max() + 10
                    checked += 1
    assert checked > 5000


def test_a_faint_lone_sight_is_a_guess_and_a_sure_one_is_none() -> None:
    wrist = COCO_18.index("right_wrist")
    alone = lose(walk(60), slice(10, 15), "right_wrist")
    alone = lose(alone, slice(16, 21), "right_wrist")
    for confidence, guessed in ((0.16, True), (0.9, False)):
        alone[15, wrist, 2] = confidence
        found = analyse(stamps(60), alone, COCO_18, SETTINGS)
        assert bool(found.guessed[15, wrist]) is guessed
        assert bool(found.filled[15, found.names.index("right elbow")]) is guessed
        assert not found.guessed[25:, wrist].any()
