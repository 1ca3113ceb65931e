"""Views on the device: a whole batch is drawn, cut by torch's grid sampling and changed at once, no sample by itself.

The same distributions as `view_pixels`, other numbers: everything follows from the seed and the step. A batch on a CPU
goes the same way.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from compress.training.batches import Batch
from compress.training.device_photos import DevicePhotos
from compress.training.device_wear import worn
from compress.training.samples import TrainingSample
from compress.training.view_samples import MANY, ViewMaker
from eval.maps import PAD_VALUE
from eval.roi_window import SMALLEST_PX


@dataclass(frozen=True, eq=False)
class DeviceViews:
    """compress.training.batches.BatchMaker; samples without maps, which the trainer asks the teacher for."""

    maker: ViewMaker
    photos: DevicePhotos

    def __len__(self) -> int:
        return MANY

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """Never asked: batches are made whole."""
        raise NotImplementedError("views on the device come in batches")

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """The views of block `step`, on the device of the photographs."""
        is_roi, size_hw = self.maker.shape(step)
        device = self.photos.sizes.device
        draw = torch.Generator(device).manual_seed((self.maker.seed * 1_000_003 + step) % 2**63)
        views = self._views(draw, is_roi, size_hw)
        settings = self.maker.views.augmentation
        mixed = (_uniform(draw, len(views)) < settings.mixup)[:, None, None, None]
        share = 0.5 * _uniform(draw, len(views))[:, None, None, None]
        views = torch.where(mixed, (1 - share) * views + share * views.roll(1, 0), views)
        if self.maker.spec.input.channels != "bgr":
            views = views.flip(1)
        images = views.round().clamp(0, 255).byte().contiguous(memory_format=torch.channels_last)
        stride = self.maker.spec.stride
        grid = (len(images), size_hw[0] // stride, size_hw[1] // stride)
        none = torch.empty((grid[0], 0, *grid[1:]), device=device)
        return Batch(images, none, none, torch.ones(grid, device=device))

    def _views(self, draw: torch.Generator, is_roi: bool, size_hw: tuple[int, int]) -> Tensor:
        count, photos = self.maker.per_block, self.photos
        usable = torch.nonzero(photos.counts > 0)[:, 0] if is_roi else torch.arange(len(photos.counts)).to(draw.device)
        chosen = usable[(_uniform(draw, count) * len(usable)).long().clamp_max(len(usable) - 1)]
        person = (_uniform(draw, count) * photos.counts[chosen]).long()
        sizes = photos.sizes[chosen].float()
        if is_roi:
            boxes = photos.boxes[chosen, person]
            scale = _window_scale(boxes, self.maker.views.margin, size_hw)
            centre = boxes[:, :2]
        else:
            scale = (torch.tensor(size_hw, device=sizes.device) / sizes).amin(1)
            centre = (sizes.flip(1) - 1) / 2
        matrix = self._placed(draw, scale, centre, size_hw)
        views, inside = sampled(photos, chosen, matrix, size_hw)
        return worn(self._relit(draw, views, inside), self.maker.views.augmentation, draw)

    def _placed(self, draw: torch.Generator, scale: Tensor, centre: Tensor, size_hw: tuple[int, int]) -> Tensor:
        """(N, 2, 3): photograph pixel -> view pixel, jittered as `view_pixels.place` does."""
        settings, count = self.maker.views.augmentation, len(scale)
        size, turn, right, down = (_triangular(draw, count) for _ in range(4))
        low, high = settings.scale
        scale = scale * torch.where(size > 0, high**size, low**-size)
        angle = math.radians(settings.rotation_deg) * turn
        cos, sin = scale * angle.cos(), scale * angle.sin()
        linear = torch.stack((torch.stack((cos, -sin), 1), torch.stack((sin, cos), 1)), 1)
        mirrored = (_uniform(draw, count) < 0.5) & settings.flip
        linear[:, 0] *= torch.where(mirrored, -1.0, 1.0)[:, None]
        rows, columns = size_hw
        middle = torch.tensor([(columns - 1) / 2, (rows - 1) / 2], device=scale.device)
        moved = settings.translation * torch.stack((right * columns, down * rows), 1)
        shift = middle + moved - (linear @ centre[:, :, None])[:, :, 0]
        return torch.cat((linear, shift[:, :, None]), 2)

    def _relit(self, draw: torch.Generator, views: Tensor, inside: Tensor) -> Tensor:
        """Light, contrast and tint of what lies in the photograph; the outside stays 128."""
        settings, count = self.maker.views.augmentation, len(views)
        light, contrast, *tint = (2 * _uniform(draw, count) - 1 for _ in range(5))
        gain = (1 + settings.contrast * contrast)[:, None] * (1 + settings.colour * torch.stack(tint, 1))
        offset = PAD_VALUE * settings.brightness * light
        lit = gain[:, :, None, None] * (views - PAD_VALUE) + PAD_VALUE + offset[:, None, None, None]
        return torch.where(inside[:, None], lit.clamp(0, 255), views)


def sampled(photos: DevicePhotos, chosen: Tensor, matrix: Tensor, size_hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(N, 3, h, w) in 0..255 and (N, h, w), where a view shows its photograph."""
    rows, columns = size_hw
    inverse = torch.linalg.inv(matrix[:, :, :2])
    y, x = torch.meshgrid(
        torch.arange(rows, device=matrix.device), torch.arange(columns, device=matrix.device), indexing="ij"
    )
    places = torch.stack((x, y), -1).float().reshape(-1, 2).T
    points = (inverse @ (places - matrix[:, :, 2:])).transpose(1, 2).reshape(-1, rows, columns, 2)
    limits = photos.sizes[chosen].flip(1).float()[:, None, None] - 0.5
    inside = ((points >= -0.5) & (points <= limits)).all(-1)
    shrinking = (1 / torch.linalg.det(matrix[:, :, :2]).abs().sqrt()).log2()
    level = shrinking.floor().clamp(0, len(photos.levels) - 1)
    views = torch.full((len(chosen), 3, rows, columns), float(PAD_VALUE), device=matrix.device)
    grid = (2 * points + 1) / photos.levels[0].shape[-1] - 1
    for number, images in enumerate(photos.levels):
        found = F.grid_sample(images[chosen].float() - PAD_VALUE, grid, align_corners=False) + PAD_VALUE
        views = torch.where((level == number)[:, None, None, None], found, views)
    return views, inside


def _window_scale(boxes: Tensor, margin: float, size_hw: tuple[int, int]) -> Tensor:
    """As `eval.roi_window.window_around`: the box with its margin fits the window."""
    height = torch.maximum(boxes[:, 3], boxes[:, 2] * size_hw[0] / size_hw[1]) * margin
    return size_hw[0] / height.clamp_min(SMALLEST_PX)


def _uniform(draw: torch.Generator, count: int) -> Tensor:
    return torch.rand(count, generator=draw, device=draw.device)


def _triangular(draw: torch.Generator, count: int) -> Tensor:
    """From -1 to 1, most often near 0."""
    return _uniform(draw, count) - _uniform(draw, count)
