"""Gap filling, Butterworth and one-euro against what is known about them."""

import numpy as np
import pytest
from kinematic_figures import stamps

from eval.filters import Butterworth, OneEuro, butterworth, fill_gaps, one_euro, runs, spacing
from teachers.common.errors import UserError


def wave(times: np.ndarray, hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * times)[:, None]


def gain(low_pass: Butterworth, hertz: float, fps: float = 120.0) -> float:
    times = stamps(1200, fps)
    smooth, reason = butterworth(times, wave(times, hertz), low_pass)
    assert reason is None
    middle = slice(300, 900)
    return float(smooth[middle, 0].std() / wave(times, hertz)[middle, 0].std())


def known_gain(hertz: float, fps: float) -> float:
    """1 / (1 + (f/fc)^4): second order forward and back, as Sports2D has it, frequencies warped by the sampling."""
    return float(1 / (1 + (np.tan(np.pi * hertz / fps) / np.tan(np.pi * 6 / fps)) ** 4))


def test_butterworth_is_fourth_order_at_6_hz_without_lag() -> None:
    for hertz in (1.0, 3.0, 6.0, 12.0):
        assert gain(Butterworth(), hertz) == pytest.approx(known_gain(hertz, 120), rel=0.01)
    assert gain(Butterworth(), 6.0) == pytest.approx(0.5, abs=0.005)
    times = stamps(600, 120)
    smooth, _ = butterworth(times, wave(times, 2.0), Butterworth())
    lags = [
        float(np.corrcoef(smooth[100:500, 0], wave(times - lag / 120, 2.0)[100:500, 0])[0, 1]) for lag in (-1, 0, 1)
    ]
    assert lags[1] == max(lags)


def test_cut_off_and_order_can_be_set_and_are_checked() -> None:
    assert gain(Butterworth(cutoff_hz=12.0), 6.0) > 0.9
    assert gain(Butterworth(order=8), 12.0) < gain(Butterworth(order=4), 12.0)
    for wrong in ({"cutoff_hz": 0.0}, {"order": 3}, {"order": 0}):
        with pytest.raises(UserError, match="Butterworth"):
            Butterworth(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="one-euro"):
        OneEuro(min_cutoff_hz=0)


def test_a_varying_frame_rate_gives_what_an_even_one_gives() -> None:
    rng = np.random.default_rng(0)
    even = stamps(300, 60)
    uneven = np.sort(even + rng.uniform(-0.006, 0.006, 300))
    for hertz in (1.0, 3.0):
        smooth, reason = butterworth(uneven, wave(uneven, hertz), Butterworth())
        assert reason is None
        middle = slice(60, 240)
        assert smooth[middle] == pytest.approx(known_gain(hertz, 60) * wave(uneven, hertz)[middle], abs=0.002)


def test_dropped_frames_are_no_reason_to_bend_the_curve() -> None:
    times = np.delete(stamps(300, 30), [50, 51, 130])
    smooth, _ = butterworth(times, wave(times, 1.0), Butterworth())
    assert smooth[20:-20] == pytest.approx(wave(times, 1.0)[20:-20], abs=0.01)


def test_what_cannot_be_filtered_is_left_as_it_is_with_the_reason() -> None:
    short, slow = stamps(9, 30), stamps(40, 1)
    values, reason = butterworth(short, wave(short, 1.0), Butterworth())
    assert (values == wave(short, 1.0)).all() and reason == "runs shorter than 10 frames are left unfiltered"
    values, reason = butterworth(slow, wave(slow, 0.1), Butterworth())
    assert (values == wave(slow, 0.1)).all() and reason is not None and "half the frame rate" in reason
    assert butterworth(stamps(10, 30), wave(stamps(10, 30), 1.0), Butterworth())[1] is None


def test_gaps_up_to_a_third_of_a_second_are_filled_at_any_frame_rate() -> None:
    filled_any = 0
    for fps in (10, 30, 60, 240):
        times = stamps(fps * 4, fps)
        track = np.stack([10 * times, 5 - times], axis=1)[:, None]
        longest = int(0.33 * fps)
        for missing in (1, longest, longest + 1):
            holed = track.copy()
            holed[fps : fps + missing] = np.nan
            filled, mask = fill_gaps(times, holed, 0.33)
            assert mask.sum() == (missing if missing <= longest else 0)
            if missing <= longest:
                assert filled == pytest.approx(track)
                filled_any += 1
    assert filled_any == 8


def test_the_ends_are_never_filled_and_one_axis_alone_is_missing_too() -> None:
    track = np.ones((20, 1, 2))
    track[:3] = track[-3:] = np.nan
    track[10, 0, 1] = np.nan
    filled, mask = fill_gaps(stamps(20), track, 0.33)
    assert np.flatnonzero(mask[:, 0]).tolist() == [10] and filled[10].tolist() == [[1.0, 1.0]]
    assert np.isnan(filled[:3]).all() and np.isnan(filled[-3:]).all()
    assert np.isnan(track[10, 0, 1])


def test_filling_follows_time_and_not_the_frame_count() -> None:
    times = np.array([0.0, 0.05, 0.08, 0.2])
    track = np.array([0.0, np.nan, np.nan, 2.0])[:, None, None].repeat(2, axis=2)
    filled, _ = fill_gaps(times, track, 0.33)
    assert filled[:, 0, 0] == pytest.approx(10 * times)


def test_runs_end_at_missing_frames_and_at_holes_in_time() -> None:
    times = stamps(12)
    times[8:] += 1.0
    valid = np.ones(12, dtype=bool)
    valid[[0, 4]] = False
    assert [(run.start, run.stop) for run in runs(valid, times, 0.33)] == [(1, 4), (5, 8), (8, 12)]
    assert runs(np.ones(5, dtype=bool), stamps(5, 1), 0.33) == [slice(0, 5)]
    assert runs(np.ones(1, dtype=bool), stamps(1), 0.33) == [slice(0, 1)] and np.isnan(spacing(stamps(1)))


def test_one_euro_calms_rest_follows_speed_and_does_not_care_about_distance() -> None:
    rng = np.random.default_rng(0)
    times = stamps(300)
    moving = np.where(times < 5, 0.0, times - 5)  # person heights: rest, then one height per second
    noise = rng.normal(0, 0.005, 300)

    def run(size: float) -> np.ndarray:
        xy = np.repeat((moving + noise)[:, None, None] * size, 2, axis=2)
        return one_euro(times, xy, np.full(300, size), OneEuro(), 0.33)[:, 0, 0] / size

    near = run(400.0)
    assert near == pytest.approx(run(40.0))
    assert near[30:140].std() < 0.5 * noise[30:140].std()
    assert np.abs(near[200:] - moving[200:]).mean() < 0.03


def test_one_euro_uses_the_true_time_step() -> None:
    value = np.array([0.0, 0.0, 1.0])
    xy = np.repeat(value[:, None, None], 2, axis=2)
    slow = one_euro(np.array([0, 0.1, 0.2]), xy, np.ones(3), OneEuro(beta=0), 0.33)
    fast = one_euro(np.array([0, 0.1, 0.11]), xy, np.ones(3), OneEuro(beta=0), 0.33)
    share = 1 / (1 + 1 / (2 * np.pi * 0.1))
    assert slow[2, 0, 0] == pytest.approx(share) and fast[2, 0, 0] < 0.2 * slow[2, 0, 0]


def test_one_euro_starts_afresh_after_a_long_gap_and_goes_on_after_a_short_one() -> None:
    xy = np.zeros((60, 1, 2))
    xy[30:] = 100.0
    after = {}
    for missing in (3, 20):
        holed = xy.copy()
        holed[30 - missing : 30] = np.nan
        smooth = one_euro(stamps(60), holed, np.full(60, 300.0), OneEuro(), 0.33)
        assert np.isnan(smooth[30 - missing : 30]).all()
        after[missing] = smooth[30, 0, 0]
    assert after[20] == 100.0 and 0 < after[3] < 100.0
