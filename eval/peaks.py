"""Heatmap peaks with sub-pixel position, found on the map's own grid.

Up-sampling all maps eight-fold costs more time than a small network itself, and taking the highest cell of the
up-sampled map still leaves half a fine cell of noise. The maps are Gaussians (Cao et al. 2016, eq. 6-7; the teacher's
real peaks have a sigma of 8.5 to 10.5 px at stride 8), the logarithm of a Gaussian is a quadratic, and three cells
along each axis and the diagonals determine a quadratic exactly. So: 3x3 maxima, then one Newton step in log space.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_OFFSETS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))
_BEFORE = len(_OFFSETS) // 2  # neighbours that come first in reading order
# A peak in the middle of four cells shows on the grid as exp(-0.25 / sigma^2) of its height: 0.72 at sigma 0.875
# cells. Peaks are therefore looked for below the threshold and judged by their height after the refinement.
_GRID_LOSS = 0.6
_FLOOR = 0.01  # networks go below zero beside a peak, where a logarithm cannot follow; relative to the peak
_FARTHEST = 0.75  # cells; a tilted peak can lie a little beyond half a cell from its highest cell


@dataclass(frozen=True)
class Peaks:
    """All peaks of an image, ordered by keypoint, then by confidence, highest first."""

    keypoint: Ints
    """(P,) which heatmap channel."""
    xy: Floats
    """(P, 2) in cells: the centre of cell (row i, column j) is (j, i)."""
    confidence: Floats
    """(P,) height of the fitted peak, at most 1."""

    def of(self, keypoint: int) -> Ints:
        """Indices of one keypoint's peaks."""
        first, last = bisect_left(self._sorted, keypoint), bisect_left(self._sorted, keypoint + 1)
        return np.arange(first, last)

    @cached_property
    def _sorted(self) -> list[int]:
        # Asked for twice with every limb: a list is searched ten times as fast as a short array.
        return [int(each) for each in self.keypoint]


def find_peaks(heatmaps: NDArray[np.float32], threshold: float, most: int) -> Peaks:
    """Peaks of (K, h, w) heatmaps without the background that reach `threshold`, the `most` highest of each channel."""
    bordered = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    channel, row, column = np.nonzero(heatmaps > threshold * _GRID_LOSS)
    centre = heatmaps[channel, row, column]
    for number, (dy, dx) in enumerate(_OFFSETS):
        around = bordered[channel, row + 1 + dy, column + 1 + dx]
        # A plateau, as 8-bit maps have them, is one peak: its first cell in reading order.
        higher = centre > around if number < _BEFORE else centre >= around
        channel, row, column, centre = channel[higher], row[higher], column[higher], centre[higher]
    xy, confidence = _refine(heatmaps, channel, row, column)
    enough = np.flatnonzero(confidence >= threshold)
    order = enough[np.lexsort((column[enough], row[enough], -confidence[enough], channel[enough]))]
    rank = np.arange(len(order)) - np.searchsorted(channel[order], channel[order])
    order = order[rank < most]
    return Peaks(channel[order], xy[order], confidence[order])


def _refine(maps: NDArray[np.float32], channel: Ints, row: Ints, column: Ints) -> tuple[Floats, Floats]:
    """Where the quadratic through the logarithms of the 3x3 cells has its top, and how high it is."""
    # Reflected at the border: a peak there stays at the middle of its cell in that direction.
    bordered = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    steps = np.arange(3)
    cells = bordered[channel[:, None, None], (row[:, None] + steps)[:, :, None], (column[:, None] + steps)[:, None, :]]
    patch = cells.astype(np.float64)
    top = patch[:, 1, 1]
    logs = np.log(np.maximum(patch, _FLOOR * top[:, None, None]))
    middle = logs[:, 1, 1]
    slope = np.stack((logs[:, 1, 2] - logs[:, 1, 0], logs[:, 2, 1] - logs[:, 0, 1]), axis=1) / 2
    bend_x = np.minimum(logs[:, 1, 2] + logs[:, 1, 0] - 2 * middle, -1e-9)
    bend_y = np.minimum(logs[:, 2, 1] + logs[:, 0, 1] - 2 * middle, -1e-9)
    twist = (logs[:, 2, 2] + logs[:, 0, 0] - logs[:, 2, 0] - logs[:, 0, 2]) / 4
    # Where the twist makes a saddle of it, each axis is taken alone.
    twist = np.where(twist**2 < 0.8 * bend_x * bend_y, twist, 0.0)
    determinant = bend_x * bend_y - twist**2
    shift = (
        np.stack((twist * slope[:, 1] - bend_y * slope[:, 0], twist * slope[:, 0] - bend_x * slope[:, 1]), axis=1)
        / np.maximum(determinant, 1e-18)[:, None]
    )
    shift = np.clip(shift, -_FARTHEST, _FARTHEST)
    height = top * np.exp(np.sum(slope * shift, axis=1) / 2)
    return np.stack((column, row), axis=1) + shift, np.minimum(height, 1.0)
