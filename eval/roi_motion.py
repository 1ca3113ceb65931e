"""Where something moves that no window shows: a person may have come in there, and one window finds out.

A full-frame pass for every frame would cost more than all windows. The difference of two small pictures costs a
fraction of a millisecond, and on a camera that stands still it shows who enters on the frame where it happens. Where
the whole picture moves it shows nothing, and people who enter wait for the next full-frame pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.roi_window import Box, Window

_ROWS = 120
"""Of the small picture. Every n-th pixel is taken: averaging all of a large frame would cost as much as a window."""
_DIFFERENT = 20
"""Of 255; recompressed video flickers by less."""
_REACH = 5
"""Cells over which moving parts grow together."""

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class MotionSettings:
    """When a moving part is worth a window."""

    min_height: float = 0.15
    """Longer side of the moving part, as a share of the frame's height."""
    max_moving: float = 0.1
    """Where more of the frame moves outside the windows, it is the camera."""
    max_step_s: float = 0.2
    """Between frames farther apart everything has moved."""
    tries: int = 3
    """Windows in a row; then one more for each half of `every_s`: trees move all the time."""


class MotionFinder:
    """Compares each frame with the one before; keeps one small picture."""

    def __init__(self, settings: MotionSettings, every_s: float) -> None:
        self._settings, self._every_s = settings, every_s
        self.reset()

    def reset(self) -> None:
        """Forgets the frame before."""
        self._before: Image | None = None
        self._time_s = -np.inf
        self._tries = float(self._settings.tries)

    def __call__(self, image: Image, time_s: float, windows: Sequence[Window]) -> Box | None:
        """The largest moving part of (H, W, 3) pixels outside the windows, if it is large and there are tries left."""
        before, passed_s, settings = self._before, time_s - self._time_s, self._settings
        step = max(1, image.shape[0] // _ROWS)
        small = cv2.blur(np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step]), (3, 3))
        self._before, self._time_s = small.astype(np.uint8, copy=False), time_s
        if before is None or before.shape != small.shape:
            return None
        self._tries = min(self._tries + 2 * passed_s / self._every_s, settings.tries)
        if passed_s > settings.max_step_s or self._tries < 1.0:
            return None
        moving = (cv2.absdiff(small, before).max(axis=2) > _DIFFERENT).astype(np.uint8)
        for window in windows:
            moving[_slice(window.top, window.height, step), _slice(window.left, window.width, step)] = 0
        if moving.mean() > settings.max_moving:
            return None
        found = _largest(moving, step)
        if found is None or max(found.height, found.width) < settings.min_height * image.shape[0]:
            return None
        self._tries -= 1.0
        return found


def _slice(start: int, length: int, step: int) -> slice:
    return slice(max(start, 0) // step, max(start + length, 0) // step + 1)


def _largest(moving: Image, step: int) -> Box | None:
    """In pixels of the frame."""
    joined = cv2.dilate(moving, np.ones((_REACH, _REACH), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    if count < 2:
        return None
    left, top, width, height = (int(value) * step for value in stats[1 + int(np.argmax(stats[1:, 4]))][:4])
    return Box(left + (width - 1) / 2, top + (height - 1) / 2, width, height)
