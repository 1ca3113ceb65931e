"""From maps to people: peaks, limbs, assembly (Cao et al. 2016, section 2.3), all in float.

The assembly is that of the paper's published code: limb by limb a connection starts a person, adds a keypoint to one,
or merges two people that share no keypoint; too small or too weak people are dropped. Where that code lets one peak
belong to two people or writes over a keypoint that a person has already, the later connection is ignored instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eval.limbs import Connection, LimbSettings, connect
from eval.peaks import Peaks, find_peaks
from teachers.skeleton import COCO_18, Skeleton

# The published code's order: arms, legs, face; the shoulder-ear limbs come last and start no person, because they exist
# only to hold on to a head that is seen from behind.
_COCO_18_ORDER = (6, 10, 7, 8, 11, 12, 0, 1, 2, 3, 4, 5, 14, 15, 17, 16, 18, 9, 13)
_COCO_18_ONLY_JOINS = frozenset((9, 13))


@dataclass(frozen=True)
class DecodeSettings:
    """The defaults are those of the paper's published code."""

    peak_threshold: float = 0.1
    max_peaks: int = 64
    """Per keypoint; bounds the time that a map full of noise can take."""
    limbs: LimbSettings = field(default_factory=LimbSettings)
    min_keypoints: int = 4
    min_score: float = 0.4
    """Sum of the confidences of keypoints and limbs, over the number of keypoints."""

    def __post_init__(self) -> None:
        if not 0.0 < self.peak_threshold < 1.0:
            raise ValueError(f"peak_threshold must lie in (0, 1), got {self.peak_threshold}")
        if self.max_peaks < 1 or self.min_keypoints < 1:
            raise ValueError(
                f"max_peaks and min_keypoints must be 1 or more, got {self.max_peaks}, {self.min_keypoints}"
            )


@dataclass(frozen=True)
class Person:
    """One person of one image."""

    keypoints: NDArray[np.float32]
    """(K, 3): x and y in pixels of the given image, confidence 0..1; NaN, NaN, 0 for a missing keypoint."""
    score: float
    """Sum of the confidences of keypoints and limbs, over the number of keypoints."""


@dataclass
class _Draft:
    """A person being put together: the peak of each keypoint it has."""

    parts: dict[int, int]
    total: float

    @property
    def mean(self) -> float:
        return self.total / len(self.parts)


def decode(
    heatmaps: NDArray[np.float32],
    pafs: NDArray[np.float32],
    skeleton: Skeleton,
    pixels_per_cell: float | tuple[float, float],
    settings: DecodeSettings | None = None,
) -> list[Person]:
    """The people in one image's maps, highest sum of confidences first; an empty list if there are none.

    heatmaps: (K+1, h, w), background last. pafs: (2L, h, w), limb i in channels 2i and 2i+1.
    pixels_per_cell: pixels of the wanted image along x and y that a cell covers: the stride over the factor by which
    the image was resized. Cell (i, j) is centred at pixel ((j + 0.5) * px - 0.5, (i + 0.5) * py - 0.5).
    Raises ValueError for maps of another shape or with values that are not finite.
    """
    settings = settings or DecodeSettings()
    _check(heatmaps, pafs, skeleton)
    peaks = find_peaks(heatmaps[:-1], settings.peak_threshold, settings.max_peaks)
    connections = connect(peaks, pafs, skeleton, settings.limbs)
    drafts = [
        draft
        for draft in _assemble(peaks, connections, skeleton)
        if len(draft.parts) >= settings.min_keypoints and draft.mean >= settings.min_score
    ]
    per_cell = np.broadcast_to(np.asarray(pixels_per_cell, dtype=np.float64), (2,))
    pixels = (peaks.xy + 0.5) * per_cell - 0.5
    # Stable: equal drafts keep the order in which they were started.
    drafts.sort(key=lambda draft: -draft.total)
    return [_person(draft, pixels, peaks, len(skeleton.keypoints)) for draft in drafts]


def _check(heatmaps: NDArray[np.float32], pafs: NDArray[np.float32], skeleton: Skeleton) -> None:
    for name, maps, channels in (
        ("heatmaps", heatmaps, skeleton.heatmap_channels),
        ("pafs", pafs, skeleton.paf_channels),
    ):
        if maps.ndim != 3 or maps.shape[0] != channels or maps.shape[1:] != heatmaps.shape[1:] or not maps.size:
            raise ValueError(f"{name}: expected ({channels}, h, w) for {skeleton.name}, got {maps.shape}")
        if not np.isfinite(maps).all():
            raise ValueError(f"{name}: there are values that are not finite (NaN or infinity)")


def _assemble(peaks: Peaks, connections: Sequence[Sequence[Connection]], skeleton: Skeleton) -> list[_Draft]:
    """Every draft of a person, in the order in which they were started."""
    known = skeleton.limbs == COCO_18.limbs
    order: Sequence[int] = _COCO_18_ORDER if known else range(len(skeleton.limbs))
    only_joins = _COCO_18_ONLY_JOINS if known else frozenset[int]()
    owner: dict[int, _Draft] = {}
    drafts: list[_Draft] = []
    for limb in order:
        for connection in connections[limb]:
            _place(connection, skeleton.limbs[limb], owner, peaks)
            if connection.start not in owner and connection.end not in owner and limb not in only_joins:
                drafts.append(_start(connection, skeleton.limbs[limb], owner, peaks))
    alive = {id(draft) for draft in owner.values()}
    return [draft for draft in drafts if id(draft) in alive]


def _start(connection: Connection, limb: tuple[int, int], owner: dict[int, _Draft], peaks: Peaks) -> _Draft:
    total = float(peaks.confidence[[connection.start, connection.end]].sum()) + connection.score
    draft = _Draft({limb[0]: connection.start, limb[1]: connection.end}, total)
    owner[connection.start] = owner[connection.end] = draft
    return draft


def _place(connection: Connection, limb: tuple[int, int], owner: dict[int, _Draft], peaks: Peaks) -> None:
    """Adds a connection to the people that its ends belong to, if any do and if it contradicts none of them."""
    first, second = owner.get(connection.start), owner.get(connection.end)
    if first is not None and second is not None:
        if first is not second and first.parts.keys().isdisjoint(second.parts):
            first.parts |= second.parts
            first.total += second.total + connection.score
            owner.update((peak, first) for peak in second.parts.values())
        return
    draft = first or second
    if draft is None:
        return
    keypoint, peak = (limb[1], connection.end) if draft is first else (limb[0], connection.start)
    if keypoint not in draft.parts:
        draft.parts[keypoint] = peak
        draft.total += float(peaks.confidence[peak]) + connection.score
        owner[peak] = draft


def _person(draft: _Draft, pixels: NDArray[np.float64], peaks: Peaks, count: int) -> Person:
    keypoints = np.full((count, 3), (np.nan, np.nan, 0.0), dtype=np.float32)
    which, chosen = list(draft.parts), list(draft.parts.values())
    keypoints[which, :2] = pixels[chosen]
    keypoints[which, 2] = peaks.confidence[chosen]
    return Person(keypoints, draft.mean)
