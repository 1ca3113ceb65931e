"""Photographs for views as one file that travels: JPEG bytes of a size that fits, and the people that were found."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from compress.training.photo_store import Photo
from eval.frame_pack import write_pack
from eval.roi_window import Box
from teachers.common.errors import UserError

MOST_BYTES = 50_000_000
_SIZES = ((1024, 90), (640, 88), (512, 85), (384, 80), (256, 75))
"""Longest side and JPEG quality, the best that fits is taken: a window of 256x192 needs little more than its own."""


def pack_photos(path: Path, photos: Sequence[Photo], found_by: str, most: int = MOST_BYTES) -> tuple[int, int]:
    """Writes the file; gives back its bytes and the longest side. UserError where they do not fit at any size."""
    for longest, quality in _SIZES:
        packed: list[tuple[str, bytes, Sequence[Box]]] = []
        size = 0
        for photo in photos:
            data, boxes = _shrunk(photo, longest, quality)
            size += len(data)
            if size > most:
                break
            packed.append((photo.file.name, data, boxes))
        if len(packed) == len(photos):
            write_pack(path, packed, found_by)
            return size, longest
    raise UserError(
        f"{len(photos)} photographs take more than {most / 1e6:.0f} MB even at a longest side of {_SIZES[-1][0]}; "
        "fewer of them, by a `stride` in training.data, would fit"
    )


def _shrunk(photo: Photo, longest: int, quality: int) -> tuple[bytes, tuple[Box, ...]]:
    image = photo.read()
    factor = min(1.0, longest / max(image.shape[:2]))
    boxes = photo.people
    if factor < 1:
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        x, y = size[0] / image.shape[1], size[1] / image.shape[0]
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        # Pixel centres at integers: x_small = (x + 0.5) * factor - 0.5.
        boxes = tuple(
            Box((box.x + 0.5) * x - 0.5, (box.y + 0.5) * y - 0.5, box.width * x, box.height * y) for box in boxes
        )
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes(), boxes
