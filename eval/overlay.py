"""People drawn into a picture: skeleton, person number, joint angles. Right is orange, left blue, the middle white."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eval.roi_window import Window
from teachers.skeleton import Skeleton

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

# Okabe and Ito's orange and sky blue, told apart by colour-blind readers; blue first.
RIGHT, LEFT, MIDDLE = (0, 159, 230), (233, 180, 86), (235, 235, 235)
OTHER, DARK = (150, 150, 150), (25, 25, 25)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
JOINTS = ("knee", "hip", "shoulder", "elbow")
_ROWS = ("shoulder", "elbow", "hip", "knee")


@dataclass(frozen=True)
class DrawnPerson:
    """What is drawn of one person."""

    number: int
    keypoints: NDArray[np.float64]
    """(K, 3) x, y in pixels and confidence; missing is NaN, NaN, 0."""
    angles: Mapping[str, float] | None = None
    """Measure -> degrees, NaN where unknown; None for a person who is shown but not measured, in grey."""
    guessed: NDArray[np.bool_] | None = None
    """(K,) keypoints that were not seen where they are drawn: their limbs are dotted, and they themselves are rings."""


def draw_people(
    image: Image,
    people: Sequence[DrawnPerson],
    skeleton: Skeleton,
    caption: str = "",
    windows: Sequence[Window] = (),
) -> Image:
    """A copy of the picture (H, W, 3) with the people, and their angles in a table at the top left.

    windows: where the network looked; drawn thinly.
    """
    drawn = image.copy()
    for window in windows:
        far = (window.left + window.width - 1, window.top + window.height - 1)
        cv2.rectangle(drawn, (window.left, window.top), far, MIDDLE, 1, cv2.LINE_AA)
    unit = max(0.35, min(image.shape[:2]) / 1000)  # so that lines and letters keep their share of the picture
    corner = 0.0
    for person in people:
        if person.angles and corner + 282 * unit <= image.shape[1]:
            corner = _table(drawn, person, unit, corner)
    for person in sorted(people, key=lambda one: one.angles is not None):
        _skeleton(drawn, person, skeleton, unit)
    for person in people:
        _number(drawn, person, unit)
        if person.angles is not None:
            _angles(drawn, person, skeleton, unit)
    if caption:
        _text(drawn, caption, (12 * unit, drawn.shape[0] - 14 * unit), unit, MIDDLE)
    return drawn


def side_colour(name: str) -> Colour:
    """By the side that a keypoint's name begins with."""
    return RIGHT if name.startswith("right") else LEFT if name.startswith("left") else MIDDLE


def _skeleton(image: Image, person: DrawnPerson, skeleton: Skeleton, unit: float) -> None:
    seen = [bool(np.isfinite(point[:2]).all()) for point in person.keypoints]
    guessed = np.zeros(len(seen), bool) if person.guessed is None else person.guessed
    measured = person.angles is not None
    width = max(1, round((5 if measured else 2) * unit))
    for layer in ("edge", "line"):  # all dark edges first: none of them then cuts through a limb
        for start, end in skeleton.limbs:
            # The limbs from shoulder to ear exist for the matching of heads; drawn, they would cross the face.
            ear = "shoulder" in skeleton.keypoints[start] and "ear" in skeleton.keypoints[end]
            if not (seen[start] and seen[end]) or ear:
                continue
            first, last = _pixel(person.keypoints[start]), _pixel(person.keypoints[end])
            colour = side_colour(skeleton.keypoints[end]) if measured else OTHER
            if guessed[start] or guessed[end]:
                if layer == "line":
                    _dotted(image, (first, last), colour, width)
                continue
            edge = layer == "edge"
            thick = width + 2 * max(1, round(1.5 * unit)) if edge else width
            cv2.line(image, first, last, DARK if edge else colour, thick, cv2.LINE_AA, _SHIFT)
    for k, name in enumerate(skeleton.keypoints):
        if seen[k]:
            centre, radius = _pixel(person.keypoints[k]), round((6 if measured else 3) * unit * 2**_SHIFT)
            inner = side_colour(name) if measured else OTHER
            if guessed[k]:
                cv2.circle(image, centre, radius, inner, max(1, round(unit)), cv2.LINE_AA, _SHIFT)
                continue
            cv2.circle(image, centre, radius, DARK, -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(image, centre, round(radius * 0.65), inner, -1, cv2.LINE_AA, _SHIFT)


def _dotted(image: Image, ends: tuple[tuple[int, int], tuple[int, int]], colour: Colour, width: int) -> None:
    """Dots as far apart as they are wide; a guessed limb must not look like one that was seen."""
    start, end = (np.array(each, np.float64) for each in ends)
    dots = min(400, max(2, round(float(np.hypot(*(end - start))) / 2**_SHIFT / (2.5 * width))))
    for part in np.linspace(0, 1, dots):
        x, y = start + part * (end - start)
        cv2.circle(image, (round(x), round(y)), round(width * 2**_SHIFT / 2), colour, -1, cv2.LINE_AA, _SHIFT)


_SHIFT = 4
"""Fractional bits of drawn coordinates: a skeleton rounded to whole pixels trembles."""


def _pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    # Far outside the picture OpenCV's integers would overflow.
    x, y = np.clip(point[:2], -1e5, 1e5) * 2**_SHIFT
    return round(float(x)), round(float(y))


def _number(image: Image, person: DrawnPerson, unit: float) -> None:
    """The person's number in a box over the head."""
    seen = person.keypoints[np.isfinite(person.keypoints[:, :2]).all(axis=1), :2]
    if not len(seen):
        return
    x, y = float(np.median(seen[:, 0])), float(seen[:, 1].min())
    (width, height), _ = cv2.getTextSize(str(person.number), _FONT, 1.1 * unit, _thick(unit))
    pad = 7 * unit
    x = float(np.clip(x - width / 2, pad, max(pad, image.shape[1] - width - pad)))
    y = float(np.clip(y - 34 * unit, height + pad, image.shape[0] - pad))
    colour = MIDDLE if person.angles is not None else OTHER
    corners = (round(x - pad), round(y - height - pad)), (round(x + width + pad), round(y + pad))
    cv2.rectangle(image, *corners, DARK, -1, cv2.LINE_AA)
    cv2.putText(image, str(person.number), (round(x), round(y)), _FONT, 1.1 * unit, colour, _thick(unit), cv2.LINE_AA)


def _angles(image: Image, person: DrawnPerson, skeleton: Skeleton, unit: float) -> None:
    """Degrees beside the joint: the right side's to the left of it, the left side's to the right."""
    for side, colour in (("right", RIGHT), ("left", LEFT)):
        for joint in JOINTS:
            value = (person.angles or {}).get(f"{side} {joint}", np.nan)
            name = f"{side}_{joint}"
            if not np.isfinite(value) or name not in skeleton.keypoints:
                continue
            x, y = person.keypoints[skeleton.index(name), :2]
            if np.isfinite(x):
                width = _degrees(image, value, None, 0.6 * unit, colour)
                left = x - width - 14 * unit if side == "right" else x + 14 * unit
                _degrees(image, value, (left, y + 8 * unit), 0.6 * unit, colour)


def _table(image: Image, person: DrawnPerson, unit: float, left: float) -> float:
    """A person's angles on a dark ground; gives back where the next table may begin."""
    angles = person.angles or {}
    size, line = 0.62 * unit, 30 * unit
    rows = [row for row in _ROWS if f"right {row}" in angles or f"left {row}" in angles]
    trunk = [("trunk", "trunk")] if "trunk" in angles else []
    width, height = 270 * unit, line * (len(rows) + len(trunk) + 1) + 18 * unit
    left, top = left + 12 * unit, 12 * unit
    part = image[round(top) : round(top + height), round(left) : round(left + width)]
    part[:] = part // 4
    y = top + line
    x = left + 12 * unit
    columns = {"right": left + 205 * unit, "left": left + 258 * unit}
    _text(image, f"person {person.number}", (x, y), size, MIDDLE)
    for side, end in columns.items():
        colour = side_colour(side)
        _text(image, side[0].upper(), (end - 34 * unit, y), size, colour)
    for row in rows:
        y += line
        _text(image, row, (x, y), size, MIDDLE)
        for side, end in columns.items():
            _right_aligned(image, angles.get(f"{side} {row}", np.nan), (end, y), size, side_colour(side))
    for name, _ in trunk:
        y += line
        _text(image, name, (x, y), size, MIDDLE)
        _right_aligned(image, angles[name], (columns["left"], y), size, MIDDLE)
    return left + width


def _right_aligned(image: Image, value: float, end: tuple[float, float], size: float, colour: Colour) -> None:
    if np.isfinite(value):
        _degrees(image, value, (end[0] - _degrees(image, value, None, size, colour), end[1]), size, colour)
    else:
        _text(image, "-", (end[0] - 22 * size, end[1]), size, colour)


def _degrees(image: Image, value: float, at: tuple[float, float] | None, size: float, colour: Colour) -> float:
    """Draws a number with a degree sign, which OpenCV's letters lack; gives its width, without a place only that."""
    text = f"{value:.0f}".replace("-0", "0") if abs(value) < 0.5 else f"{value:.0f}"
    (width, _), _ = cv2.getTextSize(text, _FONT, size, _thick(size))
    if at is not None:
        _text(image, text, at, size, colour)
        ring = (round(at[0] + width + 5 * size), round(at[1] - 19 * size))
        for edge in (DARK, colour):
            thick = _thick(size) + (2 if edge is DARK else 0)
            cv2.circle(image, ring, max(1, round(4 * size)), edge, thick, cv2.LINE_AA)
    return width + 11 * size


def _text(image: Image, text: str, at: tuple[float, float], size: float, colour: Colour) -> None:
    place = round(at[0]), round(at[1])
    cv2.putText(image, text, place, _FONT, size, DARK, _thick(size) + 2 + round(2 * size), cv2.LINE_AA)
    cv2.putText(image, text, place, _FONT, size, colour, _thick(size), cv2.LINE_AA)


def _thick(size: float) -> int:
    return max(1, round(2 * size))
