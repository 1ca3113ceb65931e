"""People that openpose-mobilenet-thin found, frame by frame at scale 1, in real clips cut from sports2d-demo (BSD-3).

demo     the whole sample: a woman walks to image left; a man does jumping jacks before the camera, then turns, jumps
turn     the woman, and from frame 40 on the same frames mirrored: she turns round
turn12   the same with 12 mirrored frames
cross    two half-transparent people cross

Kept as keypoints (tenths of pixels), so that no test waits for a network. `stage` 6 is the teacher; 3 and 1 are what it
finds with fewer stages: weak candidates.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kinematic_figures import Array

from eval.kinematics import every_frame
from eval.people import Person
from eval.track_choice import keep_people
from eval.tracks import Tracker

_FILE = Path(__file__).with_suffix(".npz")


@dataclass(frozen=True)
class Case:
    """A clip: when each frame is, and who is in it."""

    times: Array
    people: list[list[Person]]

    def tracks(self) -> list[tuple[Array, Array, Array]]:
        """Frames, times and keypoints (T, 18, 3) of each person who stays, likeliest first."""
        tracker = Tracker()
        for frame, (people, time_s) in enumerate(zip(self.people, self.times, strict=True)):
            tracker.update(people, float(time_s), frame)
        kept = keep_people(tracker.tracks())
        return [every_frame(track.frames, track.keypoints.astype(np.float64), self.times) for track in kept]


def case(clip: str, stage: int = 6) -> Case:
    with np.load(_FILE) as stored:
        times = stored[f"{clip}_times"].astype(np.float64)
        frames, tenths, confidence = (stored[f"{clip}_{stage}_{part}"] for part in ("frames", "tenths", "confidence"))
    seen = confidence[..., None] > 0
    keypoints = np.concatenate([np.where(seen, tenths / 10, np.nan), confidence[..., None] / 250], axis=-1)
    people: list[list[Person]] = [[] for _ in times]
    for frame, found in zip(frames, keypoints.astype(np.float32), strict=True):
        people[int(frame)].append(Person(found, 1.0))
    return Case(times, people)
