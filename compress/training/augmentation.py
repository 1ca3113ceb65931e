"""Augmentations that move an image, its keypoints and its maps together (docs/training.md).

Pixel centres lie at integers, x to the right and y down. Cell g of a map is centred at pixel
stride * g + (stride - 1) / 2 along each axis. A warp is a similarity: it scales alike in both directions, turns, moves
and possibly mirrors, so that a limb's direction turns by one angle wherever the limb is.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from eval.maps import PAD_VALUE
from teachers.common.frozen import Frozen
from teachers.skeleton import Skeleton

_Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, lt=1)]


class Augmentation(Frozen):
    """How training images are changed at random. Everything here is drawn anew for every sample."""

    scale: tuple[_Scale, _Scale] = Field(
        (0.7, 1.3), description="smallest and largest factor on the image's size, drawn evenly on a logarithmic axis"
    )
    rotation_deg: float = Field(20.0, ge=0, le=180, description="largest turn either way, drawn evenly")
    flip: bool = Field(True, description="mirror half of the samples; left and right keypoints change places")
    brightness: _Share = Field(0.2, description="largest shift of all pixels either way, as a share of 128 grey levels")
    contrast: _Share = Field(0.2, description="largest change of the distance from mid grey (128), as a share of it")

    @model_validator(mode="after")
    def _rising(self) -> "Augmentation":
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale: the smallest factor comes first, got {self.scale[0]} and {self.scale[1]}")
        return self

    @classmethod
    def none(cls) -> "Augmentation":
        """Nothing but the crop's place, which is random where the crop is smaller than the image."""
        return cls(scale=(1.0, 1.0), rotation_deg=0.0, flip=False, brightness=0.0, contrast=0.0)


@dataclass(frozen=True, eq=False)
class Warp:
    """One change of an image into a crop of it. Raises ValueError when the matrix is no similarity."""

    matrix: NDArray[np.float64]
    """(2, 3): source pixel (x, y, 1) -> crop pixel (x, y); holds the mirroring as well."""
    crop_hw: tuple[int, int]
    mirrored: bool = False
    gain: float = 1.0
    """A pixel value v of the image becomes gain * v + offset; what lies outside the image stays 128."""
    offset: float = 0.0

    def __post_init__(self) -> None:
        if np.shape(self.matrix) != (2, 3):
            raise ValueError(f"matrix: expected (2, 3), got {np.shape(self.matrix)}")
        linear = self.matrix[:, :2]
        scale_squared = abs(float(np.linalg.det(linear)))
        if scale_squared == 0 or not np.allclose(linear @ linear.T, scale_squared * np.eye(2), atol=1e-6):
            raise ValueError(f"matrix: must scale alike in both directions, got {linear.tolist()}")
        if self.mirrored != (np.linalg.det(linear) < 0):
            raise ValueError(f"mirrored is {self.mirrored}, but the matrix says otherwise: {linear.tolist()}")

    @property
    def scale(self) -> float:
        """Crop pixels per source pixel."""
        return math.sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))

    def image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) -> (h, w, 3), bilinear; 128 outside, which is also what networks are padded with."""
        if (self.gain, self.offset) != (1.0, 0.0):
            # Before the warp: padding is 128 when the network runs, so it must be 128 here whatever the light.
            table = np.clip(np.rint(self.gain * np.arange(256.0) + self.offset), 0, 255).astype(np.uint8)
            image = table[image]
        height, width = self.crop_hw
        border = (PAD_VALUE,) * 3
        return cv2.warpAffine(image, self.matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=border).astype(
            np.uint8, copy=False
        )

    def points(self, keypoints: NDArray[np.floating], skeleton: Skeleton) -> NDArray[np.float32]:
        """(P, K, 3) in source pixels -> (P, K, 3) in crop pixels; the third number goes with its keypoint."""
        moved = np.array(keypoints, dtype=np.float64)
        moved[..., :2] = moved[..., :2] @ self.matrix[:, :2].T + self.matrix[:, 2]
        order = mirror_of(skeleton).keypoints if self.mirrored else slice(None)
        return moved[:, order].astype(np.float32)

    def maps(self, maps: NDArray[np.float32], skeleton: Skeleton, stride: int) -> NDArray[np.float32]:
        """(K+1+2L, H/stride, W/stride) -> the crop's, (K+1+2L, h/stride, w/stride); heatmaps first, then PAFs.

        Bilinear. Outside there is background: 0, and 1 in the background channel. Values are those of the same image
        point: a keypoint's blob and a limb's width grow and shrink with the image.
        """
        heat = skeleton.heatmap_channels
        if maps.ndim != 3 or maps.shape[0] != heat + skeleton.paf_channels:
            raise ValueError(f"maps: expected ({heat + skeleton.paf_channels}, h, w), got {maps.shape}")
        cells, nearby, shares = self._neighbours((maps.shape[1], maps.shape[2]), stride)
        around = np.zeros((cells, maps.shape[0]), dtype=np.float32)
        inside = around[:-1].reshape(*maps.shape[1:], -1)
        inside[:] = maps.transpose(1, 2, 0)
        inside[..., heat - 1] = 1.0 - inside[..., heat - 1]  # so that what is outside is 0 in every channel
        found = sum(around[near] * share[:, None] for near, share in zip(nearby, shares, strict=True))
        found = np.asarray(found, dtype=np.float32)
        found[:, heat - 1] = 1.0 - found[:, heat - 1]
        heatmaps, vectors = found[:, :heat], found[:, heat:].reshape(len(found), -1, 2)
        turn = (self.matrix[:, :2] / self.scale).astype(np.float32)
        vectors = vectors @ turn.T
        if self.mirrored:
            mirror = mirror_of(skeleton)
            heatmaps = heatmaps[:, [*mirror.keypoints, heat - 1]]
            vectors = vectors[:, mirror.limbs] * np.asarray(mirror.signs, dtype=np.float32)[:, None]
        out = np.concatenate([heatmaps, vectors.reshape(len(found), -1)], axis=1)
        return np.ascontiguousarray(out.T).reshape(-1, *self._grid(stride))

    def mask(self, mask: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
        """(H/stride, W/stride) -> the crop's; 1 outside, where there is no unlabelled person."""
        cells, nearby, shares = self._neighbours((mask.shape[0], mask.shape[1]), stride)
        around = np.zeros(cells, dtype=np.float32)
        around[:-1] = 1.0 - mask.reshape(-1)
        hidden = np.sum(around[nearby] * shares, axis=0, dtype=np.float32)
        return (1.0 - hidden).reshape(self._grid(stride))

    def _grid(self, stride: int) -> tuple[int, int]:
        height, width = self.crop_hw
        if height % stride or width % stride:
            raise ValueError(f"crop_hw: {height} x {width} is no multiple of the stride {stride}")
        return height // stride, width // stride

    def _neighbours(
        self, source_grid: tuple[int, int], stride: int
    ) -> tuple[int, NDArray[np.intp], NDArray[np.float32]]:
        """For each cell of the crop the four source cells around it (4, n) and their shares (4, n).

        The first number is how many cells there are to look up: those of the source and one more, the outside.
        Written out because cv2.warpAffine rounds places to 1/32 cell, a quarter of a pixel at stride 8.
        """
        rows, columns = self._grid(stride)
        centre = (stride - 1) / 2
        back = cv2.invertAffineTransform(self.matrix)
        start = (back[:, :2] @ (centre, centre) + back[:, 2] - centre) / stride
        x = (back[0, 0] * np.arange(columns) + start[0] + back[0, 1] * np.arange(rows)[:, None]).reshape(-1)
        y = (back[1, 0] * np.arange(columns) + start[1] + back[1, 1] * np.arange(rows)[:, None]).reshape(-1)
        left, top = np.floor(x), np.floor(y)
        across, down = x - left, y - top
        height, width = source_grid
        nearby, shares = [], []
        for step_y, share_y in ((0, 1 - down), (1, down)):
            for step_x, share_x in ((0, 1 - across), (1, across)):
                column, row = left + step_x, top + step_y
                inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
                nearby.append(np.where(inside, row * width + column, height * width))
                shares.append(share_y * share_x)
        return height * width + 1, np.asarray(nearby, dtype=np.intp), np.asarray(shares, dtype=np.float32)


def draw(
    augmentation: Augmentation, source_hw: tuple[int, int], crop_hw: tuple[int, int], rng: np.random.Generator
) -> Warp:
    """A random warp of an image of this size into a crop of that size.

    Along each axis the crop lies inside the image, or the image inside the crop, whichever is larger at this scale
    (before the turn, which is about the crop's centre). The crop's corner lies on a whole source pixel, so a crop alone
    takes pixels over as they are. With everything off and a crop of the image's size: identity.
    """
    # Every number is drawn whatever the settings, so that switching one thing off leaves the others as they were.
    size, angle, place_y, place_x, light, contrast = rng.uniform(size=6)
    mirrored = bool(rng.uniform() < 0.5) and augmentation.flip
    low, high = augmentation.scale
    scale = low * (high / low) ** size
    turn = math.radians(augmentation.rotation_deg * (2 * angle - 1))
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    if mirrored:
        linear[0] *= -1
    centre = np.array(
        [_centre(source_hw[axis], crop_hw[axis] / scale, share) for axis, share in ((1, place_x), (0, place_y))]
    )
    middle = (np.array([crop_hw[1], crop_hw[0]]) - 1) / 2
    matrix = np.concatenate([linear, (middle - linear @ centre)[:, None]], axis=1)
    gain = 1 + augmentation.contrast * (2 * contrast - 1)
    offset = PAD_VALUE * (1 - gain) + PAD_VALUE * augmentation.brightness * (2 * light - 1)
    return Warp(matrix, crop_hw, mirrored, float(gain), float(offset))


def _centre(source: int, crop: float, share: float) -> float:
    """The source pixel that comes to the crop's centre, along one axis; share 0..1 of the way there is."""
    corner = round(share * (source - crop))
    return corner + (crop - 1) / 2


@dataclass(frozen=True)
class Mirror:
    """Where each channel of a mirrored image comes from."""

    keypoints: list[int]
    limbs: list[int]
    signs: list[float]
    """-1 for a limb whose mirror image the skeleton holds from the other end."""


@lru_cache
def mirror_of(skeleton: Skeleton) -> Mirror:
    """The channels that change places when an image is mirrored; ValueError where a limb has no mirror image."""
    keypoints = list(range(len(skeleton.keypoints)))
    for first, second in skeleton.mirror_pairs:
        keypoints[first], keypoints[second] = second, first
    limbs, signs = [], []
    for start, end in skeleton.limbs:
        image = (keypoints[start], keypoints[end])
        if image in skeleton.limbs:
            limbs.append(skeleton.limbs.index(image))
            signs.append(1.0)
        elif image[::-1] in skeleton.limbs:
            limbs.append(skeleton.limbs.index(image[::-1]))
            signs.append(-1.0)
        else:
            raise ValueError(f"{skeleton.name}: limb {(start, end)} has no mirror image, so nothing can be flipped")
    return Mirror(keypoints, limbs, signs)
