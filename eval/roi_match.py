"""Matches people seen through windows to the followed ones, each at most once; doubles are merged first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.people import Person
from eval.roi_target import Target, TargetSettings
from eval.tracks import person_size

SAME = 0.1
"""Keypoints nearer to each other than this share of the larger person's size are one."""
NEAR = 0.5
"""Farther than this from where it was expected, in sizes, a person is somebody else."""


@dataclass(frozen=True, eq=False)
class Matches:
    """All people seen in one frame, each once."""

    people: tuple[Person | None, ...]
    """For each target its person, or None."""
    others: tuple[Person, ...]
    """People who match no target, highest sum of confidences first."""

    @property
    def there(self) -> list[Person]:
        """The targets' people."""
        return [person for person in self.people if person is not None]


def total_confidence(person: Person) -> float:
    """Sum over the keypoints: a whole person ranks before a part of one."""
    return float(person.keypoints[:, 2].sum())


def same_person(one: Person, other: Person) -> bool:
    """Whether two windows saw one person: at least half of the keypoints of the one with fewer lie together."""
    apart = np.linalg.norm(one.keypoints[:, :2] - other.keypoints[:, :2], axis=1)
    size = max(person_size(one.keypoints), person_size(other.keypoints), 1.0)
    fewer = min(int((person.keypoints[:, 2] > 0).sum()) for person in (one, other))
    return int((apart < SAME * size).sum()) * 2 >= max(fewer, 1)


def match(
    targets: Sequence[Target], seen: Sequence[Sequence[Person]], time_s: float, settings: TargetSettings
) -> Matches:
    """Gives each target at most one person, the nearest pairs first.

    `seen` holds the people of each target's own window, in the order of the targets, then those of other windows.
    What a target's own window shows of it goes before what another window shows of the same person at its border.
    """
    own = set()
    for t, (target, people) in enumerate(zip(targets, seen, strict=False)):
        distances = [target.distance(person, time_s, settings) for person in people]
        if distances and min(distances) <= NEAR:
            own.add((t, int(np.argmin(distances))))
    order = sorted(
        ((t, p) for t, people in enumerate(seen) for p in range(len(people))),
        key=lambda at: (at not in own, -total_confidence(seen[at[0]][at[1]])),
    )
    different: list[Person] = []
    for t, p in order:
        if not any(same_person(seen[t][p], kept) for kept in different):
            different.append(seen[t][p])
    pairs = sorted(
        (target.distance(person, time_s, settings), t, p)
        for t, target in enumerate(targets)
        for p, person in enumerate(different)
    )
    chosen: dict[int, int] = {}
    for distance, t, p in pairs:
        if distance <= NEAR and t not in chosen and p not in chosen.values():
            chosen[t] = p
    matched: tuple[Person | None, ...] = tuple(
        different[chosen[t]] if t in chosen else None for t in range(len(targets))
    )
    others = (person for p, person in enumerate(different) if p not in chosen.values())
    return Matches(matched, tuple(sorted(others, key=total_confidence, reverse=True)))
