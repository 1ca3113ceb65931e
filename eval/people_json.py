"""People as OpenPose JSON, version 1.3: one file per image, readable by OpenPose's tools, Pose2Sim and others.

Keypoints are x, y, confidence in one flat list; a missing one is 0, 0, 0. The format has no person score.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eval.people import Person
from teachers.common.errors import UserError
from teachers.common.files import write_text

VERSION = 1.3
_DECIMALS = 4
_ALWAYS_EMPTY = (
    "face_keypoints_2d",
    "hand_left_keypoints_2d",
    "hand_right_keypoints_2d",
    "pose_keypoints_3d",
    "face_keypoints_3d",
    "hand_left_keypoints_3d",
    "hand_right_keypoints_3d",
)


def people_to_json(people: Sequence[Person]) -> str:
    """The text of one image's file; coordinates in pixels, to four decimals."""
    records = []
    for person in people:
        flat = np.where(person.keypoints[:, 2:] > 0, person.keypoints, 0.0).astype(np.float64).reshape(-1)
        record: dict[str, list[float]] = {"person_id": [-1]}
        record["pose_keypoints_2d"] = [round(value, _DECIMALS) for value in flat.tolist()]
        record.update((name, []) for name in _ALWAYS_EMPTY)
        records.append(record)
    return json.dumps({"version": VERSION, "people": records}, allow_nan=False) + "\n"


def people_from_json(text: str, where: str) -> list[Person]:
    """The people of one image's file; their score is the mean confidence of the keypoints they have.

    UserError, beginning with `where`, if the text is not OpenPose JSON.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not JSON: {error}") from error
    records = document.get("people") if isinstance(document, Mapping) else None
    if not isinstance(records, list):
        raise UserError(f"{where}: not OpenPose JSON: an object with a list `people` is needed")
    return [_person(record, f"{where} people.{number}") for number, record in enumerate(records)]


def _person(record: object, where: str) -> Person:
    values = record.get("pose_keypoints_2d") if isinstance(record, Mapping) else None
    if (
        not isinstance(values, list)
        or len(values) % 3
        or not all(isinstance(value, int | float) and np.isfinite(value) for value in values)
    ):
        raise UserError(f"{where}: pose_keypoints_2d must be a list of finite x, y, confidence, three per keypoint")
    keypoints = np.array(values, dtype=np.float32).reshape(-1, 3)
    missing = keypoints[:, 2] <= 0
    keypoints[missing] = (np.nan, np.nan, 0.0)
    score = 0.0 if missing.all() else float(keypoints[~missing, 2].mean())
    return Person(keypoints, score)


def write_people(path: Path, people: Sequence[Person]) -> None:
    """Writes one image's file, whole or not at all."""
    write_text(path, people_to_json(people))


def read_people(path: Path) -> list[Person]:
    """Reads one image's file; UserError if it cannot be read or is not OpenPose JSON."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    return people_from_json(text, str(path))
