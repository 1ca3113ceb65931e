"""A COCO file as a training set: keypoints, neck, mask, and what is refused."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from training_people import standing

from compress.training.augmentation import Augmentation, Warp
from compress.training.ground_truth import render
from compress.training.labels import LabelledSet
from eval.coco_labels import COCO_17
from teachers.common.errors import UserError
from teachers.skeleton import COCO_18, MPI_15

NONE = Augmentation.none()
IMAGE_HW = (184, 240)  # half of the height that networks see, so that every place is doubled
CROP_HW = (368, 480)


def annotation(person: NDArray[np.float64], **more: object) -> dict[str, Any]:
    """COCO's 17 of an 18-keypoint person."""
    keypoints = np.array([person[COCO_18.index(name)] for name in COCO_17])
    return {
        "image_id": 7,
        "category_id": 1,
        "keypoints": keypoints.reshape(-1).tolist(),
        "bbox": [60, 20, 60, 150],
        "area": 5000,
        "iscrowd": 0,
        **more,
    }


NOBODY = np.zeros((18, 3))


def labelled_set(folder: Path, *annotations: dict[str, Any]) -> LabelledSet:
    image = np.full((*IMAGE_HW, 3), 90, np.uint8)
    cv2.imwrite(str(folder / "one.png"), image)
    content = {
        "images": [{"id": 7, "file_name": "one.png"}],
        "annotations": list(annotations),
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17)}],
    }
    (folder / "labels.json").write_text(json.dumps(content))
    return LabelledSet(folder / "labels.json", COCO_18, 8)


def in_input_pixels(person: NDArray[np.float64]) -> NDArray[np.float64]:
    doubled = person.copy()
    doubled[:, :2] = 2 * doubled[:, :2] + 0.5
    return doubled


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_labels_become_maps_in_the_pixels_of_the_network(tmp_path: Path) -> None:
    person = standing(90, 85, 0.8)
    person[1, :2] = (person[2, :2] + person[5, :2]) / 2
    found = labelled_set(tmp_path, annotation(person)).sample(0, NONE, CROP_HW, rng())
    heatmaps, pafs = render(in_input_pixels(person)[None], CROP_HW, COCO_18, 8)
    assert found.image.shape == (*CROP_HW, 3) and (found.image == 90).all()
    assert np.abs(found.heatmaps - heatmaps).max() < 1e-4
    assert np.abs(found.pafs - pafs).max() < 1e-4
    assert (found.mask == 1).all() and found.mask.shape == (46, 60)


def test_the_neck_needs_both_shoulders(tmp_path: Path) -> None:
    person = standing(90, 85, 0.8)
    person[COCO_18.index("left_shoulder"), 2] = 0
    found = labelled_set(tmp_path, annotation(person)).sample(0, NONE, CROP_HW, rng())
    neck, other = COCO_18.index("neck"), COCO_18.index("right_shoulder")
    assert not found.heatmaps[neck].any() and found.heatmaps[other].max() > 0.8


def test_a_warp_moves_picture_and_labels(tmp_path: Path) -> None:
    person = standing(90, 85, 0.8)
    flip = Warp(np.array([[-1.0, 0, 479], [0, 1, 0]]), CROP_HW, True)
    data = labelled_set(tmp_path, annotation(person), annotation(NOBODY, bbox=[0, 0, 40, 184]))
    plain, flipped = (data.sample(0, change, CROP_HW, rng()) for change in (NONE, flip))
    stacked = np.concatenate([plain.heatmaps, plain.pafs])
    assert np.abs(flip.maps(stacked, COCO_18, 8)[:19] - flipped.heatmaps).max() < 1e-4
    assert np.abs(flip.maps(stacked, COCO_18, 8)[19:] - flipped.pafs).max() < 1e-4
    assert (flipped.mask == plain.mask[:, ::-1]).all() and (plain.mask[:, :10] == 0).all()
    assert (plain.mask[:, 10:] == 1).all()


def test_an_augmentation_is_drawn_from_the_generator(tmp_path: Path) -> None:
    data = labelled_set(tmp_path, annotation(standing(90, 85, 0.8)))
    first, second, third = (
        data.sample(0, Augmentation(), (256, 256), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert all((one == two).all() for one, two in zip(first, second, strict=True))
    assert (first.heatmaps != third.heatmaps).any()
    assert first.image.shape == (256, 256, 3) and first.mask.shape == (32, 32)


RUNS = {"size": list(IMAGE_HW), "counts": [184 * 200, 184 * 40]}  # the 40 columns at the right


@pytest.mark.parametrize(
    ("unlabelled", "hidden"),
    [
        (annotation(NOBODY, bbox=[160, 40, 40, 80]), (slice(10, 30), slice(40, 50))),
        (annotation(standing(180, 80), iscrowd=1, bbox=[160, 40, 40, 80]), (slice(10, 30), slice(40, 50))),
        (annotation(NOBODY, iscrowd=1, segmentation=RUNS), (slice(0, 46), slice(50, 60))),
        (
            annotation(NOBODY, segmentation=[[160, 40, 199, 40, 199, 119, 160, 119]]),
            (slice(10, 30), slice(40, 50)),
        ),
        (annotation(NOBODY, bbox=[200, 0, 90, 900], segmentation=[[1, 2]]), (slice(0, 46), slice(50, 60))),
        (annotation(NOBODY, bbox=[200, 0, 40, 184], segmentation={"counts": "packed"}), (slice(0, 46), slice(50, 60))),
    ],
    ids=["box", "crowd", "runs", "polygon", "no polygon", "packed runs"],
)
def test_where_people_are_unlabelled_nothing_is_learnt(
    tmp_path: Path, unlabelled: dict[str, Any], hidden: tuple[slice, slice]
) -> None:
    found = labelled_set(tmp_path, annotation(standing(80, 85, 0.8)), unlabelled).sample(0, NONE, CROP_HW, rng())
    wanted = np.ones((46, 60))
    wanted[hidden] = 0
    assert (found.mask == wanted).all()
    alone = labelled_set(tmp_path, annotation(standing(80, 85, 0.8))).sample(0, NONE, CROP_HW, rng())
    assert (found.heatmaps == alone.heatmaps).all(), "an unlabelled person must not be drawn"


def test_the_digest_follows_pictures_and_labels(tmp_path: Path) -> None:
    data = labelled_set(tmp_path, annotation(standing(80, 85, 0.8)))
    again = labelled_set(tmp_path, annotation(standing(80, 85, 0.8)))
    moved = labelled_set(tmp_path, annotation(standing(81, 85, 0.8)))
    assert (len(data), data.names()) == (1, ["one"])
    assert data.digest == again.digest != moved.digest
    other = LabelledSet(tmp_path / "labels.json", COCO_18, 8)
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((*IMAGE_HW, 3), np.uint8))
    assert other.digest != moved.digest


def test_other_skeletons_and_broken_pictures_get_a_sentence(tmp_path: Path) -> None:
    data = labelled_set(tmp_path, annotation(standing(80, 85, 0.8)))
    with pytest.raises(UserError, match=r"coco-18 only, the network has mpi-15"):
        LabelledSet(tmp_path / "labels.json", MPI_15, 8)
    (tmp_path / "one.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"labels\.json: one: "):
        data.sample(0, NONE, CROP_HW, rng())
