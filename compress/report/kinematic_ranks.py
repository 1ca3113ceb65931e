"""Does the ranking of candidates by L2 hold in degrees? Loss is known to be a weak proxy of what one is after."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from compress.results.columns import number
from compress.results.records import Record

LOSSES = ("joint_rel_l2", "paf_rel_l2")
ANGLES = ("angle_median_deg", "angle_p95_deg", "angular_velocity_rmse_deg_s")
FEWEST = 4
"""Of three candidates one order in six agrees with any other; that is no evidence."""


@dataclass(frozen=True)
class RankPoint:
    """A candidate: relative L2, and an error in degrees or deg/s; less is better in both."""

    name: str
    loss: float
    error: float


@dataclass(frozen=True)
class RankAgreement:
    """Spearman's rank correlation between two columns over the candidates that have both; the teacher is none."""

    loss: str
    angles: str
    points: tuple[RankPoint, ...]
    rho: float | None
    reason: str | None
    """Why there is no rho."""
    swapped: tuple[tuple[str, str], ...]
    """Pairs ordered differently: the first is nearer to the teacher in L2, but its angles are further away."""
    one_family: bool
    """All candidates come from the same steps at other settings, where nearly every measure goes the same way."""


def rank_agreements(candidates: Sequence[Record]) -> tuple[RankAgreement, ...]:
    """L2 of joints and of PAFs, each against each of ANGLES; `candidates` without the teacher."""
    return tuple(_agreement(candidates, loss, angles) for loss in LOSSES for angles in ANGLES)


def _agreement(candidates: Sequence[Record], loss: str, angles: str) -> RankAgreement:
    found = [(record, number(record, loss), number(record, angles)) for record in candidates]
    points = tuple(RankPoint(record.name, x, y) for record, x, y in found if x is not None and y is not None)
    rho, reason = None, None
    if len(points) < FEWEST:
        reason = f"{len(points)} of at least {FEWEST} candidates have both numbers"
    else:
        rho = spearman([point.loss for point in points], [point.error for point in points])
        reason = None if rho is not None else "all candidates are equal in one of the two"
    families = {tuple(step.get("step") for step in record.steps) for record in candidates}
    return RankAgreement(loss, angles, points, rho, reason, _swapped(points), len(families) == 1)


def _swapped(points: Sequence[RankPoint]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for one, other in combinations(points, 2):
        near, far = (one, other) if one.loss < other.loss else (other, one)
        if near.loss < far.loss and near.error > far.error:
            pairs.append((near.name, far.name))
    return tuple(pairs)


def spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Spearman's rho: Pearson's correlation of the ranks, (n,) each; None where either side is constant."""
    centred = [ranks - ranks.mean() for ranks in (_ranks(one), _ranks(other))]
    size = float(np.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1])))
    return float(centred[0] @ centred[1]) / size if size > 0 else None


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """(n,) ranks from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
