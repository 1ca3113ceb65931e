"""The people that teacher and candidates find in one frame, kept in the run's folder for its report to draw.

The frame and what was found in it are computed once; drawing the report again needs neither the source nor a network.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compress.common.run_folder import PEOPLE
from compress.core.built import Built
from compress.measure.frames import Data
from compress.measure.pose_inference import from_fact, to_fact
from eval.frames import Frame, FrameSample
from eval.people import Person
from eval.pose import PoseEstimator
from eval.runtimes import RUNTIMES
from teachers.common.errors import UserError
from teachers.common.files import write_bytes, write_text
from teachers.skeleton import Skeleton
from teachers.spec import PoseNetSpec

_FACTS, _FRAME = "people.json", "frame.jpg"
_LOOKED_AT = 8
"""Frames of the sample among which the one to show is chosen."""
_LONGEST_SIDE = 1600
_QUALITY = 90
NOT_COCO = (
    "the frames come from a COCO file, whose photographs belong to many people under terms of their own; "
    "data.show_frames: true shows one all the same"
)
SWITCHED_OFF = "the recipe says so (data.show_frames: false)"


@dataclass(frozen=True)
class ShownNetwork:
    """Whose people are wanted."""

    name: str
    id: str
    """Content id: the same network under another name has the same people."""
    artefact: Path
    spec: PoseNetSpec


@dataclass(frozen=True)
class ShownPeople:
    """One frame, and the people that each network finds in it."""

    frame: str
    """Its name in the source."""
    image: NDArray[np.uint8]
    """(H, W, 3) BGR, made smaller where it was large; people are in its pixels."""
    people: dict[str, list[Person]]
    """By content id."""
    skeleton: Skeleton


def why_not_shown(data: Data) -> str | None:
    """Why the report may not show a frame of this source; None if it may."""
    if data.show_frames is None:
        return NOT_COCO if data.source.lower().endswith(".json") else None
    return None if data.show_frames else SWITCHED_OFF


def wanted(built: Sequence[Built]) -> list[ShownNetwork]:
    """Candidates of a run as this module takes them."""
    return [ShownNetwork(one.name, one.candidate.id, one.artefact, one.candidate.spec) for one in built]


def keep_people(out: Path, data: Data, sample: FrameSample, networks: Sequence[ShownNetwork], threads: int) -> None:
    """Finds the people that are not kept yet; the first of the networks is the teacher, which chooses the frame.

    Nothing is kept where the report may show no frame. Raises UserError if the source was changed since the drawing.
    """
    if why_not_shown(data) is not None or not networks:
        return
    kept = _read(out)
    if kept is None or kept["frames_digest"] != sample.digest:
        frame = _choose(sample, networks[0], threads)
        image = _smaller(frame.image)
        _write_frame(out, image)
        kept = {"format": 1, "frame": frame.name, "frames_digest": sample.digest, "people": {}}
        kept["skeleton"] = networks[0].spec.skeleton.model_dump(mode="json")
    image = _image(out)
    missing = {one.id: one for one in networks if one.id not in kept["people"]}
    for identity, one in missing.items():
        kept["people"][identity] = to_fact(_people(image, one, threads))
    if missing:
        write_text(out / PEOPLE / _FACTS, json.dumps(kept, indent=1) + "\n")


def kept_people(out: Path) -> ShownPeople | None:
    """What `keep_people` left in the folder; None if nothing did, or if it is damaged: it can be found again."""
    kept = _read(out)
    if kept is None:
        return None
    people = {identity: from_fact(found) for identity, found in kept["people"].items()}
    return ShownPeople(kept["frame"], _image(out), people, Skeleton.model_validate(kept["skeleton"]))


def _read(out: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads((out / PEOPLE / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    fine = isinstance(kept, dict) and kept.get("format") == 1 and (out / PEOPLE / _FRAME).is_file()
    return kept if fine else None


def _choose(sample: FrameSample, teacher: ShownNetwork, threads: int) -> Frame:
    """Of the first frames the one in which the teacher is surest of most keypoints; candidates do not matter."""
    find = _estimator(teacher, threads)
    frames = list(islice(sample.frames(), _LOOKED_AT))
    seen = [sum(float(person.keypoints[:, 2].sum()) for person in find(frame.image).people) for frame in frames]
    return frames[int(np.argmax(seen))]


def _people(image: NDArray[np.uint8], network: ShownNetwork, threads: int) -> list[Person]:
    return _estimator(network, threads)(image).people


def _estimator(network: ShownNetwork, threads: int) -> PoseEstimator:
    return PoseEstimator(RUNTIMES["onnxruntime"].load(network.artefact, threads), network.spec)


def _smaller(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    factor = _LONGEST_SIDE / max(image.shape[:2])
    if factor >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)


def _write_frame(out: Path, image: NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "a picture of bytes can always be written as JPEG"
    write_bytes(out / PEOPLE / _FRAME, data.tobytes())


def _image(out: Path) -> NDArray[np.uint8]:
    path = out / PEOPLE / _FRAME
    try:
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise UserError(f"{path}: is no picture any more; remove {path.parent} and run the recipe again")
    return np.asarray(image, np.uint8)
