"""Photographs in the memory of the device, each at three sizes, beside the boxes of their people."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from compress.training.photo_store import Photo
from eval.maps import PAD_VALUE

SIDE = 512
"""Of the square that holds a photograph; 1 MB each with its smaller copies, so 6,000 take 6 GB."""
LEVELS = 3
"""Halved by areas: a view that shrinks a photograph reads a smaller copy, as single samples alias."""


@dataclass(frozen=True, eq=False)
class DevicePhotos:
    """P photographs, all on one device."""

    levels: tuple[Tensor, ...]
    """(P, 3, S, S), (P, 3, S/2, S/2), ... uint8, BGR; what lies outside a photograph is 128."""
    sizes: Tensor
    """(P, 2): height and width in pixels of the first level."""
    boxes: Tensor
    """(P, M, 4): x, y, width, height in pixels of the first level, as many as `counts` says."""
    counts: Tensor
    """(P,)"""

    @classmethod
    def of(cls, photos: Sequence[Photo], device: torch.device, side: int = SIDE) -> "DevicePhotos":
        """Reads all of them, once."""
        with ThreadPoolExecutor(8) as pool:
            read = list(pool.map(lambda photo: _squared(photo, side), photos))
        first = np.stack([image for image, _, _ in read])
        most = max(1, *(len(boxes) for _, boxes, _ in read))
        padded = np.stack([np.pad(boxes, [(0, most - len(boxes)), (0, 0)]) for _, boxes, _ in read])
        levels = [torch.from_numpy(first).permute(0, 3, 1, 2).contiguous().to(device)]
        for _ in range(1, LEVELS):
            levels.append(_halved(levels[-1]))
        return cls(
            tuple(levels),
            torch.tensor([size for _, _, size in read], device=device),
            torch.from_numpy(padded).float().to(device),
            torch.tensor([len(boxes) for _, boxes, _ in read], device=device),
        )


def _squared(photo: Photo, side: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    image = photo.read()
    factor = min(1.0, side / max(image.shape[:2]))
    size = (max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor)))
    if factor < 1:
        image = np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.full((side, side, 3), PAD_VALUE, np.uint8)
    canvas[: size[0], : size[1]] = image
    # Pixel centres at integers: x_small = (x + 0.5) * factor - 0.5.
    boxes = [
        ((box.x + 0.5) * factor - 0.5, (box.y + 0.5) * factor - 0.5, box.width * factor, box.height * factor)
        for box in photo.people
    ]
    return canvas, np.array(boxes, np.float64).reshape(-1, 4), size


def _halved(images: Tensor) -> Tensor:
    """A few photographs at a time: all of them as floating point would not fit."""
    parts = [images[first : first + 64].float() for first in range(0, len(images), 64)]
    return torch.cat([torch.nn.functional.avg_pool2d(part, 2).round().byte() for part in parts])
