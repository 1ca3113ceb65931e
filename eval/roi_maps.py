"""Maps of windows laid back into the frame: what a network that looks through windows says about the whole frame.

Where several windows lie on each other a heatmap takes the largest value, and a PAF the vectors of the surer window,
the longer ones. Elsewhere is background.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.maps import input_size
from eval.roi_look import Look
from eval.roi_window import Window

Array = NDArray[np.float32]


def lay_back(looks: Sequence[Look], image_hw: tuple[int, int], channels: tuple[int, int], stride: int) -> Array:
    """The windows' maps on the frame's grid of scale 1.0.

    Args:
        looks: windows of one frame with their maps.
        image_hw: height and width of the frame in pixels.
        channels: of heatmaps (the background last) and PAFs.
        stride: pixels of a network input for each cell.

    Returns:
        (1, K+1 + 2L, rows, columns): heatmaps, then PAFs.

    """
    size = input_size(image_hw, 1.0, stride)
    rows, columns = size.grid_hw(stride)
    heat_channels, paf_channels = channels
    heat = np.zeros((heat_channels, rows, columns), np.float32)
    heat[-1] = 1.0
    pafs = np.zeros((paf_channels, rows, columns), np.float32)
    per_cell = stride * image_hw[0] / size.content_hw[0], stride * image_hw[1] / size.content_hw[1]
    for look in looks:
        places = _places(look, (rows, columns), per_cell)
        if places is None:
            continue
        where, weights = places
        new = _resampled(look.heatmaps, weights)
        area = heat[(slice(None), *where)]
        area[:-1] = np.maximum(area[:-1], new[:-1])
        area[-1] = np.minimum(area[-1], new[-1])
        _take_surer(pafs[(slice(None), *where)], _resampled(look.pafs, weights))
    return np.concatenate((heat, pafs))[None]


def _take_surer(area: Array, new: Array) -> None:
    """Writes those vectors into `area` (2L, h, w) that are longer than the ones there."""
    old, found = (part.reshape(-1, 2, *part.shape[1:]) for part in (area, new))
    longer = np.square(found).sum(axis=1, keepdims=True) > np.square(old).sum(axis=1, keepdims=True)
    area[...] = np.where(longer, found, old).reshape(area.shape)


_Weights = tuple[Array, Array]


def _places(
    look: Look, grid: tuple[int, int], per_cell: tuple[float, float]
) -> tuple[tuple[slice, slice], _Weights] | None:
    """Which cells of the frame's grid a window covers, and how its own cells make them; None if it covers none."""
    window: Window = look.window
    found: list[tuple[slice, Array]] = []
    for start, length, cells, count, pixels in (
        (window.top, window.height, look.heatmaps.shape[1], grid[0], per_cell[0]),
        (window.left, window.width, look.heatmaps.shape[2], grid[1], per_cell[1]),
    ):
        # Centres of the frame's cells in pixels, and from there in cells of the window.
        centres = (np.arange(count) + 0.5) * pixels - 0.5
        inside = np.flatnonzero((centres >= start - 0.5) & (centres < start + length - 0.5))
        if not len(inside):
            return None
        own = (centres[inside] - start + 0.5) * cells / length - 0.5
        found.append((slice(int(inside[0]), int(inside[-1]) + 1), _triangle(own, cells, pixels * cells / length)))
    (rows, down), (columns, across) = found
    return (rows, columns), (down, across)


def _triangle(at: NDArray[np.float64], cells: int, step: float) -> Array:
    """(n, cells) weights of linear interpolation at these places; wider where cells are skipped, against aliasing."""
    reach = max(1.0, step)
    weights = np.maximum(0.0, 1.0 - np.abs(np.clip(at, 0.0, cells - 1.0)[:, None] - np.arange(cells)) / reach)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _resampled(maps: Array, weights: _Weights) -> Array:
    """(C, h, w) -> (C, rows, columns)."""
    down, across = weights
    return np.asarray(down @ maps @ across.T, np.float32)
