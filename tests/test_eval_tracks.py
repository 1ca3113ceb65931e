"""The tracker on made-up people, and the choice of person."""

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.people import Person
from eval.rendering import made_up_person
from eval.track_choice import KeepSettings, choose_person, keep_people, likelihood, track_size
from eval.tracks import Track, Tracker, TrackSettings, person_size
from teachers.common.errors import UserError

STANCE = (15.0, -15.0, 5.0, -5.0, 20.0, -20.0, 30.0, -30.0)


def person(x: float, y: float = 180.0, stature: float = 200.0, confidence: float = 0.8) -> Person:
    keypoints = np.empty((18, 3), dtype=np.float32)
    keypoints[:, :2] = made_up_person((x, y), stature, STANCE)
    keypoints[:, 2] = confidence
    return Person(keypoints, 1.0)


def without(found: Person, *missing: int) -> Person:
    keypoints = found.keypoints.copy()
    keypoints[list(missing)] = (np.nan, np.nan, 0.0)
    return Person(keypoints, found.score)


def follow(
    frames: list[list[Person]], fps: float = 30.0, settings: TrackSettings | None = None
) -> tuple[list[list[int]], list[Track]]:
    tracker = Tracker(settings)
    numbers = [tracker.update(people, frame / fps) for frame, people in enumerate(frames)]
    return numbers, tracker.tracks()


def mean_x(track: Track) -> NDArray[np.float32]:
    return np.nanmean(track.keypoints[:, :, 0], axis=1)


def test_people_keep_their_number_whatever_their_order() -> None:
    rng = np.random.default_rng(0)
    numbers, tracks = follow([[person(x) for x in (100 + n, 400 - n)][:: rng.choice((-1, 1))] for n in range(60)])
    assert {tuple(sorted(found)) for found in numbers} == {(1, 2)}
    assert len(tracks) == 2
    for track in tracks:
        assert track.frames.tolist() == list(range(60))
        assert track.times_s[-1] == pytest.approx(59 / 30)
        assert track.keypoints.shape == (60, 18, 3)
        assert np.ptp(np.diff(mean_x(track))) < 1e-3, "a track that changed the person would jump"


def test_people_who_walk_past_each_other_keep_their_number_through_the_gap() -> None:
    """Around the crossing the one behind is not seen at all; both look alike."""
    frames = []
    for n in range(60):
        right, left = person(100 + 4 * n), person(336 - 4 * n)
        frames.append([right] if 27 <= n <= 32 else [right, left])
    _, tracks = follow(frames)
    assert [len(track.frames) for track in tracks] == [60, 54]
    assert np.all(np.diff(mean_x(tracks[0])) > 0)
    assert np.all(np.diff(mean_x(tracks[1])) < 0)


@pytest.mark.parametrize(("gap", "people"), [(10, 1), (13, 1), (20, 2)])
def test_a_short_gap_keeps_the_number_and_a_long_one_does_not(gap: int, people: int) -> None:
    frames = [[person(200)]] * 10 + [[]] * gap + [[person(200)]] * 10
    _, tracks = follow(frames)
    assert len(tracks) == people
    assert len(follow(frames, settings=TrackSettings(max_gap_s=1.0))[1]) == 1


@pytest.mark.parametrize("fps", [1.0, 30.0, 240.0])
def test_a_walker_is_one_person_at_any_frame_rate(fps: float) -> None:
    """1.4 m/s at a stature of 1.75 m and 200 px is 160 px/s."""
    numbers, _ = follow([[person(100 + 160 * n / fps)] for n in range(12)], fps)
    assert numbers == [[1]] * 12


def test_somebody_far_away_is_somebody_else() -> None:
    numbers, _ = follow([[person(100)], [person(400)], [person(400), person(100)]])
    assert numbers == [[1], [2], [2, 1]]


def test_alternating_halves_of_a_body_stay_one_person() -> None:
    upper, lower = (8, 9, 10, 11, 12, 13), (0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17)
    frames = [[person(200)]] + [[without(person(200 + n), *(lower if n % 2 else upper))] for n in range(1, 20)]
    numbers, tracks = follow(frames)
    assert numbers == [[1]] * 20
    assert np.isnan(tracks[0].keypoints[1, 0, 0]), "what was not seen is not made up"


def test_frames_without_people_and_time_that_stands_still() -> None:
    tracker = Tracker()
    assert tracker.update([], 0.0) == []
    assert tracker.tracks() == []
    assert tracker.update([person(100)], 0.5, frame=7) == [1]
    assert tracker.tracks()[0].frames.tolist() == [7]
    with pytest.raises(ValueError, match="time must increase"):
        tracker.update([], 0.5)


def test_a_negative_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        TrackSettings(max_gap_s=-1.0)


def test_size_is_the_diagonal_of_what_was_found() -> None:
    keypoints = np.full((18, 3), (np.nan, np.nan, 0.0), dtype=np.float32)
    assert person_size(keypoints) == 0.0
    keypoints[3], keypoints[9] = (10, 20, 0.5), (40, 60, 0.5)
    assert person_size(keypoints) == pytest.approx(50.0)


def clip() -> list[Track]:
    """Number 1 is near and dim, 2 farther and sure, 3 tiny, 4 flickers, 5 is there too briefly."""
    frames = []
    for n in range(60):
        people = [person(100, stature=220, confidence=0.5), person(300, stature=150, confidence=0.9)]
        people.append(person(450, stature=30, confidence=0.9))
        if n % 5 == 0:
            people.append(person(550))
        if 40 <= n < 50:
            people.append(person(700))
        frames.append(people)
    return follow(frames)[1]


def test_tiny_flickering_and_brief_people_are_dropped_and_the_rest_ordered() -> None:
    tracks = clip()
    assert [track.number for track in tracks] == [1, 2, 3, 4, 5]
    people = keep_people(tracks)
    assert [track.number for track in people] == [2, 1]
    assert likelihood(people[0]) == pytest.approx(60 * 18 * 0.9, rel=1e-5)
    assert track_size(people[1]) > track_size(people[0])
    everybody = KeepSettings(min_duration_s=0, min_seen=0, min_confidence=0, min_size=0)
    assert len(keep_people(tracks, everybody)) == 5


def test_a_person_is_chosen_by_likelihood_size_or_number() -> None:
    people = keep_people(clip())
    assert choose_person(people).number == 2
    assert choose_person(people, "highest_likelihood").number == 2
    assert choose_person(people, "largest").number == 1
    assert choose_person(people, 1).number == 2
    assert choose_person(people, 2).number == 1


@pytest.mark.parametrize("number", [0, -1, 3])
def test_a_number_that_nobody_has_is_refused(number: int) -> None:
    with pytest.raises(UserError, match=rf"no person {number}: persons 1 to 2 were found"):
        choose_person(keep_people(clip()), number)


def test_nobody_to_choose() -> None:
    assert keep_people([]) == []
    with pytest.raises(UserError, match="no person was found"):
        choose_person([])


def test_a_clip_of_one_frame_has_people() -> None:
    _, tracks = follow([[person(100), person(400, confidence=0.5)]])
    assert [track.number for track in keep_people(tracks)] == [1, 2]
