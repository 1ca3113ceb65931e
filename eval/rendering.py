"""Maps of known people, rendered as the paper's code renders its training targets: the truth for tests and benchmarks.

Cao et al. 2016, eq. 6-9: Gaussians of sigma 7 px at stride 8, the highest where people overlap; on a limb's line, up
to one cell to either side, its unit vector, averaged where limbs overlap.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from teachers.skeleton import Skeleton

SIGMA_PX = 7.0


def render_maps(
    people: Sequence[NDArray[np.float64]], skeleton: Skeleton, grid_hw: tuple[int, int], stride: int = 8
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps (K+1, h, w) and PAFs (2L, h, w) of people with keypoints (K, 2) in pixels, NaN where missing."""
    rows, columns = np.mgrid[: grid_hw[0], : grid_hw[1]]
    x, y = (columns + 0.5) * stride - 0.5, (rows + 0.5) * stride - 0.5
    heatmaps = np.zeros((skeleton.heatmap_channels, *grid_hw))
    pafs = np.zeros((len(skeleton.limbs), 2, *grid_hw))
    overlaps = np.zeros((len(skeleton.limbs), *grid_hw))
    for person in people:
        for keypoint, (px, py) in enumerate(person):
            if np.isfinite(px):
                peak = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * SIGMA_PX**2))
                heatmaps[keypoint] = np.maximum(heatmaps[keypoint], peak)
        for limb, (start, end) in enumerate(skeleton.limbs):
            along = person[end] - person[start]
            length = float(np.hypot(*along))
            if not length > 0:  # also where an end is missing
                continue
            unit = along / length
            dx, dy = x - person[start][0], y - person[start][1]
            on_line = (dx * unit[0] + dy * unit[1] >= -stride) & (dx * unit[0] + dy * unit[1] <= length + stride)
            near = on_line & (np.abs(dx * unit[1] - dy * unit[0]) <= stride)
            pafs[limb, :, near] += unit
            overlaps[limb] += near
    heatmaps[-1] = 1.0 - heatmaps[:-1].max(axis=0)
    pafs /= np.maximum(overlaps, 1.0)[:, None]
    return heatmaps.astype(np.float32), pafs.reshape(-1, *grid_hw).astype(np.float32)


def made_up_person(
    centre: tuple[float, float], stature: float, flexions: Sequence[float] = (), lean: float = 0.0
) -> NDArray[np.float64]:
    """Keypoints (18, 2) of COCO-18 in pixels: a figure in image-frontal view with set limb directions.

    centre: mid-hip. flexions: degrees by which right and left thigh, shank, upper arm and forearm (in this order,
    right before left) turn from hanging. lean: degrees by which the trunk turns from upright. Lengths as fractions
    of the stature: thigh .245, shank .246, upper arm .186, forearm .146.
    """
    turns = np.radians(np.resize(np.asarray(flexions, float), 8) if len(flexions) else np.zeros(8))
    down = np.stack((np.sin(turns), np.cos(turns)), axis=1) * stature
    tilt = np.radians(lean)
    up = np.array([np.sin(tilt), -np.cos(tilt)]) * stature
    left = np.array([np.cos(tilt), np.sin(tilt)]) * stature  # the person's left is the image's right
    p = np.full((18, 2), np.nan)
    middle = np.asarray(centre, float)
    p[1] = middle + 0.29 * up
    p[2], p[5] = p[1] - 0.11 * left, p[1] + 0.11 * left
    p[8], p[11] = middle - 0.07 * left, middle + 0.07 * left
    for side, (hip, shoulder) in enumerate(((8, 2), (11, 5))):
        p[hip + 1] = p[hip] + 0.245 * down[side]
        p[hip + 2] = p[hip + 1] + 0.246 * down[2 + side]
        p[shoulder + 1] = p[shoulder] + 0.186 * down[4 + side]
        p[shoulder + 2] = p[shoulder + 1] + 0.146 * down[6 + side]
    p[0] = p[1] + 0.12 * up
    p[14], p[15] = p[0] + 0.02 * (up - left), p[0] + 0.02 * (up + left)
    p[16], p[17] = p[0] + 0.01 * up - 0.05 * left, p[0] + 0.01 * up + 0.05 * left
    return p
