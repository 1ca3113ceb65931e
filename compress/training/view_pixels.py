"""The pixels of one view: one matrix from the photograph, then what a camera, a codec or a person in front may do."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.training.view_settings import ViewAugmentation
from eval.maps import PAD_VALUE
from eval.roi_window import Box, window_around

Image = NDArray[np.uint8]
_SHARP = 0.75
"""Below this scale a photograph is shrunk by areas first: single samples alias, and move peaks."""


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the view lies in the photograph."""

    matrix: NDArray[np.float64]
    """(2, 3): photograph pixel (x, y, 1) -> view pixel (x, y)."""
    size_hw: tuple[int, int]

    @property
    def scale(self) -> float:
        """View pixels per photograph pixel."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))


def around(box: Box, margin: float, size_hw: tuple[int, int]) -> tuple[float, tuple[float, float]]:
    """Scale and centre of the window around a person, as `eval.roi_window` places it."""
    window = window_around(box, margin, size_hw)
    return size_hw[0] / window.height, (box.x, box.y)


def whole(image_hw: tuple[int, int], size_hw: tuple[int, int]) -> tuple[float, tuple[float, float]]:
    """Scale and centre of a view that shows the whole photograph."""
    scale = min(size_hw[0] / image_hw[0], size_hw[1] / image_hw[1])
    return scale, ((image_hw[1] - 1) / 2, (image_hw[0] - 1) / 2)


def place(
    aim: tuple[float, tuple[float, float]],
    size_hw: tuple[int, int],
    augmentation: ViewAugmentation,
    rng: np.random.Generator,
) -> Placement:
    """Jitters the aim in size, turn and place; triangular, because a tracker is rarely far off."""
    # Every number is drawn whatever the settings, so that switching one thing off leaves the others as they were.
    size, turn, right, down = (float(value) for value in rng.triangular(-1, 0, 1, size=4))
    mirrored = bool(rng.uniform() < 0.5) and augmentation.flip
    low, high = augmentation.scale
    scale = aim[0] * (high**size if size > 0 else low**-size)
    angle = math.radians(augmentation.rotation_deg * turn)
    linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if mirrored:
        linear[0] *= -1
    rows, columns = size_hw
    middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
    moved = augmentation.translation * np.array([right * columns, down * rows])
    shift = middle + moved - linear @ np.array(aim[1])
    return Placement(np.concatenate([linear, shift[:, None]], axis=1), size_hw)


def cut_view(image: Image, placement: Placement) -> Image:
    """(H, W, 3) -> (h, w, 3); what lies outside the photograph is 128, as where the network runs."""
    matrix = placement.matrix.copy()
    if placement.scale < _SHARP:
        small = (max(1, round(image.shape[1] * placement.scale)), max(1, round(image.shape[0] * placement.scale)))
        # Pixel centres at integers: x_small = (x + 0.5) * factor - 0.5.
        factors = np.array([small[0] / image.shape[1], small[1] / image.shape[0]])
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        matrix[:, :2] = placement.matrix[:, :2] / factors
        matrix[:, 2] += placement.matrix[:, :2] @ (0.5 / factors - 0.5)
    rows, columns = placement.size_hw
    way = cv2.INTER_CUBIC if placement.scale > 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(image, matrix, (columns, rows), flags=way, borderValue=(PAD_VALUE,) * 3), dtype=np.uint8
    )


def relit(image: Image, augmentation: ViewAugmentation, rng: np.random.Generator) -> Image:
    """Brightness, contrast and tint, before a view is cut: what lies outside it stays 128 in any light."""
    light, contrast, *tint = rng.uniform(-1, 1, size=5)
    gain = (1 + augmentation.contrast * contrast) * (1 + augmentation.colour * np.array(tint))
    offset = PAD_VALUE * augmentation.brightness * light
    values = gain[:, None] * (np.arange(256.0) - PAD_VALUE) + PAD_VALUE + offset
    table = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, np.ascontiguousarray(table.T[None])), np.uint8)


def worn(view: Image, augmentation: ViewAugmentation, rng: np.random.Generator) -> Image:
    """Out of focus, moved, compressed, hidden: each as often as the settings say."""
    focus, moved, packed, hidden = rng.uniform(size=4)
    strength, length, angle, quality = rng.uniform(size=4)
    if focus < augmentation.blur:
        view = np.asarray(cv2.GaussianBlur(view, (0, 0), 0.5 + 1.5 * strength), np.uint8)
    if moved < augmentation.motion_blur:
        kernel = streak(3 + 10 * length, 180 * angle)
        view = np.asarray(cv2.filter2D(view, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)
    if hidden < augmentation.cutout:
        view = view.copy()
        for _ in range(int(rng.integers(1, 4))):
            _hide(view, rng)
    if packed < augmentation.jpeg:
        data = cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, round(30 + 60 * quality)])[1]
        view = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return view


def streak(length: float, angle_deg: float) -> NDArray[np.float32]:
    """The kernel of a movement by so many pixels along a line; its sum is 1."""
    half = math.ceil(length / 2)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    steps = np.linspace(-length / 2, length / 2, 8 * half + 1)
    x = half + steps * math.cos(math.radians(angle_deg))
    y = half + steps * math.sin(math.radians(angle_deg))
    np.add.at(kernel, (np.rint(y).astype(int), np.rint(x).astype(int)), 1.0)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _hide(view: Image, rng: np.random.Generator) -> None:
    rows, columns = view.shape[:2]
    shares = rng.uniform(0.05, 0.3, size=2)
    height, width = max(1, round(rows * shares[0])), max(1, round(columns * shares[1]))
    top, left = rng.integers(0, rows - height + 1), rng.integers(0, columns - width + 1)
    view[top : top + height, left : left + width] = rng.integers(0, 256, 3)
