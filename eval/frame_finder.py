"""An `Inference` at work: finds the people of one frame after the other, over the whole frame or through windows."""

import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eval.frame_people import FramePeople, Parts
from eval.inference import Inference
from eval.people import DecodeSettings
from eval.pose import PoseEstimator
from eval.roi_tracker import RoiTracker
from eval.runtimes import Runs
from teachers.spec import PoseNetSpec


class FrameFinder(Protocol):
    """Finds people in frames that follow each other."""

    def reset(self) -> None:
        """Forgets all frames: the next one begins another video, or is a photograph by itself."""

    def __call__(self, image: NDArray[np.uint8], time_s: float) -> FramePeople:
        """The people of the next frame, (H, W, 3) BGR pixels. ValueError unless time increases."""


class WholeFrame:
    """Every frame alone, at one or more scales."""

    def __init__(self, estimator: PoseEstimator) -> None:
        self.estimator = estimator

    def reset(self) -> None:
        """See `FrameFinder`; there is nothing to forget."""

    def __call__(self, image: NDArray[np.uint8], time_s: float) -> FramePeople:
        """See `FrameFinder`; at any time."""
        start = time.perf_counter()
        found = self.estimator(image)
        preparing_s = time.perf_counter() - start - found.network_s - found.decoding_s
        return FramePeople(found.people, Parts(preparing_s, found.network_s, found.decoding_s), full_frame=found)


def frame_finder(
    session: Runs, spec: PoseNetSpec, inference: Inference, decoding: DecodeSettings | None = None
) -> FrameFinder:
    """What runs a network the way `inference` says."""
    if inference.roi is not None:
        return RoiTracker(session, spec, inference.roi, decoding)
    return WholeFrame(PoseEstimator(session, spec, inference.scales or (1.0,), decoding))


def people_of_still(finder: FrameFinder, image: NDArray[np.uint8]) -> FramePeople:
    """The people of a photograph: windows come from its own full-frame pass."""
    finder.reset()
    return finder(image, 0.0)
