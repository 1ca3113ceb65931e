"""Follows people through a video with one window each; full-frame passes find people outside all windows.

A frame is looked at in at most two rounds. First through every followed person's window, and one where something
moves that no window shows. Then, once, through windows for people newly met: in the full-frame pass that a lost person
asked for, or beside somebody else in a window.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from eval.frame_people import FramePeople, Parts
from eval.inference import Roi
from eval.people import DecodeSettings, Person
from eval.pose import Estimate, PoseEstimator
from eval.roi_look import Look, Looker
from eval.roi_match import NEAR, Matches, match, same_person, total_confidence
from eval.roi_motion import MotionFinder, MotionSettings
from eval.roi_target import Target, TargetSettings
from eval.roi_window import Box, window_around
from eval.runtimes import Runs
from teachers.spec import PoseNetSpec

MOST_FOLLOWED = 16
"""Whatever is asked for: a network of noise sees people everywhere, and each costs a window."""

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class FollowSettings:
    """When a person counts as lost, and what is done about it."""

    target: TargetSettings = field(default_factory=TargetSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    patience_s: float = 0.5
    """For so long the window of somebody unseen is still looked through."""
    weak_share: float = 0.5
    """Fewer keypoints than this share of the usual number, or a box smaller than this share, is a limb."""
    trusted: int = 3
    """Sightings after which losing somebody is worth a full-frame pass at once."""
    pause: float = 0.25
    """Share of `every_s` between two such passes: somebody who flickers is not worth more."""
    stranger_keypoints: int = 9
    """Keypoints from which somebody else in a window is followed too; fewer may be a part of anybody."""


class RoiTracker:
    """Frame after frame, with rising times. Holds keypoints and one small picture, never a frame."""

    def __init__(
        self,
        session: Runs,
        spec: PoseNetSpec,
        roi: Roi,
        decoding: DecodeSettings | None = None,
        settings: FollowSettings | None = None,
    ) -> None:
        self.roi, self.settings = roi, settings or FollowSettings()
        self._look = Looker(session, spec, roi.size, decoding)
        self._full_frame = PoseEstimator(session, spec, (roi.redetect.scale,), decoding)
        self._skeleton = spec.skeleton
        self._most = min(roi.people or MOST_FOLLOWED, MOST_FOLLOWED)
        self._motion = MotionFinder(self.settings.motion, roi.redetect.every_s)
        self.reset()

    def reset(self) -> None:
        """Forgets all people: the next frame begins another video."""
        self._targets: list[Target] = []
        self._time_s = self._passed_s = self._sought_s = -np.inf
        self._shape: tuple[int, ...] = ()
        self._motion.reset()

    def __call__(self, image: Image, time_s: float) -> FramePeople:
        """The people of the next frame, (H, W, 3) BGR pixels. ValueError unless time increases."""
        if not time_s > self._time_s:
            raise ValueError(f"time must increase: {time_s} s comes after {self._time_s} s")
        started = time.perf_counter()
        if image.shape != self._shape:
            self.reset()  # where somebody was says nothing about where in a frame of another size
        self._time_s, self._shape = time_s, image.shape
        frame = _Frame(image)
        if self._pass_is_due():
            self._pass(frame)
        targets = [*self._targets, *self._strangers(frame.passed)]
        self._look_for(targets, frame)
        self._look_where_it_moves(frame)
        found = self._match(targets, frame)
        if frame.full_frame is None and self._somebody_is_missed(targets, found):
            self._pass(frame)
            self._sought_s = time_s
            fresh = self._newcomers(frame.passed, found)
        else:
            fresh = self._newcomers(found.others, found)
        if fresh:
            self._look_for(fresh, frame, before=len(targets))
            targets += fresh
            found = self._match(targets, frame)
        self._targets = self._updated(targets, found)
        people = sorted(found.there, key=total_confidence, reverse=True)[: self._most]
        return FramePeople(people, frame.parts(time.perf_counter() - started), tuple(frame.looks), frame.full_frame)

    def _pass_is_due(self) -> bool:
        """Where no person may be added, a pass is of no use."""
        # Times of frames are rounded: 1/30 s thirty times must be a second.
        return self._room > 0 and self._time_s - self._passed_s >= self.roi.redetect.every_s - 1e-3

    @property
    def _room(self) -> int:
        return self._most - len(self._targets)

    def _pass(self, frame: "_Frame") -> None:
        self._passed_s = self._time_s
        started = time.perf_counter()
        frame.full_frame = self._full_frame(frame.image)
        frame.pass_s = time.perf_counter() - started

    def _look_for(self, targets: Sequence[Target], frame: "_Frame", before: int = 0) -> None:
        """Adds each target's window; the n-th look is the n-th target's."""
        boxes = [target.box_at(self._time_s, self.settings.target) for target in targets]
        frame.looks[before:before] = [self._look_at(box, frame.image) for box in boxes]

    def _look_at(self, box: Box, image: Image) -> Look:
        return self._look(image, window_around(_inside(box, image), self.roi.margin, self.roi.size))

    def _look_where_it_moves(self, frame: "_Frame") -> None:
        moving = self._motion(frame.image, self._time_s, [look.window for look in frame.looks])
        if moving is not None and self._room > 0:
            frame.looks.append(self._look_at(moving, frame.image))

    def _match(self, targets: Sequence[Target], frame: "_Frame") -> Matches:
        return match(targets, [look.people for look in frame.looks], self._time_s, self.settings.target)

    def _strangers(self, people: Sequence[Person]) -> list[Target]:
        """Targets for those of a full-frame pass who are none of the followed."""
        new = [
            person
            for person in sorted(people, key=total_confidence, reverse=True)
            if all(target.distance(person, self._time_s, self.settings.target) > NEAR for target in self._targets)
        ]
        return [Target.start(person, self._time_s, self._skeleton) for person in new[: self._room]]

    def _newcomers(self, people: Sequence[Person], found: Matches) -> list[Target]:
        """Targets for people whom no window has shown yet."""
        there = found.there
        new = [
            person
            for person in people
            if int((person.keypoints[:, 2] > 0).sum()) >= self.settings.stranger_keypoints
            and not any(same_person(person, known) for known in there)
        ]
        return [Target.start(person, self._time_s, self._skeleton) for person in new[: max(self._most - len(there), 0)]]

    def _somebody_is_missed(self, targets: Sequence[Target], found: Matches) -> bool:
        """Whether somebody who was there is gone since the frame before, or has become a limb."""
        if self._time_s - self._sought_s < self.settings.pause * self.roi.redetect.every_s:
            return False
        return any(
            not target.weak
            and target.sightings >= self.settings.trusted
            and (person is None or target.is_much_more_than(person, self.settings.weak_share))
            for target, person in zip(targets, found.people, strict=True)
        )

    def _updated(self, targets: Sequence[Target], found: Matches) -> list[Target]:
        settings, there = self.settings, found.there
        kept = []
        for target, person in zip(targets, found.people, strict=True):
            if person is not None:
                weak = target.sightings > 0 and target.is_much_more_than(person, settings.weak_share)
                kept.append(replace(target.seen(person, self._time_s, settings.target), weak=weak))
            elif (
                target.sightings
                and self._time_s - target.time_s <= settings.patience_s
                # Whose place is taken was a double, or is hidden; who comes out again is met in the other's window.
                and all(target.distance(other, self._time_s, settings.target) > NEAR for other in there)
            ):
                kept.append(replace(target, weak=True))
        return kept


class _Frame:
    """What has been run on one frame so far."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.looks: list[Look] = []
        self.full_frame: Estimate | None = None
        self.pass_s = 0.0

    @property
    def passed(self) -> list[Person]:
        """People that the full-frame pass found, if there was one."""
        return self.full_frame.people if self.full_frame is not None else []

    def parts(self, total_s: float) -> Parts:
        """Where the time of this frame went."""
        network_s = sum(look.network_s for look in self.looks)
        decoding_s = sum(look.decoding_s for look in self.looks)
        preparing_s = sum(look.cutting_s for look in self.looks)
        tracking_s = total_s - network_s - decoding_s - preparing_s - self.pass_s
        if self.full_frame is not None:
            preparing_s += self.pass_s - self.full_frame.network_s - self.full_frame.decoding_s
            network_s += self.full_frame.network_s
            decoding_s += self.full_frame.decoding_s
        return Parts(preparing_s, network_s, decoding_s, tracking_s)


def _inside(box: Box, image: Image) -> Box:
    """A person's box with its centre in the frame, and no larger than that."""
    height, width = image.shape[:2]
    x, y = min(max(box.x, 0.0), width - 1.0), min(max(box.y, 0.0), height - 1.0)
    return Box(x, y, min(box.width, width), min(box.height, height))
