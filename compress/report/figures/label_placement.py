"""Where names stand in a plot so that they cover neither each other nor a point.

Works in pixels and knows no plot library.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Dot = tuple[float, float, float]
"""Where a point is, x and y, and how far its marker reaches."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y upwards."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )

    def inside(self, other: "Box") -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.bottom >= other.bottom
            and self.top <= other.top
        )


FAR = (2.0, 14.0, 32.0, 60.0)
"""Gaps between marker and name that are tried, in pixels."""


def place_labels(
    points: Sequence[Dot],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    taken: Sequence[Box] = (),
    gaps: Sequence[float] = FAR,
) -> list[Box | None]:
    """A box for each label of (width, height) near its point, in order of the points; None where nothing is free.

    Tried from near to far, upper right and lower left first: there the step line of two minimised objectives leaves
    room. `taken` are boxes that labels must not cover, beside the points themselves.
    """
    occupied = [*taken, *(around(point) for point in points)]
    boxes: list[Box | None] = []
    for point, size in zip(points, sizes, strict=True):
        free = next((box for box in _tries(point, size, gaps) if _fits(box, frame, occupied)), None)
        boxes.append(free)
        if free is not None:
            occupied.append(free)
    return boxes


def _fits(box: Box, frame: Box, occupied: Sequence[Box]) -> bool:
    return box.inside(frame) and not any(box.overlaps(other) for other in occupied)


def around(point: Dot) -> Box:
    """The square that a marker covers."""
    x, y, reach = point
    return Box(x - reach, y - reach, x + reach, y + reach)


def _tries(point: Dot, size: tuple[float, float], gaps: Sequence[float]) -> list[Box]:
    x0, y0, reach = point
    width, height = size
    found = []
    for gap in (reach + extra for extra in gaps):
        right, left, middle = x0 + gap, x0 - gap - width, x0 - width / 2
        above, below, level = y0 + gap, y0 - gap - height, y0 - height / 2
        corners = (
            (right, above), (left, below), (middle, above), (middle, below),
            (left, level), (right, level), (right, below), (left, above),
        )  # fmt: skip
        found += [Box(x, y, x + width, y + height) for x, y in corners]
    return found
