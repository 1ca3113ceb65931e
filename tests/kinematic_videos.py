"""Videos without content and a session that answers with the maps of known people, for tests of whole commands."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import LICENCE, tiny_spec
from kinematic_figures import walk
from numpy.typing import NDArray

from compress.kinematics import pipeline
from compress.run.model_lookup import Model
from eval.rendering import render_maps
from eval.video import VideoWriter
from teachers.skeleton import COCO_18, Skeleton

Array = NDArray[np.float64]
HW = (180, 240)

# The nth time it is asked -> the people (K, 2), in pixels of the video frame.
People = Callable[[int], Sequence[Array]]


class KnownPeople:
    """A session that has seen it all before: the maps of who is there at the nth call, at any input size."""

    def __init__(self, people: People, image_hw: tuple[int, int] = HW, skeleton: Skeleton = COCO_18) -> None:
        self._people, self._hw, self._skeleton = people, image_hw, skeleton
        self.calls = 0

    def run(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows, columns = image.shape[2] // 8, image.shape[3] // 8
        factor = image.shape[2] / self._hw[0]  # heights in use are multiples of the stride: no padded rows
        seen = [(person + 0.5) * factor - 0.5 for person in self._people(self.calls)]
        self.calls += 1
        heatmaps, pafs = render_maps(seen, self._skeleton, (rows, columns))
        return heatmaps[None], pafs[None]

    def outputs(self, image: NDArray[np.float32], names: Sequence[str]) -> list[NDArray[np.float32]]:
        raise NotImplementedError

    def metadata(self) -> dict[str, str]:
        return {}


def nobody(call: int) -> list[Array]:
    return []


def walker(frames: int = 60, fps: float = 30.0) -> Array:
    """(T, 18, 2): somebody who walks to image right and bends the knees up to 60 degrees once a second."""
    track = walk(frames, fps, speed=min(60.0, 120 * fps / frames))[..., :2]
    low, high = track.min(axis=(0, 1)), track.max(axis=(0, 1))
    factor = 150 / (high - low)[1]
    return (track - low) * factor + [50, 15]


def model_of(people: People, folder: Path, skeleton: Skeleton = COCO_18) -> Model:
    """A model that finds these people."""
    artefact = folder / "known.onnx"
    artefact.write_bytes(b"made up")
    spec = tiny_spec()
    if skeleton is not COCO_18:
        branch = {"skeleton": skeleton}
        spec = spec.model_copy(update=branch)
    return Model("known", "onnx", artefact, spec, LICENCE, KnownPeople(people, skeleton=skeleton), 1)


def without_plots(patch: pytest.MonkeyPatch) -> None:
    """For tests that are about something else: drawing takes longer than all the rest."""
    for kind in ("joints", "segments", "velocities"):
        patch.setattr(pipeline, f"{kind}_png", lambda *_: None)


def grey_video(path: Path, times: Sequence[float]) -> Path:
    """Frames with a moving stripe, shown at these times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path) as video:
        for number, time_s in enumerate(times):
            image = np.full((*HW, 3), 130, np.uint8)
            image[:, number % HW[1]] = 40
            video.write(image, time_s)
    return path


def even_times(frames: int, fps: float = 30.0) -> list[float]:
    return [number / fps for number in range(frames)]
