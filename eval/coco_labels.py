"""The keypoint labels of a COCO file, checked before anything is run over its images."""

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.coco_facts import (
    LabelFacts,
    Size,
    contradiction,
    labelled_points,
    refuse_images,
    require_consistent,
    require_listed,
    stated_sizes,
)
from eval.coco_images import open_coco
from eval.frame_folder import ImageFiles
from teachers.common.errors import UserError
from teachers.skeleton import Skeleton

COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""COCO's order, which pycocotools' OKS constants follow."""
_SIZES_READ = 2000
"""Of so many images, evenly spread, the size is compared when a file is opened; of the others when they are read."""
_NUMBERS = {"keypoints": 3 * len(COCO_17), "bbox": 4}


@dataclass(frozen=True)
class CocoLabels:
    """Images and labelled people of one COCO file."""

    name: str
    source: ImageFiles
    """The images, one frame for each entry of `ids`."""
    ids: Mapping[PurePosixPath, int]
    """Image id of each file of `source`, in its order."""
    category: int
    """The category of people."""
    annotations: tuple[Mapping[str, Any], ...]

    def image_ids(self) -> list[int]:
        """The image id of each frame of `source`, by index."""
        return [self.ids[file] for file in self.source.files]

    def of(self, image_ids: Collection[int]) -> list[Mapping[str, Any]]:
        """The annotations of these images."""
        wanted = set(image_ids)
        return [annotation for annotation in self.annotations if annotation["image_id"] in wanted]


def lacking(skeleton: Skeleton) -> tuple[str, ...]:
    """COCO's keypoints that networks of this skeleton do not find; their AP would not be COCO's if there are any."""
    return tuple(name for name in COCO_17 if name not in skeleton.keypoints)


def open_labels(path: Path) -> CocoLabels:
    """Reads a COCO keypoint file; its images may lie where eval.coco_images finds them.

    Raises UserError when it is no COCO file, has no labelled keypoints or other ones than COCO's 17, and where its
    facts contradict each other or the images (eval.coco_facts).
    """
    source = open_coco(path)
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    listed = content.get("annotations")
    if not isinstance(listed, list) or not any(isinstance(one, dict) and "keypoints" in one for one in listed):
        raise UserError(
            f"{path}: has no keypoint labels (no `keypoints` in its `annotations`); wanted is a COCO keypoint file, "
            "such as person_keypoints_val2017.json"
        )
    category, ids = _category(path, content.get("categories")), _ids(path, content["images"])
    sizes = stated_sizes(str(path), content["images"])
    require_listed(str(path), list(enumerate(listed)), "category_id", _category_ids(content["categories"]))
    people = [
        (number, annotation)
        for number, annotation in enumerate(listed)
        if not isinstance(annotation, dict) or annotation.get("category_id") == category
    ]
    # Numbered from 1: pycocotools takes an annotation with id 0 for an unmatched one.
    annotations = tuple(
        _annotation(annotation, number, f"{path}: annotations[{place}]")
        for number, (place, annotation) in enumerate(people, start=1)
    )
    if not any(annotation["num_keypoints"] for annotation in annotations):
        raise UserError(f"{path}: has no keypoint labels: no person in it has a labelled keypoint")
    require_listed(str(path), people, "image_id", set(ids.values()))
    files = {image_id: str(file) for file, image_id in ids.items()}
    placed = [(place, one) for (place, _), one in zip(people, annotations, strict=True)]
    require_consistent(LabelFacts(str(path), files, sizes, placed))
    checked = replace(source, contradiction=_compared(ids, sizes, annotations))
    refuse_images(str(path), checked.contradictions(_SIZES_READ))
    return CocoLabels(path.name, checked, ids, category, annotations)


def _compared(
    ids: Mapping[PurePosixPath, int], sizes: Mapping[int, Size], annotations: Sequence[Mapping[str, Any]]
) -> Callable[[PurePosixPath, Size], str | None]:
    """What compares a decoded image with its labels."""
    points: dict[int, list[NDArray[np.float64]]] = {}
    for one in annotations:
        points.setdefault(one["image_id"], []).append(labelled_points(one))

    def speaks_against(file: PurePosixPath, decoded: Size) -> str | None:
        found = points.get(ids[file], [])
        return contradiction(decoded, sizes.get(ids[file]), np.concatenate([np.empty((0, 2)), *found]))

    return speaks_against


def _category_ids(categories: list[Any]) -> set[object]:
    return {one.get("id") for one in categories if isinstance(one, dict)}


def _ids(path: Path, images: list[dict[str, Any]]) -> dict[PurePosixPath, int]:
    ids: dict[PurePosixPath, int] = {}
    for number, image in enumerate(images):
        found = image.get("id")
        file = PurePosixPath(image["file_name"].replace("\\", "/"))
        if not isinstance(found, int):
            raise UserError(f"{path}: images[{number}].id must be a whole number, found {found!r}")
        if ids.setdefault(file, found) != found:
            raise UserError(f"{path}: images[{number}]: {file} has two ids, {ids[file]} and {found}; keep one of them")
    if len(set(ids.values())) < len(ids):
        raise UserError(f"{path}: two files of its `images` have the same id; each image needs its own")
    return ids


def _category(path: Path, categories: object) -> int:
    """The id of the category that has COCO's keypoints."""
    found: list[str] = []
    for category in categories if isinstance(categories, list) else []:
        names = category.get("keypoints") if isinstance(category, dict) else None
        if isinstance(names, list) and isinstance(category.get("id"), int):
            if tuple(names) == COCO_17:
                return int(category["id"])
            found.append(f"{category.get('name')} with {len(names)}: {', '.join(map(str, names))}")
    raise UserError(
        f"{path}: no category has COCO's 17 keypoints in COCO's order ({', '.join(COCO_17)}), which OKS is defined "
        f"for; found {'; '.join(found) or 'none with keypoints'}"
    )


def _annotation(given: object, number: int, where: str) -> dict[str, Any]:
    """What pycocotools reads of an annotation."""
    if not isinstance(given, dict) or not isinstance(given.get("image_id"), int):
        raise UserError(f"{where} has no whole number `image_id`")
    for key, count in _NUMBERS.items():
        values = given.get(key)
        if not isinstance(values, list) or len(values) != count or not all(map(_is_number, values)):
            raise UserError(f"{where}.{key} must be a list of {count} numbers, found {str(values)[:60]}")
    if not _is_number(given.get("area")):
        raise UserError(f"{where}.area must be a number of square pixels, found {given.get('area')!r}")
    keypoints = given["keypoints"]
    return {
        "id": number,
        "image_id": given["image_id"],
        "category_id": given["category_id"],
        "keypoints": keypoints,
        "num_keypoints": sum(visible > 0 for visible in keypoints[2::3]),
        "stated_keypoints": given.get("num_keypoints"),
        "bbox": given["bbox"],
        "area": given["area"],
        "iscrowd": int(bool(given.get("iscrowd", 0))),
        "segmentation": given.get("segmentation"),  # pycocotools leaves it alone for keypoints; training reads it
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
