"""Photographs for views: each once as a JPEG of bounded size, beside the boxes of the people that the teacher finds.

Views are cut from these files, never from the originals: a frame of a video would have to be decoded from its start
each time, and a photograph of 12 million pixels for a window of 256 x 192. Both files are written whole or not at all,
so a killed run goes on with the next photograph. Files' names hold the frame's content; the folder's name the
teacher's.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.common.progress import Reporter
from compress.training.disk_full import telling_disk_full
from compress.training.frames import FrameRef, read_frames
from compress.training.target_cache import TeacherFn
from eval.frame_pack import PackedPhotos
from eval.frame_types import Unreadable
from eval.maps import BASE_HEIGHT, prepare
from eval.people import Person, decode
from eval.roi_extent import unseen_ends
from eval.roi_window import Box, box_of
from teachers.common.errors import UserError
from teachers.common.files import write_bytes
from teachers.spec import PoseNetSpec

_LONGEST = 1024
"""Longer sides are halved and halved again by area: a window needs no more."""
_QUALITY = 95
_FEWEST_KEYPOINTS = 6
"""Fewer are a limb, or no person."""


@dataclass(frozen=True)
class Photo:
    """One photograph, and who is in it."""

    file: Path
    people: tuple[Box, ...]
    """In pixels of the file; the most confident first."""

    def read(self) -> NDArray[np.uint8]:
        """(H, W, 3) BGR. UserError where the file is gone."""
        image = cv2.imread(str(self.file), cv2.IMREAD_COLOR)
        if image is None:
            raise UserError(f"{self.file}: cannot be read; the cache was changed while training; run again")
        return np.asarray(image, np.uint8)


@dataclass(frozen=True)
class Finder:
    """The teacher, asked for people in whole photographs."""

    ask: TeacherFn
    spec: PoseNetSpec
    scale: float

    def boxes(self, image: NDArray[np.uint8]) -> list[Box]:
        """Around each person and what of him is probably there but was not found."""
        heatmaps, pafs = self.ask(prepare(image, self.scale, self.spec.multiple))
        pixels = self.spec.stride * image.shape[0] / max(1, round(BASE_HEIGHT * self.scale))
        found = decode(heatmaps[0], pafs[0], self.spec.skeleton, (pixels, pixels))
        return [box for person in found if (box := self._box(person)) is not None]

    def _box(self, person: Person) -> Box | None:
        if (person.keypoints[:, 2] > 0).sum() < min(_FEWEST_KEYPOINTS, len(person.keypoints)):
            return None
        points = person.keypoints[:, :2].astype(np.float64)
        return box_of(np.concatenate((points, unseen_ends(points, self.spec.skeleton))))


class PhotoStore:
    """Photographs below one folder, which is of one teacher and one way of finding people."""

    def __init__(self, folder: Path, finder: Finder, reporter: Reporter) -> None:
        self._folder, self._finder, self._reporter = folder, finder, reporter

    def fill(self, frames: Sequence[FrameRef]) -> tuple[Photo, ...]:
        """All of them that can be read; looks for people in those that are new, and reports how many show none.

        UserError where none can be read, where there is no person in any of them, or where the disk is full.
        """
        waiting = [frame for frame in frames if self._photo(frame) is None]
        work = self._reporter.track(read_frames(waiting), "people", len(frames), len(frames) - len(waiting))
        for ref, frame in work:
            if isinstance(frame, Unreadable):
                self._reporter.warn(f"training data: {frame.name}: {frame.reason}")
            else:
                self._write(ref, frame.image)
        found = [photo for frame in frames if (photo := self._photo(frame)) is not None]
        if not found:
            raise UserError("training.data: none of its frames can be read")
        empty = sum(not photo.people for photo in found)
        if empty == len(found):
            raise UserError("training.data: the teacher finds no person in any frame; a larger find_scale may do")
        if empty:
            self._reporter.say(f"training data: no person is found in {empty} of {len(found)} photographs")
        return tuple(found)

    def _files(self, frame: FrameRef) -> tuple[Path, Path]:
        stem = frame.digest[:32]
        return self._folder / f"{stem}.jpg", self._folder / f"{stem}.json"

    def _photo(self, frame: FrameRef) -> Photo | None:
        """None where it is not there or damaged."""
        picture, people = self._files(frame)
        try:
            boxes = tuple(Box(*map(float, box)) for box in json.loads(people.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return Photo(picture, boxes) if picture.is_file() else None

    @property
    def found_by(self) -> str:
        """Stands for the teacher and the scale at which it looks for people."""
        return self._folder.name

    def _write(self, frame: FrameRef, image: NDArray[np.uint8]) -> None:
        known = frame.source.people(frame.index, self.found_by) if isinstance(frame.source, PackedPhotos) else None
        while max(image.shape[:2]) > _LONGEST:
            known = None  # a file of ours holds none that large
            half = (max(1, image.shape[1] // 2), max(1, image.shape[0] // 2))
            image = np.asarray(cv2.resize(image, half, interpolation=cv2.INTER_AREA), np.uint8)
        found = self._finder.boxes(image) if known is None else known
        boxes = [[box.x, box.y, box.width, box.height] for box in found]
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        picture, people = self._files(frame)
        with telling_disk_full(self._folder, "what was done is kept"):
            write_bytes(picture, encoded.tobytes())
            write_bytes(people, json.dumps(boxes).encode())  # last: a photograph whose people are there is complete
