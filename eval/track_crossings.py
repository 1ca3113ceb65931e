"""People who pass each other: who is who is decided again when both are apart, by what does not change meanwhile.

While two people overlap, networks give the limbs of one to the other, and no frame alone says who is who. Before and
after, three things do: where each was going (constant velocity), how long the limbs are, and which way the face points.
The last two are the median distances and offsets between all pairs of keypoints, so no skeleton has to be known; pairs
that hold still in a body (trunk, head) count most. The tracker's own answer stands unless the other is clearly better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from eval.filters import runs

Array = NDArray[np.float64]

NEAR = 0.3
"""Sizes: mean distance of the two people's keypoints below which they may be taken for each other."""
MET = 0.15
"""Sizes between the middles of two bodies; people who never come that close, and never hide, are not mixed up."""
LULL_S = 0.3
"""Mixed-up limbs may look apart for so long within one meeting."""
WINDOW_S = 1.0
"""Before and after, in which they are looked at: a stride."""
FEWEST = 5
"""Frames of both that each window needs."""
MARGIN = 0.15
"""By how much the exchange must be better, in sizes."""
_STEADY = 0.03
"""Sizes; pairs of keypoints that vary by more count less."""
_CLEAR = 0.1
"""Sizes by which a frame's place must fit the other person better, to be given to that one."""


@dataclass(frozen=True)
class Sight:
    """A person over the frames of a clip."""

    times: Array
    """(N,) seconds of all frames of both people."""
    keypoints: Array
    """(N, K, 3); NaN, NaN, 0 where the person or the point was not found."""

    @property
    def there(self) -> NDArray[np.bool_]:
        """(N,)"""
        return np.asarray((self.keypoints[..., 2] > 0).any(axis=1))

    @property
    def middle(self) -> Array:
        """(N, 2) median of the keypoints that were found; NaN without any."""
        found = np.full((len(self.times), 2), np.nan)
        there = self.there
        found[there] = np.nanmedian(self.keypoints[there, :, :2], axis=1)
        return found


def exchanges(one: Sight, other: Sight, size: float) -> NDArray[np.bool_]:
    """(N,) the frames in which the two people have to change places.

    Args:
        one: of a track; `other` of a second one, over the same frames.
        size: of the people, in pixels.

    """
    swap = np.zeros(len(one.times), bool)
    both = one.there & other.there
    for episode in _episodes(one, other, both, size):
        before = _window(one.times, both, stop=episode.start)
        after = _window(one.times, both, start=episode.stop)
        if len(before) < FEWEST or len(after) < FEWEST:
            continue
        sides = [(_Body.of(each, before, size), _Body.of(each, after, size)) for each in (one, other)]
        if swap[before[-1]]:  # an earlier meeting of the same two was put right
            sides = [(sides[1][0], sides[0][1]), (sides[0][0], sides[1][1])]
        (first, first_after), (second, second_after) = sides
        straight = first.unlike(first_after, size) + second.unlike(second_after, size)
        crossed = first.unlike(second_after, size) + second.unlike(first_after, size)
        exchanged = crossed + MARGIN < straight
        start = bool(swap[before[-1]])
        swap[episode.stop :] = start ^ exchanged
        ends = (second_after, first_after) if exchanged else (first_after, second_after)
        swap[episode] = start ^ _within((one, other), episode, ((first, ends[0]), (second, ends[1])), size)
    return swap


def _episodes(one: Sight, other: Sight, both: NDArray[np.bool_], size: float) -> list[slice]:
    """Stretches in which the two are near, frames with one of them alone in between included."""
    apart = np.full(len(both), np.nan)
    away = np.hypot(*np.moveaxis(one.keypoints[both, :, :2] - other.keypoints[both, :, :2], -1, 0)) / size
    shared = np.isfinite(away).any(axis=1)
    distance = np.full(len(away), np.inf)
    distance[shared] = np.nanmean(away[shared], axis=1)
    apart[both] = distance
    near = apart < NEAR
    # Who is hidden by the other is near: frames with one alone belong to the episode that they lie in or beside.
    known = np.flatnonzero(both)
    for a, b in pairwise(known):
        if near[a] or near[b]:
            near[a + 1 : b] = True
    close = np.flatnonzero(near)
    for a, b in pairwise(close):
        if one.times[b] - one.times[a] <= LULL_S:
            near[a:b] = True
    found = runs(near, one.times, WINDOW_S) if len(near) > 1 else []
    met = ~both | (np.hypot(*(one.middle - other.middle).T) < MET * size)
    return [episode for episode in found if met[episode].any()]


def _window(times: Array, both: NDArray[np.bool_], start: int = 0, stop: int | None = None) -> NDArray[np.int64]:
    """The frames of both within reach before `stop` or from `start` on."""
    frames = np.flatnonzero(both[start:stop]) + start
    if not len(frames):
        return frames
    edge = times[frames[-1]] if stop is not None else times[frames[0]]
    return np.asarray(frames[np.abs(times[frames] - edge) <= WINDOW_S], np.int64)


@dataclass(frozen=True)
class _Body:
    """What is known of a person from a window: a straight path, and the shape of the body."""

    time_s: float
    place: Array
    """(2,) at `time_s`, the middle of the window."""
    velocity: Array
    """(2,) pixels per second."""
    shape: Array
    """(3, P) median length, x and y of the line between each pair of keypoints, in sizes; NaN if never seen."""
    weight: Array
    """(P,)"""

    @classmethod
    def of(cls, sight: Sight, frames: NDArray[np.int64], size: float) -> "_Body":
        times, middle = sight.times[frames], sight.middle[frames]
        centre = float(times.mean())
        passed = times - centre
        velocity = passed @ (middle - middle.mean(axis=0)) / max(float(passed @ passed), 1e-9)
        shape, weight = _shape(sight.keypoints[frames, :, :2] / size)
        return cls(centre, middle.mean(axis=0), velocity, shape, weight)

    def unlike(self, later: "_Body", size: float) -> float:
        """How far `later` is from being the same person, in sizes."""
        passed = later.time_s - self.time_s
        ahead = self.place + self.velocity * passed - later.place
        behind = later.place - later.velocity * passed - self.place
        # Either of the two velocities may have been cut short by a stop.
        moved = min(float(np.hypot(*ahead)), float(np.hypot(*behind))) / size
        known = np.isfinite(self.shape[0]) & np.isfinite(later.shape[0])
        if not known.any():
            return moved
        weight = (self.weight * later.weight)[known]
        differs = np.abs(self.shape - later.shape)[:, known].sum(axis=0)
        return moved + 3 * float(weight @ differs / max(weight.sum(), 1e-9))


def _shape(points: Array) -> tuple[Array, Array]:
    """(3, P) as in `_Body`, and (P,) weights, of points (n, K, 2) in sizes."""
    pairs = np.array(list(combinations(range(points.shape[1]), 2)))
    lines = points[:, pairs[:, 0]] - points[:, pairs[:, 1]]
    features = np.stack([np.hypot(lines[..., 0], lines[..., 1]), lines[..., 0], lines[..., 1]])
    seen = np.isfinite(features[0]).sum(axis=0) >= FEWEST
    shape, weight = np.full((3, len(pairs)), np.nan), np.zeros(len(pairs))
    if seen.any():
        shape[:, seen] = np.nanmedian(features[..., seen], axis=1)
        spread = np.nanmedian(np.abs(features[..., seen] - shape[:, None, seen]), axis=1).sum(axis=0)
        weight[seen] = 1 / (1 + (spread / _STEADY) ** 2)
    return shape, weight


def _within(
    people: Sequence[Sight], episode: slice, paths: Sequence[tuple[_Body, _Body]], size: float
) -> NDArray[np.bool_]:
    """(n,) the frames of the episode in which the two stand where the other should be, on straight ways between."""
    times = people[0].times[episode]
    middles = [each.middle[episode] / size for each in people]
    expected = []
    for before, after in paths:
        share = np.clip((times - before.time_s) / max(after.time_s - before.time_s, 1e-9), 0, 1)
        expected.append((before.place + share[:, None] * (after.place - before.place)) / size)
    stay, change = np.zeros(len(times)), np.zeros(len(times))
    for me in (0, 1):
        stay += np.nan_to_num(np.hypot(*(middles[me] - expected[me]).T))
        change += np.nan_to_num(np.hypot(*(middles[me] - expected[1 - me]).T))
    return np.asarray(change + _CLEAR < stay)
