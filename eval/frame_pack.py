"""Many photographs as one file: their JPEG bytes in one array, and the boxes of the people in them.

An .npz of plain arrays (nothing is pickled): `data` uint8, `ends` int64 (where each photograph ends), `names`, `people`
float64 (P, 5: photograph, x, y, width, height in pixels) and `found_by`, what the boxes were found by.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.frame_types import Frame, Unreadable
from eval.roi_window import Box
from teachers.common.errors import UserError
from teachers.common.files import replacing

SUFFIX = ".npz"
_PARTS = ("data", "ends", "names", "people", "found_by")


@dataclass(frozen=True, eq=False)
class PackedPhotos:
    """FrameSource. Everything is in memory: a file holds 50 MB or so."""

    name: str
    data: NDArray[np.uint8]
    ends: NDArray[np.int64]
    titles: tuple[str, ...]
    boxes: NDArray[np.float64]
    found_by: str

    def names(self) -> list[str]:
        """As they were packed."""
        return list(self.titles)

    def read(self, indices: Sequence[int]) -> Iterator[tuple[int, Frame | Unreadable]]:
        """Decoded one at a time."""
        for index in indices:
            image = cv2.imdecode(self._bytes(index), cv2.IMREAD_COLOR)
            title = self.titles[index]
            yield (
                index,
                Unreadable(title, "is no image") if image is None else Frame(title, np.asarray(image, np.uint8)),
            )

    def screen(self, order: Iterable[int]) -> Iterator[int | Unreadable]:
        """Each is decoded: there is no cheaper way to know."""
        for index in order:
            found = next(self.read([index]))[1]
            yield found if isinstance(found, Unreadable) else index

    def fingerprint(self, index: int) -> str:
        """Of the photograph's own bytes: the same one in another file counts as the same."""
        return hashlib.sha256(self._bytes(index).tobytes()).hexdigest()

    def people(self, index: int, found_by: str) -> tuple[Box, ...] | None:
        """The people of a photograph; None where they were found in another way, or not looked for."""
        if found_by != self.found_by:
            return None
        return tuple(Box(*map(float, row[1:])) for row in self._by_photo.get(index, ()))

    @cached_property
    def _by_photo(self) -> dict[int, list[NDArray[np.float64]]]:
        found: dict[int, list[NDArray[np.float64]]] = {}
        for row in self.boxes:
            found.setdefault(int(row[0]), []).append(row)
        return found

    def _bytes(self, index: int) -> NDArray[np.uint8]:
        start = 0 if index == 0 else int(self.ends[index - 1])
        return self.data[start : int(self.ends[index])]


def write_pack(path: Path, photos: Sequence[tuple[str, bytes, Sequence[Box]]], found_by: str) -> None:
    """Writes names, JPEG bytes and people, whole or not at all."""
    rows = [
        (number, box.x, box.y, box.width, box.height) for number, (_, _, people) in enumerate(photos) for box in people
    ]
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            data=np.frombuffer(b"".join(data for _, data, _ in photos), np.uint8),
            ends=np.cumsum([len(data) for _, data, _ in photos], dtype=np.int64),
            names=np.array([name for name, _, _ in photos]),
            people=np.array(rows, np.float64).reshape(-1, 5),
            found_by=np.array(found_by),
        )


def open_pack(path: Path) -> PackedPhotos:
    """UserError where the file is damaged, or another program's."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts = {part: arrays[part] for part in _PARTS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: is no file of packed photographs ({error})") from error
    data, ends, names, people = (parts[part] for part in _PARTS[:4])
    fits = data.dtype == np.uint8 and ends.dtype == np.int64 and len(ends) == len(names) > 0 == ends.ndim - 1
    fits = fits and bool((np.diff(ends, prepend=0) > 0).all()) and int(ends[-1]) == len(data)
    fits = fits and people.ndim == 2 and people.shape[1] == 5 and bool(np.isfinite(people).all())
    if not fits:
        raise UserError(f"{path}: is no whole file of packed photographs: its arrays do not fit together")
    return PackedPhotos(path.name, data, ends, tuple(map(str, names)), people, str(parts["found_by"]))
