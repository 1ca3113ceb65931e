"""Out of focus, moved, compressed, hidden: batches on the device, each view by numbers of its own."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from compress.training.view_settings import ViewAugmentation

_KERNEL = 13
"""Holds a streak of 13 pixels and a Gaussian of sigma 2."""
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
"""Annex K of the JPEG standard (ITU-T T.81), table K.1."""


def worn(views: Tensor, settings: ViewAugmentation, draw: torch.Generator) -> Tensor:
    """(N, 3, h, w) in 0..255, sides multiples of 8; each kind as often as the settings say."""

    def uniform() -> Tensor:
        return torch.rand(len(views), generator=draw, device=draw.device)

    focus, moved, packed, hidden = (uniform() for _ in range(4))
    strength, length, angle, quality = (uniform() for _ in range(4))
    views = _filtered(views, _gaussian(0.5 + 1.5 * strength), focus < settings.blur)
    views = _filtered(views, _streak(3 + 10 * length, math.pi * angle), moved < settings.motion_blur)
    number = (3 * uniform()).floor() + 1
    for rectangle in range(3):
        shown = (hidden < settings.cutout) & (rectangle < number)
        shares, places = torch.stack([uniform() for _ in range(4)], 1).chunk(2, 1)
        colour = torch.stack([uniform() for _ in range(3)], 1)
        views = _hidden(views, shown, (0.05 + 0.25 * shares, places), 255 * colour)
    return torch.where((packed < settings.jpeg)[:, None, None, None], compressed(views, 30 + 60 * quality), views)


def compressed(views: Tensor, quality: Tensor) -> Tensor:
    """What JPEG's rounding of 8x8 blocks does, on each channel with the table of luminance; quality (N,) in 1..100."""
    count, channels, rows, columns = views.shape
    table = torch.tensor(_LUMINANCE, dtype=torch.float32, device=views.device)
    factor = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    steps = (table * factor[:, None, None]).clamp_min(1)[:, None, None, None]
    index = torch.arange(8, device=views.device, dtype=torch.float32)
    cosines = ((2 * index[None] + 1) * index[:, None] * math.pi / 16).cos() / 2
    cosines[0] /= math.sqrt(2)
    blocks = (views - 128).reshape(count, channels, rows // 8, 8, columns // 8, 8).transpose(3, 4)
    rounded = ((cosines @ blocks @ cosines.T) / steps).round() * steps
    return ((cosines.T @ rounded @ cosines).transpose(3, 4).reshape(views.shape) + 128).clamp(0, 255)


def _filtered(views: Tensor, kernels: Tensor, where: Tensor) -> Tensor:
    """kernels (N, k, k): each view by its own."""
    count, channels, rows, columns = views.shape
    weights = kernels.repeat_interleave(channels, 0)[:, None]
    padded = F.pad(views, (_KERNEL // 2,) * 4, mode="replicate")
    found = F.conv2d(padded.reshape(1, count * channels, *padded.shape[2:]), weights, groups=count * channels)
    return torch.where(where[:, None, None, None], found.reshape(count, channels, rows, columns), views)


def _places(like: Tensor) -> tuple[Tensor, Tensor]:
    steps = torch.arange(_KERNEL, device=like.device) - _KERNEL // 2
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return x.float(), y.float()


def _gaussian(sigma: Tensor) -> Tensor:
    x, y = _places(sigma)
    kernels = torch.exp(-(x**2 + y**2) / (2 * sigma[:, None, None] ** 2))
    return kernels / kernels.sum((1, 2), keepdim=True)


def _streak(length: Tensor, angle: Tensor) -> Tensor:
    """A line of so many pixels, half a pixel soft."""
    x, y = _places(length)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = x * cos + y * sin, y * cos - x * sin
    ends = (length[:, None, None] / 2 + 0.5 - along.abs()).clamp(0, 1)
    kernels = ends * (1 - across.abs()).clamp_min(0)
    return kernels / kernels.sum((1, 2), keepdim=True)


def _hidden(views: Tensor, shown: Tensor, box: tuple[Tensor, Tensor], colour: Tensor) -> Tensor:
    """box: shares (N, 2) of height and width, and where in the room that is left it lies, 0..1."""
    limits = torch.tensor(views.shape[2:], device=views.device)
    sides = (box[0] * limits).round().clamp_min(1)
    first = (box[1] * (limits - sides)).floor()
    y = torch.arange(views.shape[2], device=views.device)[None, :, None]
    x = torch.arange(views.shape[3], device=views.device)[None, None, :]
    top, left = first[:, 0, None, None], first[:, 1, None, None]
    covered = (y >= top) & (y < top + sides[:, 0, None, None]) & (x >= left) & (x < left + sides[:, 1, None, None])
    return torch.where((covered & shown[:, None, None])[:, None], colour[:, :, None, None], views)
