"""Samples from the cache: a random crop of a frame at one of its scales, with the teacher's maps of the same place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.training.augmentation import Augmentation, Warp, draw
from compress.training.losses import Energies
from compress.training.samples import TrainingSample
from compress.training.target_cache import CachedTarget, TargetIndex
from eval.maps import padded
from teachers.spec import PoseNetSpec


@dataclass(frozen=True)
class FrameBalance:
    """How much the cells of a frame count, by how much the teacher sees in it.

    Students are measured by L2 relative to each frame's own norm, so an error in a frame with few people weighs more
    than the same error in a crowd. Summed squares alone would let crowds decide everything.
    """

    energies: Energies
    """Means over all frames."""
    exponent: float
    """0: as summed squares have it; 1: every frame alike, but for the limit."""
    most: float = 30.0

    def weight(self, of_frame: NDArray[np.float64]) -> float:
        """of_frame: (3,) as `CachedTarget.energies` gives it; 1 for a frame like the mean, at most `most`."""
        joints, _, pafs = of_frame.tolist()
        share = (joints / max(self.energies.joints, 1e-12) + pafs / max(self.energies.pafs, 1e-12)) / 2
        return float(min(self.most, max(share, 1e-12) ** -self.exponent))


@dataclass(frozen=True)
class TeacherSamples:
    """The teacher's maps of crops of the cached frames."""

    filled: TargetIndex
    spec: PoseNetSpec
    augmentation: Augmentation
    crop_hw: tuple[int, int]
    margin: int = 0
    """Cells beside a cut edge that nothing is learnt from; see `learnable`."""
    balance: FrameBalance | None = None
    """None lets every cell count alike, however many people its frame shows."""

    def __len__(self) -> int:
        return len(self.filled.entries)

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """One crop of frame `index`, at a scale drawn in proportion to how many crops the scales hold."""
        entries = self.filled.entries[index]
        entry = _choose(entries, self.crop_hw, rng)
        image, maps = entry.load()
        skeleton, stride = self.spec.skeleton, self.spec.stride
        warp = aligned(draw(self.augmentation, image.shape[:2], self.crop_hw, rng), stride)
        crop = warp.maps(maps.astype(np.float32), skeleton, stride)
        heat = skeleton.heatmap_channels
        mask = learnable(warp, image.shape[:2], crop.shape[1:], self.margin)
        if self.balance is not None:
            mask *= self.balance.weight(entry.energies(heat - 1))
        return TrainingSample(warp.image(np.asarray(image)), crop[:heat], crop[heat:], mask)


def learnable(warp: Warp, source_hw: tuple[int, ...], grid_hw: tuple[int, ...], margin: int) -> NDArray[np.float32]:
    """1 where the maps may be learnt from, 0 within `margin` cells of an edge at which the frame was cut.

    The teacher saw what lies beyond such an edge and the student does not: it would learn to guess what it cannot see
    (docs/training.md has the numbers).
    """
    mask = np.ones(grid_hw, np.float32)
    height, width = warp.crop_hw
    back = cv2.invertAffineTransform(warp.matrix)
    beyond = (
        (mask[:margin], ((width - 1) / 2, -1.0)),
        (mask[grid_hw[0] - margin :], ((width - 1) / 2, float(height))),
        (mask[:, :margin], (-1.0, (height - 1) / 2)),
        (mask[:, grid_hw[1] - margin :], (float(width), (height - 1) / 2)),
    )
    for strip, point in beyond:
        x, y = back[:, :2] @ point + back[:, 2]
        if -0.5 <= x <= source_hw[1] - 0.5 and -0.5 <= y <= source_hw[0] - 0.5:
            strip[:] = 0.0
    return mask


def full_frame(entry: CachedTarget, spec: PoseNetSpec, balance: FrameBalance | None = None) -> TrainingSample:
    """A whole frame as the network sees it when it is measured: padded at the right and bottom.

    Nothing is learnt from cells that show padding alone, as there are where inputs are padded beyond the stride.
    """
    image, maps = entry.load()
    heat = spec.skeleton.heatmap_channels
    pixels = padded(np.asarray(image), spec.multiple)[0].transpose(1, 2, 0).astype(np.uint8)
    beyond = [(0, side // spec.stride - cells) for side, cells in zip(pixels.shape, maps.shape[1:], strict=False)]
    values = np.pad(maps.astype(np.float32), [(0, 0), *beyond])
    weight = 1.0 if balance is None else balance.weight(entry.energies(heat - 1))
    mask = np.pad(np.full(maps.shape[1:], weight, np.float32), beyond)
    return TrainingSample(pixels, values[:heat], values[heat:], mask)


def _choose(entries: Sequence[CachedTarget], crop_hw: tuple[int, int], rng: np.random.Generator) -> CachedTarget:
    if len(entries) == 1:
        return entries[0]
    # The square root: a scale of four times the area holds four times the crops, but the same people.
    areas = [max(1.0, entry.pixels() / (crop_hw[0] * crop_hw[1])) ** 0.5 for entry in entries]
    return entries[int(rng.choice(len(entries), p=np.asarray(areas) / sum(areas)))]


def aligned(warp: Warp, stride: int) -> Warp:
    """The warp moved by less than a cell so that cells fall on cells, where it neither scales nor turns.

    The teacher's maps are then taken over as they are; between cells they would be interpolated, and their peaks with
    them lowered, which no network that looks at the picture could tell.
    """
    linear = warp.matrix[:, :2]
    if not np.allclose(np.abs(linear), np.eye(2), atol=1e-12):
        return warp
    centre = np.full(2, (stride - 1) / 2)
    first = linear @ centre + warp.matrix[:, 2] - centre
    matrix = warp.matrix.copy()
    matrix[:, 2] += np.round(first / stride) * stride - first
    return replace(warp, matrix=matrix)
