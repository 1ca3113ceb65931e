"""Collapse check of int8: are a quantised network's maps still usable? Compared with the float network it came from.

A network in int8 runs as fast and is as small with collapsed maps as with good ones, so neither time nor size tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.core.notes import CollapseFacts
from compress.quantization.calibrate import Fitted
from compress.quantization.fake_quant import FakeQuantized
from compress.quantization.integer_network import IntegerNetwork
from compress.quantization.saturation import overflowing_channels
from eval.peaks import find_peaks
from teachers.posenet import PoseNet

Array = NDArray[np.float32]
_PEAK, _SURE, _MOST = 0.1, 0.2, 32
"""A keypoint's peak as the decoder takes it; those of the float network count where they lie well above that, for what
is as high as the threshold falls on either side of it."""
_LOST_CELLS = 2.0
"""Farther than this from where it was, a peak is another one."""


@dataclass(frozen=True)
class CollapseLimits:
    """Beyond any of them the maps count as collapsed. What is good enough is decided by goals."""

    branch_rel_l2: float = 0.5
    peak_shift_px: float = 8.0
    """Of nine peaks in ten."""
    lost: float = 0.2
    """Share of the keypoints without a peak near where it was."""


LIMITS = CollapseLimits()


def collapse_reasons(facts: CollapseFacts, limits: CollapseLimits = LIMITS) -> tuple[str, ...]:
    """Why the maps count as collapsed; empty if they do not."""
    reasons = [
        f"{branch} differ by {value:.0%} of the float network's, at most {limits.branch_rel_l2:.0%} is allowed"
        for branch, value in (("joints", facts.joint_rel_l2), ("PAFs", facts.paf_rel_l2))
        if not value <= limits.branch_rel_l2  # not a number is a collapse, too
    ]
    if facts.lost > limits.lost * facts.keypoints:
        reasons.append(f"{facts.lost} of {facts.keypoints} keypoints are lost, at most {limits.lost:.0%} may be")
    if facts.peak_shift_px is not None and facts.peak_shift_px > limits.peak_shift_px:
        reasons.append(
            f"one peak in ten moves by over {facts.peak_shift_px:.1f} pixels, "
            f"at most {limits.peak_shift_px:g} is allowed"
        )
    if facts.saturated is not None:
        reasons += [f"on x86 CPUs without VNNI, {reason}" for reason in collapse_reasons(facts.saturated, limits)]
    return tuple(reasons)


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
            raise ValueError("the collapse check needs frames on which the float network's maps are not all zero")
        joints, pafs = np.sqrt(self._squares[:, 0] / self._squares[:, 1]).tolist()
        shift = float(np.quantile(self._shifts, 0.9)) if self._shifts else None
        return CollapseFacts(
            frames=self._frames,
            joint_rel_l2=joints,
            paf_rel_l2=pafs,
            keypoints=self._keypoints,
            lost=self._lost,
            peak_shift_px=shift,
        )

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


def collapse_facts(exact: PoseNet, made: Fitted, batches: Sequence[Tensor], stride: int) -> CollapseFacts:
    """On frames (N, 3, H, W) that nothing was calibrated on. ValueError where the float network's maps are all zero.

    Where sums may overflow 16 bits, also as CPUs compute it that cut them off there.
    """
    network, quantization = made.network, made.quantization
    facts = _compared(FakeQuantized(network, quantization), exact, batches, stride)
    channels = overflowing_channels(network, quantization)
    if not channels:
        return facts
    saturated = _compared(IntegerNetwork(network, quantization, saturating=True), exact, batches, stride)
    return facts.model_copy(update={"overflowing": channels, "saturated": saturated})


def _compared(rounded: nn.Module, exact: PoseNet, batches: Sequence[Tensor], stride: int) -> CollapseFacts:
    check = CollapseCheck(stride)
    with torch.inference_mode():
        for batch in batches:
            for image in batch:
                ours, theirs = ([part[0].numpy() for part in network(image[None])] for network in (rounded, exact))
                check.look((ours[0], ours[1]), (theirs[0], theirs[1]))
    return check.facts()
