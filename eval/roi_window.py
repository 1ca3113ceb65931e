"""A window of the frame that becomes a network input: its geometry, and its pixels.

A window has whole pixels, so that resizing it needs no interpolation between shifted grids, and its place is known
exactly: input pixel i is centred at `left + (i + 0.5) * width / input width - 0.5` of the frame.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.maps import PAD_VALUE

SMALLEST_PX = 16
"""Shorter sides show nobody; a person of a few pixels would be enlarged to nothing but blur."""


@dataclass(frozen=True)
class Box:
    """A rectangle with sides of any length, in pixels of the frame."""

    x: float
    """Of the centre, as is y."""
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels; it may lie partly or wholly outside the frame."""

    left: int
    top: int
    width: int
    height: int

    def per_cell(self, size_hw: tuple[int, int], stride: int) -> tuple[float, float]:
        """Pixels of the frame along x and y that a cell of the maps covers."""
        return stride * self.width / size_hw[1], stride * self.height / size_hw[0]


def box_of(points: NDArray[np.floating]) -> Box | None:
    """The box around points (N, 2), those that are NaN left out; None without any."""
    seen = points[np.isfinite(points).all(axis=1)]
    if not len(seen):
        return None
    low, high = seen.min(axis=0).astype(float), seen.max(axis=0).astype(float)
    (x, y), (width, height) = (low + high) / 2, high - low
    return Box(float(x), float(y), float(width), float(height))


def window_around(box: Box, margin: float, size_hw: tuple[int, int]) -> Window:
    """The smallest window of the input's aspect with this box in its middle and `margin` times its sides.

    Keypoints lie inside a person: `margin` has to leave room for the head's top, feet and hands, and for a step.
    """
    rows, columns = size_hw
    height = max(box.height * margin, box.width * margin * rows / columns, SMALLEST_PX)
    # Whole pixels on both sides: along each axis the exact factor is known, so the aspect may be off by half a pixel.
    tall, wide = round(height), max(1, round(height * columns / rows))
    return Window(round(box.x - (wide - 1) / 2), round(box.y - (tall - 1) / 2), wide, tall)


def cut(image: NDArray[np.uint8], window: Window, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W, 3) pixels -> (h, w, 3), the window resized to `size_hw`; what lies outside the frame is 128."""
    frame_h, frame_w = image.shape[:2]
    left, top = max(window.left, 0), max(window.top, 0)
    right, bottom = min(window.left + window.width, frame_w), min(window.top + window.height, frame_h)
    if left >= right or top >= bottom:
        return np.full((*size_hw, 3), PAD_VALUE, np.uint8)
    inside = image[top:bottom, left:right]
    if inside.shape[:2] != (window.height, window.width):
        whole = np.full((window.height, window.width, 3), PAD_VALUE, np.uint8)
        whole[top - window.top : bottom - window.top, left - window.left : right - window.left] = inside
        inside = whole
    # As in eval.maps: averaging over areas when shrinking, because single samples alias and move peaks.
    way = cv2.INTER_AREA if window.height > size_hw[0] else cv2.INTER_CUBIC
    return cv2.resize(inside, size_hw[::-1], interpolation=way).astype(np.uint8, copy=False)
