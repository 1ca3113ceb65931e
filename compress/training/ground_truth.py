"""Heatmaps and part affinity fields (PAFs) of labelled people: what a network should answer (Cao et al. 2016).

Heatmaps, eqs. (6) and (7): a Gaussian of peak 1 at each person's keypoint, and where people overlap the largest of
them, so that two peaks close together stay two. PAFs, eqs. (8) to (11): the unit vector along a limb on every cell that
the limb covers, averaged over the people whose limb covers the cell.

Where the published training code and the paper differ, this is done here:

* Gaussian: exp(-d^2 / (2 * 7^2)) with d in pixels, as in the code. The paper writes exp(-d^2 / sigma^2) and names no
  sigma; with the code's width that sigma is 7 * sqrt(2).
* Overlap: the largest, as in the paper. The code adds them up and clips the sum at 1, which joins two peaks into one.
* Tails: all of the Gaussian, as in the paper. The code leaves out what is below 1% (exponent above 4.6052).
* Limb: cells within half a width (1 cell) of the line between the keypoints, and as far beyond its ends. The paper
  stops at the ends, and a limb shorter than a cell would then lie between the cells and vanish. The code takes an
  upright box around the ends, one width larger, which is the same for level and upright limbs and does not turn with
  slanted ones.
* Place: cell g is centred at pixel stride * g + (stride - 1) / 2 for heatmaps and PAFs alike. The code places its PAFs
  at stride * g, half a cell off its own heatmaps.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from teachers.common.frozen import Frozen
from teachers.skeleton import Skeleton


class GroundTruthSettings(Frozen):
    """How wide a keypoint and a limb are drawn; the defaults are those of the published training code."""

    sigma_px: float = Field(7.0, gt=0, description="standard deviation of a keypoint's Gaussian, in input pixels")
    limb_half_width: float = Field(1.0, gt=0, description="half of a limb's width, in cells of the map")


PUBLISHED = GroundTruthSettings()


def render(
    people: NDArray[np.floating],
    hw: tuple[int, int],
    skeleton: Skeleton,
    stride: int,
    settings: GroundTruthSettings = PUBLISHED,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(P, K, 3) in pixels of a crop -> heatmaps (K+1, h/stride, w/stride) and PAFs (2L, h/stride, w/stride).

    Keypoints whose third number is 0 or less contribute nothing, nor does a limb that lacks an end. A keypoint beyond
    the crop still shows as far as its Gaussian or its limbs reach inside. Raises ValueError for another shape of people
    and for a crop that is no multiple of the stride.
    """
    if people.ndim != 3 or people.shape[1:] != (len(skeleton.keypoints), 3):
        raise ValueError(f"people: expected (P, {len(skeleton.keypoints)}, 3), got {people.shape}")
    if hw[0] % stride or hw[1] % stride:
        raise ValueError(f"hw: {hw[0]} x {hw[1]} is no multiple of the stride {stride}")
    there = people[..., 2] > 0
    cells = np.where(there[..., None], (people[..., :2] - (stride - 1) / 2) / stride, 0.0)
    grid = (hw[0] // stride, hw[1] // stride)
    heatmaps = _heatmaps(cells, there, grid, settings.sigma_px / stride)
    pafs = np.zeros((skeleton.paf_channels, *grid), dtype=np.float32)
    for limb, (start, end) in enumerate(skeleton.limbs):
        whole = there[:, start] & there[:, end]
        pafs[2 * limb : 2 * limb + 2] = _limb(cells[whole, start], cells[whole, end], grid, settings.limb_half_width)
    return heatmaps, pafs


def _heatmaps(
    cells: NDArray[np.float64], there: NDArray[np.bool_], grid: tuple[int, int], sigma: float
) -> NDArray[np.float32]:
    across = np.exp(-((np.arange(grid[1]) - cells[..., 0, None]) ** 2) / (2 * sigma**2)).astype(np.float32)
    down = np.exp(-((np.arange(grid[0]) - cells[..., 1, None]) ** 2) / (2 * sigma**2)).astype(np.float32)
    down *= there[..., None]
    heatmaps = np.zeros((cells.shape[1] + 1, *grid), dtype=np.float32)
    for rows, columns in zip(down, across, strict=True):  # one person at a time: a crowd would take much memory
        np.maximum(heatmaps[:-1], rows[:, :, None] * columns[:, None, :], out=heatmaps[:-1])
    heatmaps[-1] = 1.0 - heatmaps[:-1].max(axis=0)
    return heatmaps


def _limb(
    starts: NDArray[np.float64], ends: NDArray[np.float64], grid: tuple[int, int], half_width: float
) -> NDArray[np.float32]:
    """(2, rows, columns): one limb of all people, from (P, 2) to (P, 2) in cells."""
    total = np.zeros((2, *grid))
    count = np.zeros(grid)
    x, y = np.arange(grid[1])[None, :], np.arange(grid[0])[:, None]
    for start, end in zip(starts, ends, strict=True):
        length = float(np.hypot(*(end - start)))
        if length < 1e-8:  # two labels on one spot have no direction
            continue
        unit_x, unit_y = (end - start) / length
        along = (x - start[0]) * unit_x + (y - start[1]) * unit_y
        aside = np.abs((x - start[0]) * unit_y - (y - start[1]) * unit_x)
        covered = (aside <= half_width) & (along >= -half_width) & (along <= length + half_width)
        total += covered * np.array([unit_x, unit_y])[:, None, None]
        count += covered
    return np.divide(total, count, out=total, where=count > 0).astype(np.float32)
