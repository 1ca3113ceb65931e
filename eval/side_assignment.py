"""Left and right put right: labels that networks exchange for some frames, or set twice on the same limb.

Both legs or both arms change labels for a few frames, from the trunk or from the knee or ankle down; or both labels
sit on one limb while the other goes without. Neither is an outlier of a point, so no filter repairs it. See
eval.side_search for how the assignment of a whole track is chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.angles import Array, extents, named_points
from eval.filters import Mask
from eval.side_search import DISTAL, LOWER, WHOLE, LimbTrack, SideSettings, search
from eval.views import Views
from teachers.skeleton import Skeleton

CHAINS: Mapping[str, tuple[str, str, str]] = {
    "legs": ("hip", "knee", "ankle"),
    "arms": ("shoulder", "elbow", "wrist"),
}
_ROOT = {"legs": "mid_hip", "arms": "neck"}
SIDES = ("right", "left")
_ASTRAY = 0.05
"""Sizes; a point this far on the other side of the trunk is there in full."""


@dataclass(frozen=True)
class LimbSides:
    """What was done to one pair of limbs over T frames."""

    order: NDArray[np.int64]
    """(T,) how far up the labels were exchanged: 0 not, 1 from the end joint, 2 from the middle joint, 3 all three."""
    dropped: Mask
    """(T, 2) right, left: labels were taken away because they sat on the other limb."""

    def counts(self) -> dict[str, int]:
        """Frames by what was done: `exchanged` and its kinds, `doubled` and its sides."""
        kinds = {"exchanged_whole": WHOLE, "exchanged_lower": LOWER, "exchanged_end": DISTAL}
        return {
            "exchanged": int((self.order > 0).sum()),
            **{name: int((self.order == kind).sum()) for name, kind in kinds.items()},
            "doubled": int(self.dropped.any(axis=1).sum()),
            **{f"doubled_{side}": int(self.dropped[:, i].sum()) for i, side in enumerate(SIDES)},
        }


@dataclass(frozen=True)
class SideAssignment:
    """A track with its sides put right, and what that took."""

    keypoints: Array
    """(T, K, 3); a dropped label is NaN, NaN, 0."""
    doubled: Mask
    """(T, K) keypoints that are missing because their label sat on the other limb."""
    limbs: Mapping[str, LimbSides]
    """`legs` and `arms`, as far as the skeleton has them."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Frames by limb and by what was done."""
        return {name: limb.counts() for name, limb in self.limbs.items()}


def assign_sides(
    keypoints: Array, times: Array, views: Views, skeleton: Skeleton, settings: SideSettings
) -> SideAssignment:
    """Exchanges labels where a limb would otherwise jump, and drops those that sit on the other limb.

    Args:
        keypoints: (T, K, 3) x, y, confidence; missing is NaN, NaN, 0. Left unchanged.
        times: (T,) seconds, increasing.

    """
    size = _size(keypoints)
    points = named_points(keypoints, skeleton)
    repaired, doubled = keypoints.copy(), np.zeros(keypoints.shape[:2], bool)
    limbs: dict[str, LimbSides] = {}
    for name, chain in CHAINS.items():
        rows = _rows(chain, skeleton)
        if rows is None or size is None:
            continue
        path = search(_track(keypoints[:, rows], points[_ROOT[name]], times, views, size), settings)
        order = path.order[:, None]
        moved = (order == WHOLE) | ((order >= LOWER) & (np.arange(3) > 0)) | ((order >= DISTAL) & (np.arange(3) > 1))
        found = keypoints[:, rows]
        found = np.where(moved[:, None, :, None], found[:, ::-1], found)
        found[path.dropped] = np.nan, np.nan, 0.0
        repaired[:, rows], doubled[:, rows] = found, path.dropped
        # Two labels on one limb, one of them dropped: which of the two stayed is no exchange.
        told: Mask = np.asarray((moved & ~path.dropped.any(axis=1)).any(axis=1))
        limbs[name] = LimbSides(np.where(told, path.order, 0), np.asarray(path.dropped.any(axis=2)))
    return SideAssignment(repaired, doubled, limbs)


def _size(keypoints: Array) -> float | None:
    sizes = extents(keypoints)
    known = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(known)) if len(known) else None


def _rows(chain: tuple[str, str, str], skeleton: Skeleton) -> NDArray[np.int64] | None:
    """(2, 3) the keypoints' indices by side and joint; None where the skeleton lacks one."""
    names = [[f"{side}_{joint}" for joint in chain] for side in SIDES]
    if any(name not in skeleton.keypoints for side in names for name in side):
        return None
    return np.array([[skeleton.index(name) for name in side] for side in names])


def _track(points: Array, root: Array, times: Array, views: Views, size: float) -> LimbTrack:
    """Points (T, 2, 3, 3) of a pair of limbs, and the middle of the trunk (T, 3) where they hang on."""
    beyond = (points[..., 0] - root[:, None, None, 0]) / size / _ASTRAY * views.frontal[:, None, None]
    astray = np.nan_to_num(np.clip(np.stack([beyond, -beyond], axis=-1), 0, 1))
    return LimbTrack(times, points[..., :2] / size, points[..., 2], views.near, astray)
