"""Views in milliseconds: the tiny teacher, photographs with somebody where a script says so."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from training_targets import tiny_targets

from compress.training import photo_store
from compress.training.teacher_targets import TeacherTargets
from compress.training.view_settings import Views
from compress.training.view_targets import ViewTargets
from eval.roi_window import Box

SMALL = Views(sizes=((64, 48), (48, 32)), frame_size=(48, 64), find_scale=0.25)
Boxes = Callable[[NDArray[np.uint8]], list[Box]]


def somebody(image: NDArray[np.uint8]) -> list[Box]:
    """One person in the middle of every photograph, half as high as it."""
    height, width = image.shape[:2]
    return [Box((width - 1) / 2, (height - 1) / 2, height / 6, height / 2)]


def script(patch: pytest.MonkeyPatch, boxes: Boxes = somebody) -> list[int]:
    """What the teacher finds from now on; every look is noted in the list."""
    looks: list[int] = []

    def found(_: photo_store.Finder, image: NDArray[np.uint8]) -> list[Box]:
        looks.append(1)
        return boxes(image)

    patch.setattr(photo_store.Finder, "boxes", found)
    return looks


def view_targets(folder: Path, **plan: object) -> tuple[TeacherTargets, ViewTargets]:
    """Targets of a recipe with views; small ones unless the plan says otherwise."""
    targets = tiny_targets(folder, **{"views": SMALL, "teacher": "online", **plan})
    assert targets.views is not None
    return targets, targets.views
