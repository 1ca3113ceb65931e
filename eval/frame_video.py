"""A video file as a source of frames."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from eval.frame_types import Frame, Unreadable
from eval.video import read_video
from teachers.common.files import sha256_of


class VideoFrames:
    """The frames of a video that can be decoded, named by their number; the container's own count is not believed."""

    def __init__(self, name: str, path: Path) -> None:
        """Opens the file and decodes its first frame. Raises UserError when that cannot be done."""
        self.name = name
        self.path = path
        with read_video(path):
            pass

    def names(self) -> list[str]:
        """`frame_000000` and on. The first call decodes the whole video once, without keeping a frame."""
        return [_name(index) for index in range(self._pass[0])]

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, Frame | Unreadable]]:
        """The frames of these rising indices; decodes from the start of the file, keeps one frame at a time."""
        found = -1
        with read_video(self.path) as video:
            for timed in video.pick(indices):
                found = timed.index
                yield timed.index, Frame(_name(timed.index), timed.image)
        for index in indices:
            if index > found:
                yield index, Unreadable(_name(index), "the video ends before this frame")

    def screen(self, order: Iterable[int]) -> Iterator[int | Unreadable]:
        """What was lost first; every frame that has a name can be read."""
        for problem in self._pass[1]:
            yield Unreadable(self.name, problem)
        yield from order

    def fingerprint(self, index: int) -> str:
        """SHA-256 of the video file, the same for each frame."""
        return self._sha256

    @cached_property
    def _pass(self) -> tuple[int, tuple[str, ...]]:
        with read_video(self.path) as video:
            return video.count(), tuple(video.problems)

    @cached_property
    def _sha256(self) -> str:
        return sha256_of(self.path)


def _name(index: int) -> str:
    return f"frame_{index:06d}"
