"""Object keypoint similarity (OKS) between people, and how many of the reference's people were found again.

COCO's definition: the mean over the keypoints of the reference of exp(-d^2 / (2 * area * (2 * sigma)^2)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.people import Person
from teachers.skeleton import Skeleton

BOX_TO_AREA = 0.53
"""COCO's area is that of the segmented person. Without a segment it is this share of the box, as keypoint data sets
without segments have it; our box is the one around the reference's keypoints, a little tighter than a labelled one."""
MATCHED = 0.5
"""OKS from which two people are the same one."""
_SLIMMEST = 0.25


@dataclass(frozen=True)
class OksCounts:
    """People of one image or, added up, of many."""

    reference: int = 0
    """People that the reference has."""
    matched: int = 0
    """Of these, how many were found again with OKS >= 0.5."""
    oks_sum: float = 0.0
    """Sum of the OKS of the matched."""

    def __add__(self, other: "OksCounts") -> "OksCounts":
        return OksCounts(self.reference + other.reference, self.matched + other.matched, self.oks_sum + other.oks_sum)

    @property
    def people_recall(self) -> float | None:
        """Share of the reference's people that were matched; None if the reference has no people."""
        return self.matched / self.reference if self.reference else None

    @property
    def oks(self) -> float | None:
        """Mean OKS of the matched people; None if there is no match."""
        return self.oks_sum / self.matched if self.matched else None


def person_area(keypoints: NDArray[np.float32]) -> float:
    """Square pixels of the person with keypoints (K, 3): 0.53 of the box around those found.

    A side of the box counts as at least a quarter of the other: a person standing straight in profile is not thin.
    """
    width, height = np.ptp(keypoints[keypoints[:, 2] > 0, :2], axis=0).astype(float).tolist()
    longest = max(width, height, 1.0)
    return float(BOX_TO_AREA * longest * max(min(width, height), _SLIMMEST * longest))


def oks(
    reference: NDArray[np.float32], other: NDArray[np.float32], skeleton: Skeleton, area: float | None = None
) -> float:
    """OKS of two people with keypoints (K, 3), 0..1; a keypoint of the reference that the other lacks adds 0.

    area: square pixels, from a segment if there is one. Raises ValueError if the reference has no keypoint.
    """
    wanted = reference[:, 2] > 0
    if not wanted.any():
        raise ValueError("the reference person has no keypoint")
    spread = (2.0 * np.asarray(skeleton.sigmas)) ** 2
    apart = np.sum((reference[:, :2].astype(np.float64) - other[:, :2]) ** 2, axis=1)
    similar = np.exp(-apart / (2.0 * (area or person_area(reference)) * spread))
    return float(np.where(other[:, 2] > 0, similar, 0.0)[wanted].mean())


def match_people(
    reference: Sequence[Person], others: Sequence[Person], skeleton: Skeleton
) -> list[tuple[int, int, float]]:
    """Pairs (reference index, other index, OKS) with OKS >= 0.5, greedily by OKS, each person at most once."""
    pairs = [
        (oks(wanted.keypoints, found.keypoints, skeleton), i, j)
        for i, wanted in enumerate(reference)
        for j, found in enumerate(others)
    ]
    matches: list[tuple[int, int, float]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for similarity, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if similarity >= MATCHED and i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            matches.append((i, j, similarity))
    return matches


def compare_people(reference: Sequence[Person], others: Sequence[Person], skeleton: Skeleton) -> OksCounts:
    """The counts of one image; add them up over images."""
    matches = match_people(reference, others, skeleton)
    return OksCounts(len(reference), len(matches), sum(similarity for _, _, similarity in matches))
