"""Where an image shows unlabelled people: crowds, and people without a labelled keypoint."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def paint(canvas: NDArray[np.uint8], annotation: Mapping[str, Any]) -> None:
    """Sets to 1 what an annotation covers of an image (H, W): its segment if it can be read, else its box.

    COCO segments people by polygons and crowds by runs (uncompressed RLE: lengths of pixels out, in, out ... column by
    column). Runs packed into a string are not unpacked; the box hides a little more.
    """
    segment: Any = annotation.get("segmentation")
    if _are_polygons(segment):
        for polygon in segment:
            cv2.fillPoly(canvas, [np.rint(np.reshape(polygon, (-1, 1, 2))).astype(np.int32)], 1)
    elif _are_runs(segment, canvas.shape):
        counts = np.asarray(segment["counts"])
        inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        canvas[inside.reshape(canvas.shape[::-1]).T] = 1
    else:
        left, top, width, height = annotation["bbox"]
        rows = slice(max(0, int(np.floor(top))), max(0, int(np.ceil(top + height))))
        canvas[rows, max(0, int(np.floor(left))) : max(0, int(np.ceil(left + width)))] = 1


def _are_polygons(segment: Any) -> bool:
    return (
        isinstance(segment, list)
        and bool(segment)
        and all(isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 and _are_numbers(one) for one in segment)
    )


def _are_runs(segment: Any, shape: tuple[int, ...]) -> bool:
    counts = segment.get("counts") if isinstance(segment, dict) else None
    return (
        isinstance(counts, list)
        and all(isinstance(count, int) and count >= 0 for count in counts)
        and sum(counts) == shape[0] * shape[1]
    )


def _are_numbers(values: list[Any]) -> bool:
    return all(isinstance(value, int | float) and np.isfinite(value) for value in values)
