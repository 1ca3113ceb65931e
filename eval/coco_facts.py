"""Facts of a COCO keypoint file held against each other: what is wrong here gives an AP of 0 without an error.

A file is refused with the images named: labels of other pixels than the files have, areas that object keypoint
similarity cannot divide by, people of categories or images that are not listed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from teachers.common.errors import UserError

_NAMED = 3
_OUTSIDE = 0.5
"""Of a person's labelled keypoints, how many may lie outside the image; data sets with guessed joints have some."""
_ROOM = 1.0
"""Pixels beyond the border that still count as inside: some tools count from 1, some from a pixel's corner."""
_AREA_OF_BOX = 1.5
"""A segment cannot be larger than the box around it; some tools round both."""
_SMALLEST_MEDIAN = 0.01
"""Of area over box. People cover 0.1 to 0.9 of their boxes; areas in other units than square pixels next to nothing."""
Size = tuple[int, int]


Annotation = Mapping[str, Any]


@dataclass(frozen=True)
class LabelFacts:
    """What is compared. Annotations are checked ones (eval.coco_labels) with a place in the file each."""

    where: str
    """The file, for messages."""
    files: Mapping[int, str]
    """Image id -> its file's name."""
    sizes: Mapping[int, Size]
    """Image id -> (width, height) as the file states it, where it does."""
    people: Sequence[tuple[int, Annotation]]


def stated_sizes(where: str, images: Sequence[Mapping[str, Any]]) -> dict[int, Size]:
    """Image id -> (width, height), where a COCO file states both. UserError for what is no size."""
    found: dict[int, Size] = {}
    for number, image in enumerate(images):
        both = image.get("width"), image.get("height")
        if both == (None, None):
            continue
        if not all(isinstance(side, int | float) and side >= 1 and side == int(side) for side in both):
            raise UserError(f"{where}: images[{number}]: {both[0]!r} x {both[1]!r} is no width and height in pixels")
        found[image["id"]] = (int(both[0]), int(both[1]))  # type: ignore[arg-type]
    return found


def require_listed(where: str, given: Sequence[tuple[int, object]], key: str, listed: Collection[object]) -> None:
    """UserError where (place, annotation) have a `category_id` or an `image_id` that the file does not list."""
    values = [(place, one.get(key)) for place, one in given if isinstance(one, dict)]
    lost = [(place, value) for place, value in values if value not in listed]
    if lost:
        what = "categories" if key == "category_id" else "images"
        some = "; ".join(
            _some([f"annotations[{place}].{key} is {value!r}" for place, value in lost[:_NAMED]], len(lost))
        )
        raise UserError(f"{where}: its `{what}` lack what annotations are of, and these would count for none: {some}")


def require_consistent(facts: LabelFacts) -> None:
    """UserError with the images named where what the file says of its people cannot be."""
    for found, told in (
        (_where(facts, _no_area), "`area` must be above 0, for object keypoint similarity divides by it"),
        (_where(facts, _too_much_area), "`area` is larger than the box, which a person's pixels cannot be"),
        (_where(facts, _odd_flags), "the third number of a keypoint must be 0 (not labelled), 1 (hidden) or 2 (seen)"),
        (_where(facts, _miscounted), "`num_keypoints` is not the number of labelled keypoints"),
        (_where(facts, lambda one: _is_outside(facts, one)), "most labelled keypoints lie outside the image"),
        (_twice(facts), "the same keypoints stand there twice"),
    ):
        _refuse(facts, found, told)
    _require_pixels(facts)


def contradiction(decoded: Size, stated: Size | None, points: NDArray[np.float64]) -> str | None:
    """Why labels cannot be of an image of these pixels (width, height); None if nothing speaks against it.

    points: (P, 2), all labelled keypoints of the image.
    """
    now = f"is {decoded[0]} x {decoded[1]} pixels"
    if stated is not None and stated != decoded:
        return f"{now}, its labels are for {stated[0]} x {stated[1]}"
    if len(points) and _share_outside(points, decoded) > _OUTSIDE:
        return f"{now}, and most of its labelled keypoints lie outside"
    return None


def labelled_points(annotation: Annotation) -> NDArray[np.float64]:
    """(P, 2): where the labelled keypoints are."""
    keypoints = np.asarray(annotation["keypoints"], dtype=np.float64).reshape(-1, 3)
    return keypoints[keypoints[:, 2] > 0, :2]


def _where(facts: LabelFacts, wrong: Callable[[Annotation], bool]) -> list[tuple[int, Annotation]]:
    return [(place, one) for place, one in facts.people if wrong(one)]


def _no_area(one: Annotation) -> bool:
    """A crowd and a person without keypoints are judged by their box, yet below 0 they would match every person."""
    return bool(one["area"] <= 0 if one["num_keypoints"] and not one["iscrowd"] else one["area"] < 0)


def _too_much_area(one: Annotation) -> bool:
    width, height = one["bbox"][2:]
    return bool(one["num_keypoints"]) and bool(one["area"] > _AREA_OF_BOX * (width + 2) * (height + 2))


def _odd_flags(one: Annotation) -> bool:
    return not set(one["keypoints"][2::3]) <= {0, 1, 2}


def _miscounted(one: Annotation) -> bool:
    return one["stated_keypoints"] not in (None, one["num_keypoints"])


def _is_outside(facts: LabelFacts, one: Annotation) -> bool:
    size, points = facts.sizes.get(one["image_id"]), labelled_points(one)
    return size is not None and len(points) > 0 and _share_outside(points, size) > _OUTSIDE


def _share_outside(points: NDArray[np.float64], size: Size) -> float:
    inside = (points >= -_ROOM) & (points <= np.array(size) + _ROOM)
    return float(1.0 - inside.all(axis=1).mean())


def _twice(facts: LabelFacts) -> list[tuple[int, Annotation]]:
    """Labelled people that are there a second time: a person cannot be found twice."""

    def key(one: tuple[int, Annotation]) -> tuple[Any, ...]:
        return (one[1]["image_id"], *one[1]["keypoints"])

    ordered = sorted((one for one in facts.people if one[1]["num_keypoints"]), key=key)
    return [after for before, after in pairwise(ordered) if key(before) == key(after)]


def _require_pixels(facts: LabelFacts) -> None:
    """Of the whole file: are these pixels, and boxes of a corner and a size?"""
    people = [one for _, one in facts.people if one["num_keypoints"]]
    if not people:
        return
    points = np.concatenate([labelled_points(one) for one in people])
    if points.max() <= 1.0:
        raise UserError(f"{facts.where}: all keypoints lie between 0 and 1; wanted are pixels of the image")
    boxes = np.array([one["bbox"] for one in people], dtype=np.float64)
    if np.any(boxes[:, 2:] < 0):
        raise UserError(f"{facts.where}: a `bbox` has a negative size; wanted is [left, top, width, height]")
    shares = np.array([one["area"] for one in people]) / np.maximum(1.0, boxes[:, 2:].prod(axis=1))
    if np.median(shares) < _SMALLEST_MEDIAN:
        raise UserError(
            f"{facts.where}: half of the people have an `area` below {_SMALLEST_MEDIAN:.0%} of their box; wanted are "
            "square pixels of the person"
        )
    sized = [place for place, one in enumerate(people) if one["image_id"] in facts.sizes]
    ends = boxes[sized, :2] + boxes[sized, 2:]
    limits = np.array([facts.sizes[people[place]["image_id"]] for place in sized], dtype=np.float64).reshape(-1, 2)
    if sized and np.mean((ends > 1.05 * limits + _ROOM).any(axis=1)) > 0.5:
        raise UserError(
            f"{facts.where}: more than half of the boxes reach beyond their images; `bbox` is [left, top, width, "
            "height] in pixels"
        )


def _refuse(facts: LabelFacts, found: Sequence[tuple[int, Annotation]], told: str) -> None:
    if found:
        named = [f"annotations[{place}] of {facts.files.get(one['image_id'], '?')}" for place, one in found[:_NAMED]]
        raise UserError(f"{facts.where}: {told}; not so in {'; '.join(_some(named, len(found)))}")


def _some(named: Sequence[str], count: int) -> Iterator[str]:
    yield from named
    if count > len(named):
        yield f"and {count - len(named)} more"


def refuse_images(where: str, wrong: Sequence[tuple[str, str]]) -> None:
    """UserError if there is any (file, what speaks against it)."""
    if wrong:
        named = "; ".join(_some([f"{file} {why}" for file, why in wrong[:_NAMED]], len(wrong)))
        raise UserError(f"{where}: labels and images do not belong together: {named}")
