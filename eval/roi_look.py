"""One look through a window: its pixels, the network's maps of them, the people in them."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.maps import padded
from eval.people import DecodeSettings, Person, decode
from eval.roi_window import Window, cut
from eval.runtimes import Runs
from teachers.spec import PoseNetSpec

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Look:
    """What one window gave."""

    window: Window
    people: list[Person]
    """Keypoints in pixels of the frame, highest sum of confidences first."""
    heatmaps: Array
    """(K+1, h, w) of the window."""
    pafs: Array
    """(2L, h, w) on the same grid."""
    cutting_s: float
    """Making the network input of the frame."""
    network_s: float
    decoding_s: float


class Looker:
    """Runs a network on windows of one size; keeps no image."""

    def __init__(
        self, session: Runs, spec: PoseNetSpec, size_hw: tuple[int, int], settings: DecodeSettings | None = None
    ) -> None:
        self.size_hw, self.spec = size_hw, spec
        self._session, self._settings = session, settings or DecodeSettings()

    def __call__(self, image: NDArray[np.uint8], window: Window) -> Look:
        """The people of one window of (H, W, 3) BGR pixels."""
        start = time.perf_counter()
        content = cut(image, window, self.size_hw)
        if self.spec.input.channels == "rgb":
            content = content[..., ::-1]
        pixels = padded(content, 1)
        cutting_s = time.perf_counter() - start
        start = time.perf_counter()
        heatmaps, pafs = (np.ascontiguousarray(part[0]) for part in self._session.run(pixels))
        network_s = time.perf_counter() - start
        start = time.perf_counter()
        per_cell = window.per_cell(self.size_hw, self.spec.stride)
        found = decode(heatmaps, pafs, self.spec.skeleton, per_cell, self._settings)
        moved = [_moved(person, window) for person in found]
        return Look(window, moved, heatmaps, pafs, cutting_s, network_s, time.perf_counter() - start)


def _moved(person: Person, window: Window) -> Person:
    """From pixels of the window to those of the frame."""
    keypoints = person.keypoints.copy()
    keypoints[:, 0] += window.left
    keypoints[:, 1] += window.top
    return Person(keypoints, person.score)
