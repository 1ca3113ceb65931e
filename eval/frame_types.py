"""What every source of frames hands out, and what it promises."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """One picture: image (H, W, 3) uint8, blue first, upright."""

    name: str
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class Unreadable:
    """A frame, or a piece of a video, that is named in the source and cannot be read."""

    name: str
    reason: str


class FrameSource(Protocol):
    """Named frames that are read in a stream. Names are unique and never hold an absolute path."""

    @property
    def name(self) -> str:
        """What the source is called in reports: a folder's, a file's or a sample's name."""
        ...

    def names(self) -> list[str]:
        """The names of all frames, in the source's order. A video is decoded once to know them."""
        ...

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, Frame | Unreadable]]:
        """The frames of these indices, which must rise, one at a time."""
        ...

    def screen(self, order: Iterable[int]) -> Iterator[int | Unreadable]:
        """Goes through the indices in the order given: each one that can be read, or why it cannot be."""
        ...

    def fingerprint(self, index: int) -> str:
        """SHA-256 of the file that holds the frame."""
        ...
