"""Tracks: which person of this frame is which person of the frames before.

People are assigned to tracks by the mean distance of their keypoints (the assignment with the smallest sum, not the
first that fits). Distances are in person sizes, so near and far people follow the same rule, and the distance allowed
grows with the time that passed, so one setting serves 1 and 240 frames per second. eval.track_crossings looks back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from eval.people import Person
from eval.track_crossings import FEWEST, Sight, exchanges

_IMPOSSIBLE = 1e6
_VELOCITY_MEMORY_S = 0.25


@dataclass(frozen=True)
class TrackSettings:
    """A size is the diagonal of the box around a person's keypoints."""

    max_gap_s: float = 0.5
    """A person unseen for longer gets a new number when seen again."""
    max_distance: float = 0.1
    """Mean keypoint distance, in sizes, that noise alone may make."""
    max_speed: float = 3.0
    """Body sizes per second by which a person may leave the predicted place."""
    farthest: float = 1.0
    """Sizes; however long the gap, a person farther from the predicted place is another one."""
    min_shared: int = 3
    """Keypoints that person and track must have in common."""

    def __post_init__(self) -> None:
        if min(self.max_gap_s, self.max_distance, self.max_speed, self.farthest) < 0 or self.min_shared < 1:
            raise ValueError(f"no setting may be negative and min_shared must be 1 or more, got {self}")


@dataclass(frozen=True)
class Track:
    """One person over time; frames in which the person was not found have no row."""

    number: int
    frames: NDArray[np.int64]
    """(T,) which call of `Tracker.update`, or the number given to it."""
    times_s: NDArray[np.float64]
    """(T,)"""
    keypoints: NDArray[np.float32]
    """(T, K, 3) as in `Person`."""


def person_size(keypoints: NDArray[np.float32]) -> float:
    """The diagonal of the box around the keypoints (K, 3) that were found, in pixels; 0 without any."""
    seen = keypoints[keypoints[:, 2] > 0, :2]
    return float(np.hypot(*np.ptp(seen, axis=0))) if len(seen) else 0.0


@dataclass
class _Open:
    """A track while people may still be added to it."""

    number: int
    known: NDArray[np.float64]
    """(K, 2) where each keypoint was seen last, moved along with the others since; NaN if never seen."""
    size: float
    velocity: NDArray[np.float64]
    """(2,) pixels per second of the whole person, smoothed."""
    interval_s: float
    """Between the last two times seen."""
    frames: list[int]
    times_s: list[float]
    keypoints: list[NDArray[np.float32]]

    @classmethod
    def start(cls, number: int, person: Person, frame: int, time_s: float) -> "_Open":
        known = person.keypoints[:, :2].astype(np.float64)
        return cls(
            number, known, person_size(person.keypoints), np.zeros(2), 0.0, [frame], [time_s], [person.keypoints]
        )

    def predicted(self, time_s: float) -> NDArray[np.float64]:
        """Through a gap people carry on as they were going, but not for longer than the velocity is good for."""
        passed = min(time_s - self.times_s[-1], max(self.interval_s, _VELOCITY_MEMORY_S))
        return self.known + self.velocity * passed

    def add(self, person: Person, frame: int, time_s: float) -> None:
        found = person.keypoints[:, :2].astype(np.float64)
        self.interval_s = time_s - self.times_s[-1]
        moved = np.nanmedian(found - self.known, axis=0)
        weight = 1.0 - float(np.exp(-self.interval_s / _VELOCITY_MEMORY_S))
        self.velocity = self.velocity + weight * (moved / self.interval_s - self.velocity)
        self.known = np.where(np.isnan(found), self.known + moved, found)
        self.size = person_size(person.keypoints)
        self.frames.append(frame)
        self.times_s.append(time_s)
        self.keypoints.append(person.keypoints)


class Tracker:
    """Gives every person a track number, frame by frame; keeps keypoints only, never images."""

    def __init__(self, settings: TrackSettings | None = None) -> None:
        self.settings = settings or TrackSettings()
        self._all: list[_Open] = []
        self._alive: list[_Open] = []
        self._time_s = -np.inf
        self._frame = -1

    def update(self, people: Sequence[Person], time_s: float, frame: int | None = None) -> list[int]:
        """The track number (1, 2, ... in order of appearance) of each person of the next frame.

        Call it for frames without people too. `frame` is the frame's own number, if calls do not count frames.
        Raises ValueError unless time increases.
        """
        if not time_s > self._time_s:
            raise ValueError(f"time must increase: {time_s} s comes after {self._time_s} s")
        # Who was there one frame ago may always go on, however long a frame lasts.
        oldest = min(time_s - self.settings.max_gap_s, self._time_s)
        self._alive = [track for track in self._alive if track.times_s[-1] >= oldest]
        self._time_s = time_s
        self._frame = self._frame + 1 if frame is None else frame
        numbers = []
        for person, known in zip(people, self._assign(people, time_s), strict=True):
            if known is None:
                track = _Open.start(len(self._all) + 1, person, self._frame, time_s)
                self._all.append(track)
                self._alive.append(track)
            else:
                track = known
                track.add(person, self._frame, time_s)
            numbers.append(track.number)
        return numbers

    def tracks(self) -> list[Track]:
        """All tracks so far, by number; who is who after two people met is decided with hindsight."""
        return uncrossed(
            [
                Track(t.number, np.array(t.frames, np.int64), np.array(t.times_s), np.stack(t.keypoints))
                for t in self._all
            ]
        )

    def _assign(self, people: Sequence[Person], time_s: float) -> list[_Open | None]:
        chosen: list[_Open | None] = [None] * len(people)
        if not people or not self._alive:
            return chosen
        # Here, because it takes long to import and most commands follow nobody.
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

        cost = np.array([[self._cost(person, track, time_s) for track in self._alive] for person in people])
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            if cost[row, column] < _IMPOSSIBLE:
                chosen[row] = self._alive[column]
        return chosen

    def _cost(self, person: Person, track: _Open, time_s: float) -> float:
        """Mean keypoint distance in sizes; `_IMPOSSIBLE` where person and track cannot be the same."""
        apart = np.linalg.norm(person.keypoints[:, :2] - track.predicted(time_s), axis=1)
        shared = apart[np.isfinite(apart)]
        # The larger of the two sizes: half a person seen now is still the whole person seen before.
        size = max(person_size(person.keypoints), track.size)
        if len(shared) < self.settings.min_shared or size <= 0.0:
            return _IMPOSSIBLE
        distance = float(shared.mean()) / size
        passed = time_s - track.times_s[-1]
        allowed = min(self.settings.max_distance + self.settings.max_speed * passed, self.settings.farthest)
        return distance if distance <= allowed else _IMPOSSIBLE


def uncrossed(tracks: Sequence[Track]) -> list[Track]:
    """The tracks with bodies given back that two people exchanged while they passed each other."""
    found = list(tracks)
    for i, j in combinations(range(len(found)), 2):
        found[i], found[j] = _uncrossed(found[i], found[j])
    return found


def _uncrossed(one: Track, other: Track) -> tuple[Track, Track]:
    if len(np.intersect1d(one.frames, other.frames, assume_unique=True)) < 2 * FEWEST:
        return one, other
    frames, first = np.unique(np.concatenate([one.frames, other.frames]), return_index=True)
    times = np.concatenate([one.times_s, other.times_s])[first]
    keypoints = np.full((2, len(frames), *one.keypoints.shape[1:]), np.nan, np.float32)
    keypoints[..., 2] = 0.0
    for each, track in zip(keypoints, (one, other), strict=True):
        each[np.searchsorted(frames, track.frames)] = track.keypoints
    sizes = [person_size(each) for track in (one, other) for each in track.keypoints]
    sights = [Sight(times, each.astype(np.float64)) for each in keypoints]
    swap = exchanges(sights[0], sights[1], float(np.median(sizes)))
    if not swap.any():
        return one, other
    given = np.where(swap[:, None, None], keypoints[::-1], keypoints)
    return _track(one.number, frames, times, given[0]), _track(other.number, frames, times, given[1])


def _track(number: int, frames: NDArray[np.int64], times: NDArray[np.float64], keypoints: NDArray[np.float32]) -> Track:
    there = (keypoints[..., 2] > 0).any(axis=1)
    return Track(number, frames[there], times[there], keypoints[there])
