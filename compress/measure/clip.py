"""The consecutive frames of a video on which joint angles are compared."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from eval.frame_pixels import SUFFIXES
from eval.frame_video import VideoFrames
from eval.frames import open_source
from teachers.common.errors import UserError
from teachers.common.files import user_path

FEWEST_FRAMES = 15
"""Half a second of most videos: fewer show neither gaps nor jumps, and no filter settles on them."""


@dataclass(frozen=True)
class Clip:
    """Frames `start` to `start + frames` of a video that can be read."""

    name: str
    path: Path
    digest: str
    """Of the video's content."""
    start: int
    frames: int


def require_video(name: str) -> None:
    """UserError where a source is no video: by what it is called, and if its file is here by its first frame."""
    path = user_path(name)
    if path.is_dir() or path.suffix.lower() in {*SUFFIXES, ".json"}:
        raise UserError(
            f"joint angles over time need a video, {name!r} is none; "
            "set measure.kinematics.video, or measure.kinematics to false"
        )
    if path.is_file():
        facts = path.stat()
        damage = _damage(path, (facts.st_mtime_ns, facts.st_size))
        if damage is not None:
            raise UserError(damage)


@lru_cache(maxsize=8)
def _damage(path: Path, stamp: tuple[int, int]) -> str | None:
    """Why a file cannot be opened as a video; once for each `stamp`, as a search asks for each of its options."""
    try:
        VideoFrames(path.name, path)
    except UserError as error:
        return str(error)
    return None


def open_clip(name: str, start: int, frames: int) -> Clip | None:
    """The clip of a video, shortened to what the video has; None where `frames` are too few for angles.

    Raises UserError if the source is no video, or leaves too few frames.
    """
    require_video(name)
    source = open_source(name)
    assert isinstance(source, VideoFrames), "what is no folder, image or COCO file is opened as a video"
    there = len(source.names())
    if there - start < FEWEST_FRAMES:
        raise UserError(
            f"measure.kinematics.start: {name} has {there} frames; from frame {start} on, joint angles need "
            f"{FEWEST_FRAMES}. Choose an earlier start or a longer video, or set measure.kinematics to false"
        )
    if frames < FEWEST_FRAMES:
        return None
    return Clip(source.name, source.path, source.fingerprint(0), start, min(frames, there - start))
