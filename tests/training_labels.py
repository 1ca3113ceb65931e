"""COCO keypoint files written by tests: people drawn as sticks, or real frames."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from training_people import standing

from eval.coco_labels import COCO_17
from teachers.skeleton import COCO_18


def coco_annotation(image_id: int, person: NDArray[np.floating]) -> dict[str, Any]:
    """COCO's 17 of a person (18, 3)."""
    keypoints = np.array([person[COCO_18.index(name)] for name in COCO_17], dtype=np.float64)
    there = keypoints[:, 2] > 0
    keypoints = np.where(there[:, None], np.column_stack([keypoints[:, :2], np.full(17, 2.0)]), 0.0)
    corner, size = keypoints[there, :2].min(axis=0), np.ptp(keypoints[there, :2], axis=0)
    return {
        "image_id": image_id,
        "category_id": 1,
        "keypoints": keypoints.reshape(-1).tolist(),
        "bbox": [*corner.tolist(), *size.tolist()],
        "area": float(0.53 * size.prod()),
        "iscrowd": 0,
    }


def write_coco(path: Path, images: Sequence[tuple[NDArray[np.uint8], Sequence[NDArray[np.floating]]]]) -> Path:
    """A COCO file, its images in a folder of the file's name beside it; people (18, 3) in pixels of the image."""
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    annotations = [coco_annotation(number, one) for number, (_, people) in enumerate(images) for one in people]
    for number, (image, _) in enumerate(images):
        assert cv2.imwrite(str(folder / f"{number}.png"), image)
    content = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(len(images))],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17)}],
    }
    path.write_text(json.dumps(content))
    return path


def drawn_people(path: Path, count: int = 4, seed: int = 0) -> Path:
    """Noise of 184 x 96 pixels with one person each, drawn as sticks."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        person = standing(rng.uniform(40, 56), rng.uniform(80, 90), 0.8)
        image = rng.integers(90, 130, (184, 96, 3)).astype(np.uint8)
        for start, end in COCO_18.limbs:
            cv2.line(image, *(tuple(int(value) for value in person[one, :2]) for one in (start, end)), (0, 0, 255), 2)
        images.append((image, [person]))
    return write_coco(path, images)
