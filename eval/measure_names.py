"""What belongs to which limb, by the names of the measures."""

from collections.abc import Mapping

LIMB_OF: Mapping[str, str] = {
    **dict.fromkeys(("knee", "hip", "thigh", "shank"), "legs"),
    **dict.fromkeys(("shoulder", "elbow", "arm", "forearm"), "arms"),
}
"""A joint or segment -> the pair of limbs, as eval.side_assignment names them."""


def joint_of(column: str) -> str:
    """`right knee` -> `knee`."""
    return column.removeprefix("right ").removeprefix("left ")
