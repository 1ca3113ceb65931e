"""From a frame to network inputs, from several scales to one set of maps, and how far two sets of maps are apart.

Conventions (docs/measuring.md): scale s gives height 368 * s and width in proportion; right and bottom are padded
with 128 up to a multiple of `PoseNetSpec.multiple`, which is the stride in most networks. Each scale's maps are cropped
to the image, resized (bilinear, antialiased) to the grid of scale 1.0 and averaged (Cao et al. 2016 average their
scales the same way).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from teachers.posenet import Maps

BASE_HEIGHT = 368
PAD_VALUE = 128.0


@dataclass(frozen=True)
class InputSize:
    """Where the image lies in a network input."""

    content_hw: tuple[int, int]
    """Height and width of the resized image, at the top left."""
    padded_hw: tuple[int, int]
    """Height and width of the input, multiples of what the network asks for."""

    def grid_hw(self, stride: int) -> tuple[int, int]:
        """Cells of the maps that show some of the image."""
        return -(-self.content_hw[0] // stride), -(-self.content_hw[1] // stride)


def input_size(image_hw: tuple[int, int], scale: float, multiple: int) -> InputSize:
    """The network input for an image of this height and width at this scale, padded to `PoseNetSpec.multiple`."""
    height = max(1, round(BASE_HEIGHT * scale))
    width = max(1, round(image_hw[1] * height / image_hw[0]))
    padded = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    return InputSize((height, width), padded)


def prepare(image: NDArray[np.uint8], scale: float, multiple: int) -> NDArray[np.float32]:
    """(H, W, 3) BGR pixels -> (1, 3, h, w) raw pixel values 0..255, padded at the right and bottom."""
    return padded(resized(image, scale), multiple)


def resized(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """(H, W, 3) pixels -> (h, w, 3), the content of the network input at this scale."""
    height, width = input_size((image.shape[0], image.shape[1]), scale, 1).content_hw
    # Averaging over areas when shrinking: sampling single pixels would alias, and move peaks by what was skipped.
    way = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
    return cv2.resize(image, (width, height), interpolation=way).astype(np.uint8, copy=False)


def padded(content: NDArray[np.uint8], multiple: int) -> NDArray[np.float32]:
    """(h, w, 3) pixels -> (1, 3, h, w) raw pixel values, padded at the right and bottom to multiples of `multiple`."""
    height, width = content.shape[:2]
    whole = (-(-height // multiple) * multiple, -(-width // multiple) * multiple)
    found = np.full((1, 3, *whole), PAD_VALUE, dtype=np.float32)
    found[0, :, :height, :width] = content.transpose(2, 0, 1)
    return found


def average_scales(maps: Sequence[Tensor], image_hw: tuple[int, int], scales: Sequence[float], stride: int) -> Tensor:
    """One (N, C, h, w) per scale -> their average on the grid of scale 1.0.

    All channels of all networks that saw the frame may be stacked in C: one call resizes them together.
    """
    target = input_size(image_hw, 1.0, stride).grid_hw(stride)
    total: Tensor | None = None
    for one, scale in zip(maps, scales, strict=True):
        rows, columns = input_size(image_hw, scale, stride).grid_hw(stride)
        cropped = one[:, :, :rows, :columns]
        if cropped.shape[2:] != target:
            cropped = F.interpolate(cropped, size=target, mode="bilinear", align_corners=False, antialias=True)
        total = cropped if total is None else total + cropped
    if total is None:
        raise ValueError("at least one scale is needed")
    return total / len(scales)


class SilentTeacher(ValueError):  # noqa: N818 - says what it is
    """The teacher's maps are all zero, so nothing can be said relative to them."""


@dataclass(frozen=True)
class MapDifference:
    """L2 between two networks' maps on one image: norms over all elements, absolute and over the teacher's norm."""

    heat_l2: float
    paf_l2: float
    heat_rel_l2: float
    joint_rel_l2: float
    """Without the background channel, whose large norm hides what happens to the joints."""
    paf_rel_l2: float


def difference(candidate: Maps, teacher: Maps) -> MapDifference:
    """How far the candidate's maps are from the teacher's; both (1, C, h, w) on one grid. May raise SilentTeacher."""

    def norms(ours: Tensor, theirs: Tensor) -> tuple[float, float]:
        # Double precision: the sum of a million squares in single precision loses the digits that rank candidates.
        apart = float(torch.linalg.vector_norm((ours - theirs).double()))
        return apart, float(torch.linalg.vector_norm(theirs.double()))

    heat, heat_norm = norms(candidate.heatmaps, teacher.heatmaps)
    joint, joint_norm = norms(candidate.heatmaps[:, :-1], teacher.heatmaps[:, :-1])
    paf, paf_norm = norms(candidate.pafs, teacher.pafs)
    if min(heat_norm, joint_norm, paf_norm) == 0.0:
        raise SilentTeacher("the teacher's maps are all zero on this image; nothing can be relative to them")
    return MapDifference(heat, paf, heat / heat_norm, joint / joint_norm, paf / paf_norm)
