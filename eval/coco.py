"""Average precision against labels: COCO's keypoint AP and AR, by pycocotools (imported here only).

People are handed over as COCO's own results: 17 keypoints in COCO's order, 0, 0, 0 for a missing one. The score of a
detection is the person's own: the confidences of keypoints and limbs, added up, over the number of keypoints. That is
what the teacher's publisher ranks by (tf-pose 0.11.0: `get_score` of pafprocess.cpp goes unchanged into eval.py), so
the AP stands beside the published one.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from eval.coco_labels import COCO_17, CocoLabels, lacking
from eval.people import Person
from teachers.common.errors import UserError
from teachers.skeleton import Skeleton

# Where pycocotools leaves what in `stats` for keypoints.
_STATS = {"ap": 0, "ap50": 1, "ap75": 2, "ap_m": 3, "ap_l": 4, "ar": 5}
_NEEDS = {"ap_m": "of medium size (32^2 to 96^2 px) ", "ap_l": "of large size (over 96^2 px) "}


@dataclass(frozen=True)
class KeypointAp:
    """COCO's numbers, 0..1; None where no labelled person decides, and `note` says so."""

    ap: float | None
    """Mean over OKS thresholds 0.50, 0.55 to 0.95; at most 20 people an image count, the highest scores."""
    ap50: float | None
    ap75: float | None
    ap_m: float | None
    """People of 32^2 to 96^2 square pixels."""
    ap_l: float | None
    """People of more than 96^2 square pixels."""
    ar: float | None
    images: int
    labelled_people: int
    """People with labelled keypoints, crowds left out, in these images."""
    detections: int
    note: str
    """Why a number is None; empty where all are there."""


def to_coco_17(keypoints: NDArray[np.float32], skeleton: Skeleton) -> NDArray[np.float64]:
    """(K, 3) of one person -> (17, 3) in COCO's order, by name; 0, 0, 0 where missing or not in the skeleton."""
    found = np.zeros((len(COCO_17), 3))
    for place, name in enumerate(COCO_17):
        if name in skeleton.keypoints:
            keypoint = keypoints[skeleton.index(name)]
            found[place] = keypoint if keypoint[2] > 0 else 0.0
    return found


def average_precision(labels: CocoLabels, people: Mapping[int, Sequence[Person]], skeleton: Skeleton) -> KeypointAp:
    """AP and AR of people, by image id, in pixels of the labelled image; an image without a person has an empty list.

    Only these images are evaluated. Raises ValueError when there is none, or one that the labels do not have, and
    UserError when the skeleton lacks keypoints of COCO's: every one of them would count as missed.
    """
    absent = lacking(skeleton)
    if absent:
        raise UserError(f"{labels.name}: AP needs COCO's 17 keypoints; {skeleton.name} has no {', '.join(absent)}")
    unknown = people.keys() - set(labels.ids.values())
    if unknown or not people:
        raise ValueError(f"people of images that {labels.name} does not have: {sorted(unknown)}, of {len(people)}")
    detections = [
        {
            "image_id": image_id,
            "category_id": labels.category,
            "keypoints": to_coco_17(person.keypoints, skeleton).reshape(-1).tolist(),
            "score": float(person.score),
        }
        for image_id in people
        for person in people[image_id]
    ]
    stats = _evaluate(labels, sorted(people), detections)
    values = {name: None if stats[place] < 0 else stats[place] for name, place in _STATS.items()}
    labelled = sum(ann["num_keypoints"] > 0 and not ann["iscrowd"] for ann in labels.of(people.keys()))
    return KeypointAp(
        **values, images=len(people), labelled_people=labelled, detections=len(detections), note=_note(values)
    )


def _evaluate(labels: CocoLabels, image_ids: list[int], detections: list[dict[str, Any]]) -> list[float]:
    """The ten numbers of pycocotools; -1 where no labelled person decides."""
    with contextlib.redirect_stdout(io.StringIO()):
        # pycocotools writes into what it is given, hence the copies.
        truth = _coco(labels, image_ids, [dict(ann) for ann in labels.of(image_ids)])
        # loadRes looks into the first detection, so that an empty list needs a way of its own.
        found = truth.loadRes(detections) if detections else _coco(labels, image_ids, [])
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def _coco(labels: CocoLabels, image_ids: list[int], annotations: list[dict[str, Any]]) -> Any:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image_id} for image_id in image_ids],
        "categories": [{"id": labels.category, "name": "person"}],
        "annotations": annotations,
    }
    coco.createIndex()
    return coco


def _note(values: Mapping[str, float | None]) -> str:
    if values["ap"] is None:
        return "no person with labelled keypoints in these images"
    missing = [name for name, value in values.items() if value is None]
    return "; ".join(f"{name}: no labelled person {_NEEDS.get(name, '')}in these images" for name in missing)
