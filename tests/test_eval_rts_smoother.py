"""The Rauch-Tung-Striebel smoother against scipy's smoothing spline, which minimises the same sum another way."""

import numpy as np
import pytest
from kinematic_figures import stamps
from scipy.interpolate import make_smoothing_spline

from eval.filters import Butterworth, butterworth, spacing
from eval.rts_smoother import RauchTungStriebel, rts_smooth
from teachers.common.errors import UserError

CUTOFF = 6.0


def opening(frames: int, points: int, *at: int) -> np.ndarray:
    opens = np.zeros((frames, points), bool)
    opens[[0, *at]] = True
    return opens


def test_it_is_the_smoothing_spline_for_any_weights_and_time_steps() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.08, 120))
    xy, weights = rng.normal(0, 10, (120, 3, 2)), rng.uniform(0.2, 3, (120, 3))
    found = rts_smooth(times, xy, weights, opening(120, 3), CUTOFF)
    penalty = 1 / (spacing(times) * (2 * np.pi * CUTOFF) ** 4)
    for k in range(3):
        for axis in (0, 1):
            spline = make_smoothing_spline(times, xy[:, k, axis], weights[:, k], lam=penalty)
            assert found.xy[:, k, axis] == pytest.approx(spline(times), abs=1e-4)


def test_frames_without_a_sample_lie_on_the_spline_of_the_others() -> None:
    rng = np.random.default_rng(1)
    times, weights = stamps(60), np.ones((60, 1))
    xy = rng.normal(0, 10, (60, 1, 2))
    weights[20:26] = 0
    xy[20:26] = np.nan
    found = rts_smooth(times, xy, weights, opening(60, 1), CUTOFF)
    there = weights[:, 0] > 0
    penalty = 1 / (spacing(times) * (2 * np.pi * CUTOFF) ** 4)
    spline = make_smoothing_spline(times[there], xy[there, 0, 0], lam=penalty)
    assert found.xy[:, 0, 0] == pytest.approx(spline(times), abs=1e-4)
    assert found.variance[22, 0] > 2 * found.variance[10, 0]


def test_the_variance_is_how_much_a_sample_moves_its_own_frame() -> None:
    rng = np.random.default_rng(2)
    times, weights = stamps(40), rng.uniform(0.3, 2, (40, 1))
    xy = rng.normal(0, 10, (40, 1, 2))
    found = rts_smooth(times, xy, weights, opening(40, 1), CUTOFF)
    for i in (0, 1, 17, 39):
        moved = xy.copy()
        moved[i] += 1.0
        shift = rts_smooth(times, moved, weights, opening(40, 1), CUTOFF).xy[i, 0] - found.xy[i, 0]
        assert shift == pytest.approx([found.variance[i, 0] * weights[i, 0]] * 2, abs=1e-4)


def test_nothing_is_carried_over_into_a_stretch_that_opens() -> None:
    rng = np.random.default_rng(3)
    xy, weights = rng.normal(0, 10, (50, 1, 2)), np.ones((50, 1))
    both = rts_smooth(stamps(50), xy, weights, opening(50, 1, 30), CUTOFF)
    first = rts_smooth(stamps(30), xy[:30], weights[:30], opening(30, 1), CUTOFF)
    second = rts_smooth(stamps(20), xy[30:], weights[30:], opening(20, 1), CUTOFF)
    assert both.xy == pytest.approx(np.concatenate([first.xy, second.xy]), abs=1e-6)


@pytest.mark.parametrize("fps", [30.0, 60.0, 240.0])
def test_gain_is_that_of_the_butterworth_without_lag_and_the_ends_are_steadier(fps: float) -> None:
    times = stamps(1200, fps)
    for hertz in (1.0, 6.0, 9.0):
        wave = np.repeat(np.sin(2 * np.pi * hertz * times)[:, None, None], 2, axis=2)
        smooth = rts_smooth(times, wave, np.ones((1200, 1)), opening(1200, 1), CUTOFF).xy[300:900, 0, 0]
        expected = wave[300:900, 0, 0] / (1 + (hertz / CUTOFF) ** 4)
        assert smooth == pytest.approx(expected, abs=0.02)
    noise = np.random.default_rng(4).normal(0, 1, (200, 500, 2))
    smooth = rts_smooth(times[:200], noise, np.ones((200, 500)), opening(200, 500), CUTOFF).xy
    padded, _ = butterworth(times[:200], noise[..., 0], Butterworth(CUTOFF))
    for end in (0, -1):
        assert smooth[end].std() < 0.92 * padded[end].std()
    assert smooth[100].std() == pytest.approx(padded[100].std(), abs=0.03)


def test_settings_out_of_bounds_are_refused() -> None:
    for wrong in ({"cutoff_hz": 0.0}, {"cutoff_hz": 1e-9}, {"confidence_power": -1.0}):
        with pytest.raises(UserError, match="smoother"):
            RauchTungStriebel(**wrong)
