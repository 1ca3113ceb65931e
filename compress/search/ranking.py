"""Ranking by several objectives: by front, then by what a point adds to the front's hypervolume.

Costs: smaller is better in every column. Everything here is exact and the same every time; nothing is drawn.
"""

from collections.abc import Sequence

import numpy as np
from optuna._hypervolume import compute_hypervolume

Costs = tuple[float, ...]


def order(points: Sequence[Costs]) -> list[int]:
    """Positions of the points, the best first: rank by non-domination, then the share of the rank's hypervolume.

    Of equal ones the first comes first. The reference lies a whole extent beyond a rank, so that its ends, which
    reach furthest in one objective, have a share worth having.
    """
    found: list[int] = []
    left = list(range(len(points)))
    while left:
        front = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        found += _by_contribution(points, front)
        left = [i for i in left if i not in front]
    return found


def dominates(one: Costs, other: Costs) -> bool:
    """At least as good everywhere and better somewhere."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def _by_contribution(points: Sequence[Costs], front: Sequence[int]) -> list[int]:
    """Each point's own part of the volume, in units of the front's extent, so that units of objectives do not count."""
    chosen = [points[i] for i in front]
    low = [min(column) for column in zip(*chosen, strict=True)]
    extent = [max(column) - least or 1.0 for column, least in zip(zip(*chosen, strict=True), low, strict=True)]
    scaled = [tuple((v - a) / e for v, a, e in zip(point, low, extent, strict=True)) for point in chosen]
    reference = (2.0,) * len(low)
    whole = hypervolume(scaled, reference)
    own = {i: whole - hypervolume(scaled[:n] + scaled[n + 1 :], reference) for n, i in enumerate(front)}
    return sorted(front, key=lambda i: (-round(own[i], 12), i))


def hypervolume(points: Sequence[Costs], reference: Costs) -> float:
    """The volume that the points dominate within the reference point; points beyond it add nothing."""
    inside = [point for point in points if all(value < limit for value, limit in zip(point, reference, strict=True))]
    return float(compute_hypervolume(np.array(inside), np.array(reference))) if inside else 0.0


def reference_of(points: Sequence[Costs]) -> Costs:
    """A tenth of the extent beyond the worst in each objective, so that the ends of the front count."""
    columns = list(zip(*points, strict=True))
    return tuple(
        max(column) + (0.1 * (max(column) - min(column)) or 0.1 * abs(max(column)) or 0.1) for column in columns
    )
