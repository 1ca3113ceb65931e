"""The teacher's maps of every training frame, computed once and kept on disk for every candidate of every run.

One entry is one frame at one scale: the resized picture and the maps on its grid, as two .npy files. The folder's name
holds the teacher's content and how it was asked, the files' names hold the frame's content, so the maps of another
teacher, picture, scale or averaging are never taken for these. Nothing is unpickled.
"""

import io
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from compress.common.fact_cache import fact_key
from compress.common.progress import Reporter
from compress.training.disk_full import telling_disk_full
from compress.training.frames import FrameRef, read_frames
from eval.frame_types import Unreadable
from eval.maps import average_scales, prepare, resized
from teachers.common.errors import UserError
from teachers.common.files import write_bytes
from teachers.spec import PoseNetSpec

Array = NDArray[np.float32]
TeacherFn = Callable[[Array], tuple[Array, Array]]
"""(1, 3, H, W) raw pixels -> the teacher's heatmaps (1, K+1, h, w) and PAFs (1, 2L, h, w)."""
FORMAT = 1
GIB = 2**30
KEPT_FREE = 256 * 2**20
_ALIVE = 0.1
"""A heatmap whose highest peak is below this shows no keypoint: the decoder's own threshold."""


@dataclass(frozen=True)
class CachedTarget:
    """A frame at a scale, on disk."""

    image: Path
    maps: Path

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        """(h, w, 3) uint8 and (C, gh, gw) half precision, heatmaps then PAFs, read as far as they are used."""
        return np.load(self.image, "r", allow_pickle=False), np.load(self.maps, "r", allow_pickle=False)

    def energies(self, joints: int) -> NDArray[np.float64]:
        """(3,) mean squares per cell, summed over channels: joints, background, PAFs."""
        return mean_squares(self.load()[1], joints)

    def pixels(self) -> int:
        """Rows times columns of the picture."""
        rows, columns = np.load(self.image, "r", allow_pickle=False).shape[:2]
        return int(rows * columns)


def mean_squares(maps: NDArray[np.floating], joints: int) -> NDArray[np.float64]:
    """(C, h, w) -> (3,) mean squares per cell, summed over channels: joints, background, PAFs."""
    squares = np.square(maps.astype(np.float64)).mean(axis=(1, 2))
    return np.array([squares[:joints].sum(), squares[joints], squares[joints + 1 :].sum()])


@dataclass(frozen=True)
class TargetSpec:
    """Which teacher is asked, and how."""

    teacher_id: str
    spec: PoseNetSpec
    ask: TeacherFn
    scales: tuple[float, ...]
    average: bool
    mirror: bool = False
    """Also about every frame mirrored: its answer there is not the mirrored answer (docs/training.md)."""

    def key(self) -> str:
        """Stands for everything that the maps depend on besides the frame, its scale and whether it is mirrored."""
        return fact_key("targets", FORMAT, self.teacher_id, list(self.scales) if self.average else None)

    def views(self) -> list[tuple[float, bool]]:
        """Scale, and whether mirrored."""
        return [(scale, mirrored) for mirrored in ((False, True) if self.mirror else (False,)) for scale in self.scales]


@dataclass(frozen=True)
class TargetStore:
    """Where the maps are kept, and how much room they may take."""

    folder: Path
    limit_bytes: int


class TargetCache:
    """The teacher's maps of frames; asks for what is not there yet."""

    def __init__(self, teaching: TargetSpec, store: TargetStore, reporter: Reporter) -> None:
        self._teaching, self._store, self._reporter = teaching, store, reporter
        self._folder = store.folder / teaching.key()

    def entries(self, frame: FrameRef) -> tuple[CachedTarget, ...]:
        """Where the maps of a frame lie, or will, one entry for each view."""
        stems = [
            f"{frame.digest[:32]}-{scale:g}{'-mirrored' if mirrored else ''}"
            for scale, mirrored in self._teaching.views()
        ]
        return tuple(
            CachedTarget(self._folder / f"{stem}.image.npy", self._folder / f"{stem}.maps.npy") for stem in stems
        )

    def fill(self, frames: Sequence[FrameRef]) -> "TargetIndex":
        """Entries of all frames at all scales; computes those that are missing or damaged.

        Raises UserError where the limit or the disk is too small: what was computed stays. A frame that cannot be read
        is left out with a warning.
        """
        waiting = [frame for frame in frames if not all(map(_whole, self.entries(frame)))]
        unreadable: set[str] = set()
        there, written = self._size() if waiting else 0, 0
        if waiting:
            work = self._reporter.track(read_frames(waiting), "teacher's maps", len(frames), len(frames) - len(waiting))
            for number, (ref, frame) in enumerate(work, 1):
                if isinstance(frame, Unreadable):
                    self._reporter.warn(f"training data: {frame.name}: {frame.reason}")
                    unreadable.add(ref.digest)
                    continue
                written += self._write(ref, frame.image)
                # After every frame: the first may be smaller than the others, or half there already.
                per_frame = written / (number - len(unreadable))
                self._require_room(there + written, round(per_frame * (len(waiting) - number)))
        found = [frame for frame in frames if frame.digest not in unreadable]
        if not found:
            raise UserError("training.data: none of its frames can be read")
        return TargetIndex(tuple(self.entries(frame) for frame in found))

    def _write(self, ref: FrameRef, image: NDArray[np.uint8]) -> int:
        """The bytes that one frame takes in all its views."""
        written = 0
        views = list(zip(self.entries(ref), self._teaching.views(), strict=True))
        answers: dict[bool, list[Array]] = {}
        with telling_disk_full(self._folder, "what was computed is kept"):
            for entry, (scale, mirrored) in views:
                if _whole(entry):
                    continue
                seen = np.ascontiguousarray(image[:, ::-1]) if mirrored else image
                if self._teaching.average and mirrored not in answers:
                    answers[mirrored] = self._asked(seen, self._teaching.scales)
                asked = answers[mirrored] if self._teaching.average else self._asked(seen, (scale,))
                # The picture last: an entry whose picture is there is complete.
                written += _save(entry.maps, self._maps(seen, scale, asked).astype(np.float16))
                written += _save(entry.image, resized(seen, scale))
        return written

    def _asked(self, image: NDArray[np.uint8], scales: Sequence[float]) -> list[Array]:
        """(1, C, h, w) for each scale, padding included."""
        multiple = self._teaching.spec.multiple
        return [np.concatenate(self._teaching.ask(prepare(image, scale, multiple)), axis=1) for scale in scales]

    def _maps(self, image: NDArray[np.uint8], scale: float, asked: Sequence[Array]) -> Array:
        """(C, gh, gw) on the grid of this scale: the teacher's answer there, or its average over all scales."""
        teaching = self._teaching
        stride = teaching.spec.stride
        rows, columns = (-(-side // stride) for side in resized(image, scale).shape[:2])
        if not teaching.average:
            return asked[0][0, :, :rows, :columns]
        maps = [torch.from_numpy(one) for one in asked]
        mean = average_scales(maps, (image.shape[0], image.shape[1]), teaching.scales, stride)
        return _to_grid(mean, rows, columns)

    def _size(self) -> int:
        """Bytes of this teacher's maps; other processes may be writing there, and renaming what they wrote."""
        total = 0
        for file in self._folder.glob("*.npy"):
            with suppress(FileNotFoundError):
                total += file.stat().st_size
        return total

    def _require_room(self, there: int, needed: int) -> None:
        """UserError where `needed` bytes more are too many; what is there already is never too much."""
        if needed and there + needed > self._store.limit_bytes:
            raise UserError(
                f"training: the teacher's maps would take {(there + needed) / GIB:.2g} GiB, training.cache_gib allows "
                f"{self._store.limit_bytes / GIB:.2g}; fewer frames or smaller scales take less"
            )
        free = shutil.disk_usage(self._folder).free
        if needed and needed > free - KEPT_FREE:
            raise UserError(
                f"{self._folder}: the teacher's maps need {needed / GIB:.2g} GiB more, the disk has {free / GIB:.2g} "
                "free; fewer frames, smaller scales, or a larger disk named by COMPRESS_CACHE"
            )


@dataclass(frozen=True)
class TargetIndex:
    """Entries on disk: per frame, one for each scale."""

    entries: tuple[tuple[CachedTarget, ...], ...]

    def alive(self, joints: int) -> float:
        """The share of frames in which the teacher sees a keypoint, at any of the scales."""
        seen = [any(float(entry.load()[1][:joints].max()) >= _ALIVE for entry in entries) for entries in self.entries]
        return sum(seen) / len(seen)

    def energies(self, joints: int) -> tuple[float, float, float]:
        """Mean squares per cell, summed over channels: joints, background, PAFs."""
        totals, cells = np.zeros(3), 0
        for entries in self.entries:
            for entry in entries:
                size = entry.load()[1][0].size
                totals += entry.energies(joints) * size
                cells += size
        joints_energy, background, pafs = (totals / cells).tolist()
        return joints_energy, background, pafs


def _to_grid(mean: torch.Tensor, rows: int, columns: int) -> Array:
    found = torch.nn.functional.interpolate(
        mean, size=(rows, columns), mode="bilinear", align_corners=False, antialias=True
    )
    return np.asarray(found[0].numpy(), dtype=np.float32)


def _save(path: Path, values: NDArray[Any]) -> int:
    """Writes an array whole or not at all; how many bytes its numbers take.

    By way of memory: np.save straight to a file tells a full disk without the error number that says so.
    """
    whole = io.BytesIO()
    np.save(whole, values, allow_pickle=False)
    write_bytes(path, whole.getvalue())
    return int(values.nbytes)


def _whole(entry: CachedTarget) -> bool:
    """Whether both files are there and as long as they say: a cut one is computed again."""
    try:
        entry.load()
    except (OSError, ValueError, EOFError):
        return False
    return True
