"""What became of the labels of left and right on the compared tracks: exchanged, doubled, lost; each network's own.

A label that is lost, one that sits on the other limb, and one that changed places with its other are three faults with
three causes. An exchange that the repair took back costs nothing but stands here, so that it is not taken for a loss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.filters import Mask
from eval.kinematics import Kinematics
from eval.side_assignment import CHAINS, SIDES
from teachers.skeleton import Skeleton


@dataclass(frozen=True)
class LabelCounts:
    """Frames of one pair of limbs, summed over tracks. None where the repair of sides is off."""

    frames: int
    exchanged: int | None
    """The labels of both limbs, or of their lower parts, had changed places and were taken back."""
    doubled: int | None
    """Both labels sat on one limb; the other limb then has none."""
    lost: int
    """A keypoint that should be there is not, other than by doubling. Of a teacher: any; of a candidate: one that the
    teacher sees."""

    @property
    def doubled_share(self) -> float:
        return (self.doubled or 0) / self.frames if self.frames else 0.0

    def plus(self, other: "LabelCounts") -> "LabelCounts":
        """Of both together."""
        return LabelCounts(
            self.frames + other.frames,
            _sum(self.exchanged, other.exchanged),
            _sum(self.doubled, other.doubled),
            self.lost + other.lost,
        )


Labels = Mapping[str, Mapping[str, LabelCounts]]
"""`teacher` or `candidate` -> `legs` or `arms` -> counts."""


def label_counts(
    teacher: Kinematics, candidate: Kinematics, seen: tuple[Mask, Mask], frames: Mask, skeleton: Skeleton
) -> Labels:
    """The counts of one track.

    Args:
        seen: (T, K) of teacher and candidate: keypoints that are there once sides are put right.
        frames: (T,) those that count.

    """
    return {
        "teacher": _of(teacher, ~seen[0], frames, skeleton),
        "candidate": _of(candidate, seen[0] & ~seen[1], frames, skeleton),
    }


def summed(parts: Sequence[Labels]) -> Labels:
    """Over tracks."""
    total: dict[str, dict[str, LabelCounts]] = {}
    for part in parts:
        for network, limbs in part.items():
            known = total.setdefault(network, {})
            for limb, counts in limbs.items():
                known[limb] = known[limb].plus(counts) if limb in known else counts
    return total


def _of(found: Kinematics, missing: Mask, frames: Mask, skeleton: Skeleton) -> dict[str, LabelCounts]:
    counts = {}
    for limb, chain in CHAINS.items():
        names = [f"{side}_{joint}" for side in SIDES for joint in chain]
        if any(name not in skeleton.keypoints for name in names):
            continue
        rows = [skeleton.index(name) for name in names]
        gone = missing[:, rows]
        exchanged = doubled = None
        if found.sides is not None:
            gone = gone & ~found.sides.doubled[:, rows]
            sides = found.sides.limbs.get(limb)
            exchanged = 0 if sides is None else int((sides.order[frames] > 0).sum())
            doubled = 0 if sides is None else int(sides.dropped[frames].any(axis=1).sum())
        counts[limb] = LabelCounts(int(frames.sum()), exchanged, doubled, int(np.any(gone[frames], axis=1).sum()))
    return counts


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
