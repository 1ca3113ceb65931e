"""A followed person: where every keypoint was last, its velocity, and the box that the next window takes."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eval.people import Person
from eval.roi_extent import unseen_ends
from eval.roi_window import Box, box_of
from eval.tracks import person_size
from teachers.skeleton import Skeleton

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TargetSettings:
    """Times after which 63% of a change has been followed, unless they say something else."""

    centre_s: float = 0.05
    grow_s: float = 0.02
    shrink_s: float = 0.5
    """Slow: arms that are raised and lowered would else change the size of the person in the network's input."""
    velocity_s: float = 0.15
    usual_s: float = 0.5
    """Of how many keypoints there usually are, and how large the person is, where both become less."""
    hold_s: float = 0.5
    """For so long a keypoint that is not found counts for the box, where it would be by now."""
    predict_s: float = 0.25
    """For so long somebody unseen is taken to go on as before."""
    search_s: float = 2.0
    """For so long after the first sighting a window leaves room for legs and a head that are not found."""


@dataclass(frozen=True, eq=False)
class Target:
    """One followed person as last seen. Immutable: `seen` gives the next one."""

    skeleton: Skeleton
    known: Floats
    """(K, 2) where each keypoint was found last, moved along with the others since; NaN if never found."""
    known_s: Floats
    """(K,) when it was found."""
    started_s: float
    time_s: float
    velocity: Floats
    """(2,) pixels per second."""
    box: Box
    """Around the keypoints, smoothed, at `time_s`."""
    usual: Floats
    """(2,) how many keypoints are usually found, and the diagonal of the box around them in pixels."""
    sightings: int = 0
    """Windows that showed this person."""
    weak: bool = False
    """Last unseen, or seen as much less than usual."""

    @classmethod
    def start(cls, person: Person, time_s: float, skeleton: Skeleton) -> "Target":
        """Somebody to look for. ValueError for a person without keypoints."""
        known = person.keypoints[:, :2].astype(np.float64)
        box = box_of(np.concatenate((known, unseen_ends(known, skeleton))))
        if box is None:
            raise ValueError("the person has no keypoint")
        known_s = np.where(np.isfinite(known[:, 0]), time_s, -np.inf)
        return cls(skeleton, known, known_s, time_s, time_s, np.zeros(2), box, _measures(person))

    def box_at(self, time_s: float, settings: TargetSettings) -> Box:
        """The box where the person probably is by now."""
        x, y = self._shift(time_s, settings)
        return replace(self.box, x=self.box.x + float(x), y=self.box.y + float(y))

    def distance(self, person: Person, time_s: float, settings: TargetSettings) -> float:
        """Mean distance of the keypoints from where they are expected, in sizes of the larger of the two."""
        apart = person.keypoints[:, :2] - (self.known + self._shift(time_s, settings))
        shared = apart[np.isfinite(apart).all(axis=1)]
        size = max(float(self.usual[1]), person_size(person.keypoints), 1.0)
        return float(np.linalg.norm(shared, axis=1).mean()) / size if len(shared) else np.inf

    def is_much_more_than(self, person: Person, share: float) -> bool:
        """Whether the person has less than this share of the usual keypoints or size: a limb, not somebody."""
        return bool((_measures(person) < share * self.usual).any())

    def seen(self, person: Person, time_s: float, settings: TargetSettings) -> "Target":
        """The same person found at a later time; or in the same frame, by the first window."""
        found = person.keypoints[:, :2].astype(np.float64)
        here = np.isfinite(found[:, 0])
        passed = time_s - self.time_s
        steps = (found - self.known)[here & np.isfinite(self.known[:, 0])]
        moved = np.median(steps, axis=0) if len(steps) else self._shift(time_s, settings)
        velocity, now = self.velocity, _measures(person)
        if passed > 0 and self.sightings > 0:
            velocity = velocity + _share(passed, settings.velocity_s) * (moved / passed - velocity)
        known = np.where(here[:, None], found, self.known + moved)
        known_s = np.where(here, time_s, self.known_s)
        wanted = self._wanted(known, known_s, time_s, settings)
        return replace(
            self,
            known=known,
            known_s=known_s,
            time_s=time_s,
            velocity=velocity,
            box=wanted if self.sightings == 0 else self._smoothed(wanted, time_s, settings),
            usual=np.maximum(now, self.usual + _share(passed, settings.usual_s) * (now - self.usual)),
            sightings=self.sightings + 1,
            weak=False,
        )

    def _shift(self, time_s: float, settings: TargetSettings) -> Floats:
        """(2,) pixels by which the person has probably moved since last seen."""
        return self.velocity * min(time_s - self.time_s, settings.predict_s)

    def _wanted(self, known: Floats, known_s: Floats, time_s: float, settings: TargetSettings) -> Box:
        held = np.where((known_s >= time_s - settings.hold_s)[:, None], known, np.nan)
        if time_s - self.started_s < settings.search_s:
            held = np.concatenate((held, unseen_ends(held, self.skeleton)))
        box = box_of(held)
        assert box is not None, "a person has keypoints"
        return box

    def _smoothed(self, wanted: Box, time_s: float, settings: TargetSettings) -> Box:
        passed, expected = time_s - self.time_s, self.box_at(time_s, settings)
        centre = _share(passed, settings.centre_s)

        def side(old: float, new: float) -> float:
            return old + _share(passed, settings.grow_s if new > old else settings.shrink_s) * (new - old)

        return Box(
            expected.x + centre * (wanted.x - expected.x),
            expected.y + centre * (wanted.y - expected.y),
            side(self.box.width, wanted.width),
            side(self.box.height, wanted.height),
        )


def _measures(person: Person) -> Floats:
    return np.array([(person.keypoints[:, 2] > 0).sum(), person_size(person.keypoints)], np.float64)


def _share(passed_s: float, memory_s: float) -> float:
    """How much of a change is followed after this time."""
    return 1.0 - float(np.exp(-passed_s / memory_s))
