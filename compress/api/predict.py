"""compress.predict: the people of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.api.models import LoadedModel, load
from eval.frame_finder import frame_finder, people_of_still
from eval.frame_types import Frame, Unreadable
from eval.frame_video import VideoFrames
from eval.frames import open_source
from eval.inference import Inference
from eval.people import Person
from teachers.common.errors import UserError

Image = str | Path | NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """The people of one image."""

    name: str
    """The image's file name; its place in the call for pixels."""
    people: tuple[Person, ...]
    """Keypoints (K, 3) each: x and y in pixels of the image, score; NaN, NaN, 0 where a keypoint was not found."""
    network_s: float
    decoding_s: float


def predict(
    model: str | Path | LoadedModel, images: Image | Sequence[Image], *, inference: Inference | None = None
) -> list[Prediction]:
    """Finds the people of images: paths, folders, or pixels (H, W, 3) uint8 in BGR order, as OpenCV reads them.

    Of a video the first frame is taken; `compress.kinematics` follows people through all of them.
    inference: scales of the image, or windows around the people; if left out, as the model says.
    Raises UserError for a model or an image that cannot be read.

    >>> people = compress.predict("openpose-mobilenet-thin", "photo.jpg")[0].people
    """
    loaded = model if isinstance(model, LoadedModel) else load(model)
    finder = frame_finder(loaded.session, loaded.spec, inference or loaded.model.usual_inference)
    found = []
    for frame in frames_of([images] if isinstance(images, str | Path | np.ndarray) else images):
        if isinstance(frame, Unreadable):
            raise UserError(f"{frame.name}: {frame.reason}")
        seen = people_of_still(finder, frame.image)
        found.append(Prediction(frame.name, tuple(seen.people), seen.parts.network_s, seen.parts.decoding_s))
    return found


def frames_of(images: Sequence[Image]) -> Iterator[Frame | Unreadable]:
    """Every image that is named, one at a time: of a folder all of them, of a video the first frame."""
    for place, image in enumerate(images):
        if isinstance(image, np.ndarray):
            yield _of_pixels(place, image)
            continue
        text = str(image)
        try:
            source = open_source(text)
            indices = [0] if isinstance(source, VideoFrames) else range(len(source.names()))
            for _, frame in source.read(indices):
                if isinstance(source, VideoFrames) and isinstance(frame, Frame):
                    yield Frame(f"{Path(source.name).stem}_{frame.name}", frame.image)
                else:
                    yield frame
        except UserError as error:
            yield Unreadable(text, str(error).removeprefix(f"{text}: "))


def _of_pixels(place: int, image: NDArray[np.uint8]) -> Frame | Unreadable:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        return Unreadable(f"images[{place}]", f"pixels must be (H, W, 3) uint8, got {image.shape} of {image.dtype}")
    return Frame(str(place), image)
