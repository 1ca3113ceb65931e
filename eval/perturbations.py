"""The teacher against itself: a clip disturbed in ways that should not change joint angles.

What the teacher's own angles move by on such a clip is its noise floor. A candidate that stays below it on the
undisturbed clip is closer to the teacher than the teacher is to itself.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.maps import BASE_HEIGHT
from eval.video import VideoWriter, read_video
from eval.video_formats import TimedFrame
from teachers.skeleton import Skeleton

SHIFT_PX = 3.0
"""At network input height 368: what a hand-held phone moves between two frames."""
SCALE = 1.02
CRF = 30
"""x264's constant rate factor; phones and messengers recompress about as hard."""

Image = NDArray[np.uint8]
Points = NDArray[np.float32]
ChangeClip = Callable[[Iterable[TimedFrame]], Iterator[TimedFrame]]
Restore = Callable[[Points, tuple[int, int], Skeleton], Points]


@dataclass(frozen=True)
class Perturbation:
    """A change of the clip, and how keypoints found on it come back to the pixels of the undisturbed frames."""

    name: str
    change: ChangeClip
    restore: Restore
    """(K, 3) keypoints, (H, W) of the frame, skeleton -> (K, 3)."""


def _affine(factor: float, shift_px: float, frame_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Scaled about the centre, then shifted right and down by pixels of the network input."""
    height, width = frame_hw
    shift = shift_px * height / BASE_HEIGHT
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.column_stack([np.eye(2) * factor, centre * (1 - factor) + shift])


def _warped(name: str, factor: float, shift_px: float) -> Perturbation:
    def change(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        for frame in frames:
            height, width = frame.image.shape[:2]
            matrix = _affine(factor, shift_px, (height, width))
            image = cv2.warpAffine(
                frame.image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            )
            yield TimedFrame(frame.index, frame.time_s, np.asarray(image, np.uint8))

    def restore(keypoints: Points, frame_hw: tuple[int, int], _: Skeleton) -> Points:
        matrix = _affine(factor, shift_px, frame_hw)
        restored = keypoints.copy()
        restored[:, :2] = (keypoints[:, :2] - matrix[:, 2]) / factor
        return restored

    return Perturbation(name, change, restore)


def _mirror(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    for frame in frames:
        yield TimedFrame(frame.index, frame.time_s, np.ascontiguousarray(frame.image[:, ::-1]))


def _unmirror(keypoints: Points, frame_hw: tuple[int, int], skeleton: Skeleton) -> Points:
    restored = keypoints.copy()
    restored[:, 0] = frame_hw[1] - 1 - keypoints[:, 0]
    for one, other in skeleton.mirror_pairs:
        restored[[one, other]] = restored[[other, one]]
    return restored


def _recompress(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    """Through a file, so that no clip is held in memory; the times stay those of the undisturbed frames."""
    with TemporaryDirectory(prefix="compress-") as folder:
        path = Path(folder) / "recompressed.mp4"
        kept: list[tuple[int, float]] = []
        with VideoWriter(path, crf=CRF) as writer:
            for frame in frames:
                kept.append((frame.index, frame.time_s))
                writer.write(frame.image, frame.time_s)
                height, width = frame.image.shape[:2]
        with read_video(path) as reader:
            for (index, time_s), frame in zip(kept, reader, strict=True):
                yield TimedFrame(index, time_s, frame.image[:height, :width])


def _as_found(keypoints: Points, _: tuple[int, int], __: Skeleton) -> Points:
    return keypoints


def _unchanged(frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
    yield from frames


PLAIN = Perturbation("plain", _unchanged, _as_found)
PERTURBATIONS = (
    _warped("shifted by 3 px", 1.0, SHIFT_PX),
    _warped("enlarged by 2%", SCALE, 0.0),
    _warped("shrunk by 2%", 1 / SCALE, 0.0),
    Perturbation("recompressed (crf 30)", _recompress, _as_found),
    Perturbation("mirrored", _mirror, _unmirror),
)
