"""Choice of person: which tracks are people worth measuring, and which of them is meant.

Tiny tracks, short ones and ones that flicker are dropped first. The rest are numbered by likelihood: the sum of all
confidences of a track (a keypoint or a frame that is missing adds nothing), so a person seen well throughout the clip
comes before one seen better but briefly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from eval.tracks import Track, person_size
from teachers.common.errors import UserError

OnePersonChoice = Literal["highest_likelihood", "largest"] | int
"""`highest_likelihood`: number 1. `largest`: the greatest median size. A number: 1 is the likeliest, 2 the next."""


@dataclass(frozen=True)
class KeepSettings:
    """A track that falls short of any of these is dropped."""

    min_duration_s: float = 0.5
    """From the first to the last time seen; at most half of the time that all tracks together cover."""
    min_seen: float = 0.3
    """Share of the frames between the first and the last in which the person was found."""
    min_confidence: float = 0.2
    """Mean confidence of the keypoints that were found."""
    min_size: float = 0.25
    """Median size (diagonal of the box around the keypoints) relative to that of the largest kept track."""


def likelihood(track: Track) -> float:
    """Sum of the confidences of all keypoints in all frames."""
    return float(track.keypoints[:, :, 2].sum())


def track_size(track: Track) -> float:
    """Median over the frames of the diagonal of the box around the keypoints, in pixels."""
    return float(np.median([person_size(keypoints) for keypoints in track.keypoints]))


def keep_people(tracks: Sequence[Track], settings: KeepSettings | None = None) -> list[Track]:
    """The tracks that are worth measuring, likeliest first; equals keep the order of their track numbers."""
    settings = settings or KeepSettings()
    if not tracks:
        return []
    covered_s = max(t.times_s[-1] for t in tracks) - min(t.times_s[0] for t in tracks)
    # A clip of one frame has people too.
    duration_s = min(settings.min_duration_s, covered_s / 2)
    steady = [track for track in tracks if _steady(track, duration_s, settings)]
    largest = max((track_size(track) for track in steady), default=0.0)
    kept = [track for track in steady if track_size(track) >= settings.min_size * largest]
    return sorted(kept, key=lambda track: (-likelihood(track), track.number))


def _steady(track: Track, duration_s: float, settings: KeepSettings) -> bool:
    span = int(track.frames[-1] - track.frames[0]) + 1
    confidence = track.keypoints[:, :, 2]
    return (
        float(track.times_s[-1] - track.times_s[0]) >= duration_s
        and len(track.frames) / span >= settings.min_seen
        and float(confidence[confidence > 0].mean()) >= settings.min_confidence
    )


def choose_person(people: Sequence[Track], choice: OnePersonChoice = "highest_likelihood") -> Track:
    """One of the tracks that `keep_people` gave; UserError if there is none or not that many."""
    if not people:
        raise UserError("no person was found for long enough to be measured; a longer or closer view would do")
    if choice == "highest_likelihood":
        return people[0]
    if choice == "largest":
        return max(people, key=track_size)
    if not 1 <= choice <= len(people):
        found = "person 1 was" if len(people) == 1 else f"persons 1 to {len(people)} were"
        raise UserError(f"there is no person {choice}: {found} found")
    return people[choice - 1]
