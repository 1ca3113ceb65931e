"""Image folder | video | COCO file | built-in sample -> frames, and the seeded sample of them that a run works on."""

import difflib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.coco_images import open_coco
from eval.frame_folder import open_folder, open_image
from eval.frame_pack import SUFFIX as PACK_SUFFIX
from eval.frame_pack import open_pack
from eval.frame_pixels import SUFFIXES
from eval.frame_types import Frame, FrameSource, Unreadable
from eval.frame_video import VideoFrames
from eval.video_formats import TimedFrame
from teachers.common.errors import UserError
from teachers.common.files import user_path

__all__ = ["Frame", "FrameSample", "FrameSource", "TimedFrame", "Unreadable", "draw_sample", "open_source"]

NAMED_REASONS = 3


@dataclass(frozen=True)
class FrameSample:
    """The frames a run works on: where they are, not their pixels."""

    source: FrameSource
    indices: tuple[int, ...]
    """Rising, in the source's order."""
    unreadable: tuple[Unreadable, ...]
    """What was met and could not be read while the sample was drawn."""
    digest: str
    """SHA-256 over the source's name and each frame's name and file content; the same on every machine."""
    asked: int = 0
    """How many frames were wanted; more than there are indices means that the source has no more."""

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """One frame at a time, from the start-th on. Raises UserError when a file was changed since the drawing."""
        for _, frame in self.source.read(self.indices[start:]):
            if isinstance(frame, Unreadable):
                raise UserError(
                    f"{self.source.name}: {frame.name} could be read when the sample was drawn; {frame.reason}"
                )
            yield frame


def open_source(source: str) -> FrameSource:
    """A folder of images, an image, a video, a COCO .json file, packed photographs (.npz), else a built-in sample.

    What lies on disk goes before a built-in sample of the same name. Raises UserError with the nearest valid name.
    """
    path = user_path(source)
    if not source.strip() or not _exists(path):
        return _built_in(source, path)
    if path.is_dir():
        return open_folder(path)
    if not path.is_file():
        raise UserError(f"{source}: is neither a file nor a folder")
    if path.suffix.lower() == ".json":
        return open_coco(path)
    if path.suffix.lower() == PACK_SUFFIX:
        return open_pack(path)
    return open_image(path) if path.suffix.lower() in SUFFIXES else VideoFrames(path.name, path)


def draw_sample(source: FrameSource, images: int, seed: int) -> FrameSample:
    """Draws frames at random: the same ones for the same names and seed, whatever the order they are listed in.

    Walks on past unreadable ones; fewer than asked are all there are. Raises UserError when none is usable.
    """
    if images < 1:
        raise ValueError(f"a sample has at least one frame, asked for {images}")
    names = source.names()
    by_name = sorted(range(len(names)), key=names.__getitem__)
    order = (by_name[place] for place in np.random.default_rng(seed).permutation(len(names)))
    chosen: list[int] = []
    unreadable: list[Unreadable] = []
    for found in source.screen(order):
        if isinstance(found, Unreadable):
            unreadable.append(found)
        else:
            chosen.append(found)
        if len(chosen) == images:
            break
    if not chosen:
        raise UserError(f"{source.name}: no usable frame. {_told(unreadable)}")
    indices = tuple(sorted(chosen))
    content = [source.name, *([names[index], source.fingerprint(index)] for index in indices)]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return FrameSample(source, indices, tuple(unreadable), digest, images)


def _told(unreadable: list[Unreadable]) -> str:
    told = "; ".join(f"{one.name}: {one.reason}" for one in unreadable[:NAMED_REASONS])
    more = len(unreadable) - NAMED_REASONS
    return f"{told}; and {more} more" if more > 0 else told


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError as error:
        raise UserError(f"{path}: cannot be looked at: {error.strerror}") from error
    except (OSError, ValueError):  # too long for a file name, or holds a zero byte
        return False


def _built_in(source: str, path: Path) -> FrameSource:
    # Only here, so that measuring on one's own files needs nothing that talks to a package index.
    from teachers.assets import known_assets, locate  # noqa: PLC0415

    samples = [name for name, asset in known_assets().items() if asset.kind == "video"]
    if source in samples:
        return VideoFrames(source, locate(source))
    near = [*difflib.get_close_matches(source, samples, n=1), *_near_files(path)]
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise UserError(
        f"{source!r}: there is no such file or folder, and no such built-in sample; {meant}"
        f"Give a folder of images, a video, a COCO .json file, or one of: {', '.join(samples)}"
    )


def _near_files(path: Path) -> list[str]:
    try:
        beside = [entry.name for entry in path.parent.iterdir() if not entry.name.startswith(".")]
    except (OSError, ValueError):
        return []
    return [str(path.parent / name) for name in difflib.get_close_matches(path.name, beside, n=1, cutoff=0.75)]
