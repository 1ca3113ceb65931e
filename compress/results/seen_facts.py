"""From where people were seen on the clip, and what became of the labels of left and right, read from a record."""

from collections.abc import Mapping
from dataclasses import dataclass

from compress.measure.kinematics import Kinematics, LabelFrames

SIDE_VIEWS = ("right", "left")


@dataclass(frozen=True)
class LimbLabels:
    """Frames of one pair of limbs, summed over people. None where sides were not repaired."""

    network: str
    """`teacher` or `candidate`."""
    limb: str
    """`legs` or `arms`."""
    plane: str
    """`side`, or `front` for the front and the back."""
    frames: int
    exchanged: int | None
    """Both labels had changed places and were taken back."""
    doubled: int | None
    """Both labels sat on one limb; the other one's was dropped."""
    lost: int | None


@dataclass(frozen=True)
class SeenFacts:
    """Empty for a record from before views were told."""

    views: tuple[tuple[str, int], ...] = ()
    """right, left (the way people face), front, back -> frames, summed over people; those that there are."""
    labels: tuple[LimbLabels, ...] = ()

    @property
    def side_frames(self) -> int:
        return sum(frames for view, frames in self.views if view in SIDE_VIEWS)

    @property
    def frames(self) -> int:
        return sum(frames for _, frames in self.views)


NOTHING_TOLD = SeenFacts()


def seen_facts(facts: Kinematics) -> SeenFacts:
    """What a record holds about views and labels."""
    planes: list[tuple[str, LabelFrames]] = [("side", facts.labels)]
    if facts.front is not None:
        planes.append(("front", facts.front.labels))
    labels = tuple(
        _limb(network, limb, plane, counts)
        for plane, networks in planes
        for network, limbs in networks.items()
        for limb, counts in limbs.items()
        if counts.get("frames")
    )
    return SeenFacts(tuple((view, frames) for view, frames in facts.views.items() if frames), labels)


def _limb(network: str, limb: str, plane: str, counts: Mapping[str, int | None]) -> LimbLabels:
    told = (counts.get(name) for name in ("exchanged", "doubled", "lost"))
    return LimbLabels(network, limb, plane, counts.get("frames") or 0, *told)
