"""Collapse check of int8: are a quantised network's maps still alive? Compared with the float network it came from.

A network in int8 runs as fast and is as small with dead maps as with live ones, so neither time nor size tells.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.peaks import find_peaks

KIND = "quantization"
Array = NDArray[np.float32]
_PEAK, _SURE, _MOST = 0.1, 0.2, 32
"""A keypoint's peak as the decoder takes it; those of the float network count where they lie well above that, for what
is as high as the threshold falls on either side of it."""
_LOST_CELLS = 2.0
"""Farther than this from where it was, a peak is another one."""


@dataclass(frozen=True)
class CollapseLimits:
    """Beyond any of them the maps count as dead. Not a measure of good: goals are for that."""

    branch_rel_l2: float = 0.5
    peak_shift_px: float = 8.0
    """Of nine peaks in ten."""
    lost: float = 0.2
    """Share of the keypoints without a peak near where it was."""


LIMITS = CollapseLimits()


@dataclass(frozen=True)
class CollapseFacts:
    """What the guard saw. Relative L2 over all frames taken together; None where the float network shows nobody."""

    frames: int
    joint_rel_l2: float
    paf_rel_l2: float
    keypoints: int
    lost: int
    peak_shift_px: float | None
    """Which nine in ten of the peaks that were found again stay below, in pixels of the network's input."""
    overflowing: int = 0
    """Output channels in which x86 CPUs without VNNI may cut a sum off (saturation.py)."""
    saturated: "CollapseFacts | None" = None
    """The same of the network as those CPUs compute it, where there are such channels."""

    def dead(self, limits: CollapseLimits = LIMITS) -> tuple[str, ...]:
        """Why the maps count as dead; empty if they are alive."""
        reasons = [
            f"{branch} differ by {value:.0%} of the float network's, at most {limits.branch_rel_l2:.0%} is allowed"
            for branch, value in (("joints", self.joint_rel_l2), ("PAFs", self.paf_rel_l2))
            if not value <= limits.branch_rel_l2  # not a number is dead, too
        ]
        if self.lost > limits.lost * self.keypoints:
            reasons.append(f"{self.lost} of {self.keypoints} keypoints are lost, at most {limits.lost:.0%} may be")
        if self.peak_shift_px is not None and self.peak_shift_px > limits.peak_shift_px:
            reasons.append(
                f"one peak in ten moves by over {self.peak_shift_px:.1f} pixels, at most {limits.peak_shift_px:g} is "
                "allowed"
            )
        if self.saturated is not None:
            reasons += [f"on x86 CPUs without VNNI, {reason}" for reason in self.saturated.dead(limits)]
        return tuple(reasons)

    def note(self) -> dict[str, Any]:
        """For a candidate's notes."""
        return asdict(self) | {"dead": list(self.dead())}


class CollapseCheck:
    """Takes in pairs of maps, frame by frame."""

    def __init__(self, stride: int) -> None:
        self._stride = stride
        self._squares = np.zeros((2, 2))
        self._frames = self._keypoints = self._lost = 0
        self._shifts: list[float] = []

    def look(self, found: tuple[Array, Array], exact: tuple[Array, Array]) -> None:
        """Heatmaps (K+1, h, w) and PAFs (2L, h, w) of one frame, from the quantised and from the float network."""
        pairs = ((found[0][:-1], exact[0][:-1]), (found[1], exact[1]))
        for branch, (ours, theirs) in enumerate(pairs):
            exactly = theirs.astype(np.float64)
            self._squares[branch] += np.square(ours - exactly).sum(), np.square(exactly).sum()
        self._frames += 1
        self._compare_peaks(*pairs[0])

    def facts(self) -> CollapseFacts:
        """Over all frames so far. ValueError where there is none, or the float network's maps are all zero."""
        if not self._frames or not self._squares[:, 1].all():
            raise ValueError("the guard needs frames on which the float network's maps are not all zero")
        joints, pafs = np.sqrt(self._squares[:, 0] / self._squares[:, 1]).tolist()
        shift = float(np.quantile(self._shifts, 0.9)) if self._shifts else None
        return CollapseFacts(self._frames, joints, pafs, self._keypoints, self._lost, shift)

    def _compare_peaks(self, found: Array, exact: Array) -> None:
        ours, theirs = find_peaks(found, _PEAK, _MOST), find_peaks(exact, _SURE, _MOST)
        for keypoint in range(len(exact)):
            there = ours.xy[ours.of(keypoint)]
            for place in theirs.xy[theirs.of(keypoint)]:
                self._keypoints += 1
                apart = float(np.hypot(*(there - place).T).min(initial=np.inf))
                if apart > _LOST_CELLS:
                    self._lost += 1
                else:
                    self._shifts.append(apart * self._stride)


def refusal(notes: Sequence[dict[str, Any]]) -> str | None:
    """Why a candidate with these notes must not be called good; None if nothing speaks against it."""
    for note in notes:
        if note.get("kind") == KIND and note.get("guard") and note["guard"]["dead"]:
            return f"int8 collapse check: {'; '.join(note['guard']['dead'])}"
    return None
