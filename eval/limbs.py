"""Limbs: which peaks belong together, by the line integral of the part affinity field between them.

Cao et al. 2016, section 2.3, eq. 10-11, with the constants of the paper's published code: ten samples on the line,
at least 80% of them above 0.05, and a penalty for pairs farther apart than half the image is high.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.peaks import Floats, Ints, Peaks
from teachers.skeleton import Skeleton


@dataclass(frozen=True)
class LimbSettings:
    """When two peaks are joined."""

    samples: int = 10
    threshold: float = 0.05
    """A sample counts when the field along the line is above this."""
    share: float = 0.8
    """More than this share of the samples must count."""
    long: float = 0.5
    """Pairs farther apart than this share of the maps' height are penalised; maps of one person may ask for less."""

    def __post_init__(self) -> None:
        if self.samples < 2 or not 0.0 <= self.share < 1.0 or not self.long > 0.0:
            raise ValueError(f"samples must be 2 or more, share in [0, 1) and long above 0, got {self}")


@dataclass(frozen=True)
class Connection:
    """Two peaks joined by one limb."""

    start: int
    end: int
    score: float
    """Mean of the field along the line, less the penalty for length."""


def connect(
    peaks: Peaks, pafs: NDArray[np.float32], skeleton: Skeleton, settings: LimbSettings
) -> list[list[Connection]]:
    """For each limb of the skeleton its connections, best first; pafs (2L, h, w), limb i in channels 2i and 2i+1."""
    pairs = [_all_pairs(peaks.of(start), peaks.of(end)) for start, end in skeleton.limbs]
    limb = np.repeat(np.arange(len(pairs)), [len(found) for found in pairs])
    pair = np.concatenate(pairs)
    score = _line_integrals(peaks.xy, pair, limb, pafs, settings)
    connections: list[list[Connection]] = [[] for _ in pairs]
    used: set[tuple[int, int]] = set()
    candidates = np.flatnonzero(score > 0)
    # Ties go to the earlier pair of peaks, so the same maps always give the same people.
    for index in candidates[np.lexsort((candidates, -score[candidates]))].tolist():
        number, start, end = int(limb[index]), int(pair[index, 0]), int(pair[index, 1])
        if (number, start) not in used and (number, end) not in used:
            used |= {(number, start), (number, end)}
            connections[number].append(Connection(start, end, float(score[index])))
    return connections


def _all_pairs(starts: Ints, ends: Ints) -> Ints:
    pairs = np.empty((len(starts), len(ends), 2), np.intp)
    pairs[..., 0], pairs[..., 1] = starts[:, None], ends
    return pairs.reshape(-1, 2)


def _line_integrals(xy: Floats, pair: Ints, limb: Ints, pafs: NDArray[np.float32], settings: LimbSettings) -> Floats:
    """(N,) score of each pair of peaks; -inf where too few samples agree."""
    start, end = xy[pair[:, 0]], xy[pair[:, 1]]
    length = np.maximum(np.linalg.norm(end - start, axis=1), 1e-3)
    direction = (end - start) / length[:, None]
    along = np.linspace(0.0, 1.0, settings.samples)
    points = start[:, None, :] + along[:, None] * (end - start)[:, None, :]
    field = _bilinear(pafs, limb, points)
    agreement = np.einsum("nsc,nc->ns", field, direction)
    # The published code writes min(0.5 * image height / length - 1, 0); both are in cells here.
    penalty = np.minimum(settings.long * pafs.shape[1] / length - 1.0, 0.0)
    enough = np.count_nonzero(agreement > settings.threshold, axis=1) > settings.share * settings.samples
    return np.where(enough, agreement.mean(axis=1) + penalty, -np.inf)


def _bilinear(pafs: NDArray[np.float32], limb: Ints, points: Floats) -> Floats:
    """The field (N, S, 2) of each limb at points (N, S, 2) in cells, held constant beyond the border."""
    height, width = pafs.shape[1:]
    x = np.clip(points[..., 0], 0, width - 1)
    y = np.clip(points[..., 1], 0, height - 1)
    left = np.minimum(x.astype(np.intp), max(width - 2, 0))
    upper = np.minimum(y.astype(np.intp), max(height - 2, 0))
    right, lower = np.minimum(left + 1, width - 1), np.minimum(upper + 1, height - 1)
    across, down = (x - left)[..., None], (y - upper)[..., None]
    # The two channels of a limb side by side, so that one look-up fetches a vector.
    vectors = pafs.reshape(-1, 2, height, width).transpose(0, 2, 3, 1)
    at = limb[:, None]
    above = vectors[at, upper, left] * (1 - across) + vectors[at, upper, right] * across
    below = vectors[at, lower, left] * (1 - across) + vectors[at, lower, right] * across
    return np.asarray(above * (1 - down) + below * down, dtype=np.float64)
