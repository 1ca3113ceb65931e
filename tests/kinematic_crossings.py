"""Two walkers who pass each other at 1 m distance: the far one is hidden by the near one, and limbs get mixed up."""

from dataclasses import dataclass

import numpy as np
from kinematic_figures import Array
from kinematic_walker import noisy, walker

from eval.people import Person
from eval.tracks import Tracker
from teachers.skeleton import COCO_18

PX_PER_M = 400 / 1.75
FAR = 0.88
"""How large somebody looks who walks 1 m behind, 8 m from the camera."""
_CHAINS = ((8, 9, 10), (11, 12, 13), (2, 3, 4), (5, 6, 7))


@dataclass(frozen=True)
class Crossing:
    """Speeds in m/s, to image right; `mixed`: share of the limbs that change bodies while the two overlap."""

    near_speed: float = 1.3
    far_speed: float = -1.1
    mixed: float = 0.0
    seed: int = 0
    fps: float = 30.0
    seconds: float = 5.0

    def frames(self) -> list[list[tuple[int, Person]]]:
        """Per frame the people, each with its number: 0 the near one, 1 the far one."""
        rng = np.random.default_rng(self.seed)
        near = self._walk(self.near_speed, 1.0, 0.0, 2 * self.seed)
        far = self._walk(self.far_speed, FAR, 0.15 * self.seed, 2 * self.seed + 1)
        found = []
        for whole, behind in zip(near, far, strict=True):
            one, other = whole.copy(), _hidden(behind, whole)
            if self.mixed and abs(np.median(whole[:, 0]) - np.median(behind[:, 0])) < 120:
                for chain in _CHAINS:
                    if rng.random() < self.mixed:
                        rows = list(chain)
                        one[rows], other[rows] = other[rows].copy(), one[rows].copy()
            people = [(number, each) for number, each in enumerate((one, other)) if np.isfinite(each[:, 0]).sum() >= 4]
            order = rng.permutation(len(people))
            found.append([(people[i][0], Person(people[i][1].astype(np.float32), 1.0)) for i in order])
        return found

    def _walk(self, speed: float, size: float, later_s: float, seed: int) -> Array:
        count, start = round(self.fps * self.seconds), round(self.fps * later_s)
        track = walker(self.seconds + later_s + 0.1, self.fps, 1 if speed > 0 else -1)[start : start + count]
        track[..., :2] = (track[..., :2] - [600, 500]) * size + [600, 500 - 20 * (size < 1)]
        track[..., 0] += (speed * PX_PER_M * size * (np.arange(count) / self.fps - self.seconds / 2))[:, None]
        return noisy(track, 2.0, seed)


def _hidden(person: Array, by: Array) -> Array:
    """Without the points that lie behind a limb of the person in front."""
    seen = person.copy()
    starts, ends = (by[[limb[i] for limb in COCO_18.limbs], :2] for i in (0, 1))
    along = ends - starts
    away = person[:, None, :2] - starts
    share = np.clip((away * along).sum(axis=2) / np.maximum((along**2).sum(axis=1), 1e-9), 0, 1)
    seen[np.hypot(*np.moveaxis(away - share[..., None] * along, -1, 0)).min(axis=1) < 24] = np.nan, np.nan, 0
    return seen


def bodies(crossing: Crossing) -> dict[int, list[tuple[int, int]]]:
    """What the tracker made of it: track number -> (frame, whose body it was)."""
    tracker, frames = Tracker(), crossing.frames()
    for i, people in enumerate(frames):
        tracker.update([person for _, person in people], i / crossing.fps)
    found = {}
    for track in tracker.tracks():
        found[track.number] = [
            (int(frame), number)
            for frame, keypoints in zip(track.frames, track.keypoints, strict=True)
            for number, person in frames[frame]
            if np.array_equal(person.keypoints, keypoints, equal_nan=True)
        ]
    return found
