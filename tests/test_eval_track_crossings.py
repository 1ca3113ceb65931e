"""People who pass each other keep their bodies, and people who do not are left alone."""

import numpy as np
import pytest
from kinematic_crossings import Crossing, bodies
from kinematic_figures import Array
from kinematic_walker import walker

from eval.people import Person
from eval.tracks import Track, Tracker, uncrossed

SPEEDS = [(1.3, -1.1), (1.3, -0.6), (0.9, -0.9), (1.4, 0.5)]
"""Towards each other, and one who overtakes another."""


def assert_bodies_are_kept(crossing: Crossing) -> None:
    found = bodies(crossing)
    frames = round(crossing.fps * crossing.seconds)
    people = [rows for rows in found.values() if len(rows) > 5]
    assert len(people) == 2
    owners = set()
    for rows in people:
        apart = [number for frame, number in rows if not 0.3 < frame / frames < 0.7]
        assert len(set(apart)) == 1 and len(apart) > 0.5 * frames
        owners.add(apart[0])
    assert owners == {0, 1}
    wrong = sum(min(sum(n != w for _, n in rows) for w in (0, 1)) for rows in people)
    assert wrong <= 0.1 * 2 * frames, "and while they overlap most frames are right, too"


@pytest.mark.parametrize("speeds", SPEEDS)
@pytest.mark.parametrize("seed", range(3))
def test_walkers_who_pass_at_one_metre_keep_their_bodies(speeds: tuple[float, float], seed: int) -> None:
    assert_bodies_are_kept(Crossing(*speeds, seed=seed))


@pytest.mark.parametrize("speeds", SPEEDS)
@pytest.mark.parametrize("seed", range(4))
def test_so_they_do_when_limbs_are_mixed_up_while_they_overlap(speeds: tuple[float, float], seed: int) -> None:
    assert_bodies_are_kept(Crossing(*speeds, mixed=0.3, seed=seed))


@pytest.mark.parametrize("fps", [15.0, 60.0])
def test_at_other_frame_rates(fps: float) -> None:
    assert_bodies_are_kept(Crossing(mixed=0.3, seed=1, fps=fps))


def tracks_of(*people: Array, fps: float = 30.0) -> list[Track]:
    tracker = Tracker()
    for i, found in enumerate(zip(*people, strict=True)):
        tracker.update([Person(each.astype(np.float32), 1.0) for each in found], i / fps)
    return tracker.tracks()


def moved(track: Array, x: Array) -> Array:
    copy = track.copy()
    copy[..., 0] += x[:, None]
    return copy


def test_two_who_meet_and_turn_back_stay_who_they_are() -> None:
    """Half a metre apart; both turn round, so everything but place and size says that they passed."""
    half = walker(2.5)
    back = walker(2.5, faces=-1)
    way = 0.25 * 228 + 1.2 * 228 * np.abs(np.arange(150) / 30 - 2.5)
    left = moved(np.concatenate([half, back]), -way)
    right = moved(np.concatenate([back, half]), way)
    found = tracks_of(left, right)
    assert len(found) == 2
    for track, middle in zip(found, (left, right), strict=True):
        assert np.array_equal(track.keypoints, middle.astype(np.float32))


def test_exchanged_tails_are_given_back() -> None:
    near = moved(walker(4.0), np.linspace(-400, 400, 120)).astype(np.float32)
    far = moved(walker(4.0, faces=-1), np.linspace(400, -400, 120)).astype(np.float32)
    times, frames = np.arange(120) / 30, np.arange(120)
    torn = [np.concatenate([a[:60], b[60:]]) for a, b in ((near, far), (far, near))]
    found = uncrossed([Track(n, frames, times, keypoints) for n, keypoints in enumerate(torn, start=1)])
    for track, whole in zip(found, (near, far), strict=True):
        assert np.array_equal(track.keypoints[:55], whole[:55]) and np.array_equal(track.keypoints[65:], whole[65:])


def test_people_who_never_meet_are_not_touched() -> None:
    left, right = moved(walker(2.0), np.full(60, -400.0)), moved(walker(2.0, faces=-1), np.full(60, 400.0))
    found = tracks_of(left, right)
    assert [
        np.array_equal(track.keypoints, each.astype(np.float32))
        for track, each in zip(found, (left, right), strict=True)
    ] == [True, True]
