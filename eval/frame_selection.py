"""Frames of one's own videos that are worth learning from: sharp ones, and none that is nearly another one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

_THUMB = 32
"""Side of the grey picture that frames are compared by."""
_SHARP_WIDTH = 640
"""Sharpness is measured at one width, so that a large picture is not sharper for its size alone."""


@dataclass(frozen=True)
class Selection:
    """What is taken."""

    least_change: float = 6.0
    """Mean difference of grey levels, of 255, to every frame that was taken before; lower: more, and more alike."""
    window: int = 15
    """So many frames in a row give one at most: the sharpest of them."""
    least_sharpness: float = 0.3
    """Of the median so far; a frame below is blurred for this video, by motion or by focus."""


@dataclass
class Counts:
    """What was seen, and why the others were left out."""

    seen: int = 0
    taken: int = 0
    alike: int = 0
    """Windows whose sharpest frame is nearly one that was taken."""
    blurred: int = 0
    """Windows in which nothing is sharp."""
    sharpness: list[float] = field(default_factory=list)


def choose(
    frames: Iterable[NDArray[np.uint8]], how: Selection, counts: Counts, thumbs: list[NDArray[np.float32]]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The place and pixels of each frame that is taken; frames (H, W, 3), blue first.

    counts and thumbs are added to; one list for several videos leaves out what another video has shown.
    """
    best: tuple[float, int, NDArray[np.uint8]] | None = None
    for place, image in enumerate(frames):
        counts.seen += 1
        score = sharpness(image)
        if best is None or score > best[0]:
            best = (score, place, image)
        if (place + 1) % how.window == 0:
            yield from _judged(best, how, counts, thumbs)
            best = None
    if best is not None:
        yield from _judged(best, how, counts, thumbs)


def _judged(
    best: tuple[float, int, NDArray[np.uint8]], how: Selection, counts: Counts, thumbs: list[NDArray[np.float32]]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    score, place, image = best
    counts.sharpness.append(score)
    if score < how.least_sharpness * float(np.median(counts.sharpness)):
        counts.blurred += 1
        return
    thumb = _thumb(image)
    if any(float(np.abs(thumb - other).mean()) < how.least_change for other in thumbs):
        counts.alike += 1
        return
    thumbs.append(thumb)
    counts.taken += 1
    yield place, image


def sharpness(image: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al. 2000) of the grey picture at a width of at most 640."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    factor = min(1.0, _SHARP_WIDTH / grey.shape[1])
    small = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else grey
    return float(cv2.Laplacian(small, cv2.CV_64F).var())


def _thumb(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA), np.float32)
