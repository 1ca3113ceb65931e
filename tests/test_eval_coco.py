"""AP against labels: the same numbers as pycocotools gives for results written by hand; labels that are none."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from eval.coco import average_precision, to_coco_17
from eval.coco_labels import COCO_17, CocoLabels, open_labels
from eval.people import Person
from teachers.common.errors import UserError
from teachers.skeleton import COCO_18, MPI_15

# Where COCO-17's keypoints lie in COCO-18, written down by hand; the publisher's evaluation has the same list.
PLACES = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
FIELDS = ("ap", "ap50", "ap75", "ap_m", "ap_l", "ar")


def labelled(rng: np.random.Generator, corner: tuple[float, float], side: float) -> NDArray[np.float64]:
    """(17, 3) whole pixels in a box; two keypoints are not labelled, some are hidden."""
    keypoints = np.column_stack([rng.uniform(0, side, (17, 2)) + corner, rng.integers(1, 3, 17)]).round()
    keypoints[rng.choice(17, 2, replace=False)] = 0
    return keypoints


def annotation(number: int, image: int, keypoints: NDArray[np.float64], side: float, **more: int) -> dict[str, Any]:
    seen = keypoints[keypoints[:, 2] > 0, :2]
    corner = seen.min(axis=0).tolist() if len(seen) else [10.0, 10.0]
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": keypoints.astype(int).reshape(-1).tolist(),
        "num_keypoints": len(seen),
        "bbox": [*corner, side, side],
        "area": 0.6 * side**2,
        "iscrowd": 0,
        **more,
    }


def write_labels(folder: Path, **changes: object) -> Path:
    """Six images of two people, medium and large; one without anybody, one with a crowd and an unlabelled person."""
    rng = np.random.default_rng(0)
    images = [{"id": 100 + i, "file_name": f"{i}.png", "width": 640, "height": 480} for i in range(8)]
    for image in images:
        Image.new("RGB", (640, 480)).save(folder / str(image["file_name"]))
    annotations = []
    for image_id in range(100, 106):
        for corner, side in (((20, 30), 80.0), ((250, 100), 280.0)):
            # Counted from 0, where pycocotools alone would lose the first.
            annotations.append(annotation(len(annotations), image_id, labelled(rng, corner, side), side))
    annotations.append(annotation(40, 107, np.zeros((17, 3)), 150.0))
    annotations.append(annotation(41, 107, np.zeros((17, 3)), 400.0, iscrowd=1))
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17)}
    content = {"images": images, "annotations": annotations, "categories": [category], **changes}
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def person(keypoints_17: NDArray[np.float64], score: float) -> Person:
    """A COCO-18 person from labels, with a neck that must not count; unlabelled keypoints are missing ones."""
    keypoints = np.full((18, 3), (np.nan, np.nan, 0.0), dtype=np.float32)
    keypoints[1] = (5000.0, 5000.0, 1.0)
    for place, keypoint in zip(PLACES, keypoints_17, strict=True):
        if keypoint[2] > 0:
            keypoints[place] = (*keypoint[:2], 0.9)
    return Person(keypoints, score)


def shifted(labels: CocoLabels, spread: float) -> tuple[dict[int, list[Person]], list[dict[str, Any]]]:
    """Detections at the labels with noise, some twice, some in the empty images: as people, and as hand-made results"""
    rng = np.random.default_rng(1)
    people: dict[int, list[Person]] = {image: [] for image in labels.image_ids()}
    results = []
    for number, ann in enumerate(labels.annotations):
        for _ in range(1 + number % 2):
            keypoints = np.array(ann["keypoints"], dtype=float).reshape(17, 3)
            if not ann["num_keypoints"]:
                keypoints = labelled(rng, (20, 20), 60.0)
            there = keypoints[:, 2] > 0
            keypoints[there, :2] += rng.normal(0, spread, (there.sum(), 2)).round(2)
            score = float(rng.uniform(0.4, 1.5))
            people[ann["image_id"]].append(person(keypoints, score))
            flat = [float(np.float32(value)) for value in keypoints.reshape(-1)]
            results.append({"image_id": ann["image_id"], "category_id": 1, "keypoints": flat, "score": score})
    return people, results


def by_hand(path: Path, results: list[dict[str, Any]], images: list[int]) -> list[float]:
    """pycocotools alone, on the file as it is but for the annotation whose id is 0."""
    content = json.loads(path.read_text())
    for ann in content["annotations"]:
        ann["id"] += 1
    (path.parent / "truth.json").write_text(json.dumps(content))
    (path.parent / "results.json").write_text(json.dumps(results))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(path.parent / "truth.json")
        evaluation = COCOeval(truth, truth.loadRes(str(path.parent / "results.json")), "keypoints")
        evaluation.params.imgIds = images
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats[:6]]


def test_the_neck_is_dropped_and_the_order_is_cocos() -> None:
    keypoints = np.column_stack([np.arange(18.0), 100 + np.arange(18.0), np.full(18, 0.5)]).astype(np.float32)
    keypoints[7] = (np.nan, np.nan, 0.0)
    found = to_coco_17(keypoints, COCO_18)
    expected = [(0.0, 0.0, 0.0) if place == 7 else (place, 100 + place, 0.5) for place in PLACES]
    np.testing.assert_array_equal(found, expected)
    assert 1.0 not in found[:, 0]


def test_perfect_detections_are_perfect_and_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = open_labels(write_labels(tmp_path))
    people: dict[int, list[Person]] = {image: [] for image in labels.image_ids()}
    for ann in labels.annotations:
        if ann["num_keypoints"]:
            people[ann["image_id"]].append(person(np.array(ann["keypoints"], dtype=float).reshape(17, 3), 0.8))
    found = average_precision(labels, people, COCO_18)
    assert [getattr(found, name) for name in FIELDS] == pytest.approx([1.0] * 6)
    assert (found.images, found.labelled_people, found.note) == (8, 12, "")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("spread", [2.0, 6.0, 15.0])
def test_shifted_detections_give_what_pycocotools_gives_by_hand(tmp_path: Path, spread: float) -> None:
    path = write_labels(tmp_path)
    labels = open_labels(path)
    people, results = shifted(labels, spread)
    found = average_precision(labels, people, COCO_18)
    expected = by_hand(path, results, labels.image_ids())
    assert [getattr(found, name) for name in FIELDS] == pytest.approx(expected, abs=1e-9)
    assert 0.0 < expected[0] < 1.0 and found.detections == len(results)


def test_only_images_that_were_run_are_evaluated(tmp_path: Path) -> None:
    path = write_labels(tmp_path)
    labels = open_labels(path)
    people, results = shifted(labels, 6.0)
    some = {image: people[image] for image in (101, 103, 106)}
    found = average_precision(labels, some, COCO_18)
    chosen = [result for result in results if result["image_id"] in some]
    assert [getattr(found, name) for name in FIELDS] == pytest.approx(by_hand(path, chosen, sorted(some)), abs=1e-9)
    assert (found.images, found.labelled_people) == (3, 4)


def test_nobody_found_is_zero_and_nobody_labelled_is_none(tmp_path: Path) -> None:
    labels = open_labels(write_labels(tmp_path))
    nothing = average_precision(labels, {image: [] for image in labels.image_ids()}, COCO_18)
    assert [getattr(nothing, name) for name in FIELDS] == [0.0] * 6
    somebody = [person(labelled(np.random.default_rng(2), (20, 20), 90.0), 1.0)]
    for people in ({106: somebody, 107: []}, {106: []}):
        found = average_precision(labels, people, COCO_18)
        assert [getattr(found, name) for name in FIELDS] == [None] * 6
        assert found.note == "no person with labelled keypoints in these images" and found.labelled_people == 0


def test_a_size_that_nobody_has_is_none_with_the_reason(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    path = write_labels(tmp_path, annotations=[annotation(1, 100, labelled(rng, (20, 30), 60.0), 60.0)])
    labels = open_labels(path)
    found = average_precision(labels, shifted(labels, 0.0)[0], COCO_18)
    assert (found.ap, found.ap_m, found.ap_l) == (pytest.approx(1.0), pytest.approx(1.0), None)
    assert found.note == "ap_l: no labelled person of large size (over 96^2 px) in these images"


def test_images_that_the_labels_lack_are_refused(tmp_path: Path) -> None:
    labels = open_labels(write_labels(tmp_path))
    with pytest.raises(ValueError, match=r"\[5\]"):
        average_precision(labels, {5: [], 100: []}, COCO_18)
    with pytest.raises(ValueError, match="of 0"):
        average_precision(labels, {}, COCO_18)


def test_the_frames_go_with_the_ids(tmp_path: Path) -> None:
    labels = open_labels(write_labels(tmp_path))
    assert labels.source.names() == [str(i) for i in range(8)]
    assert labels.image_ids() == list(range(100, 108))


BOX = {"id": 1, "image_id": 100, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"annotations": [BOX]}, "has no keypoint labels .* person_keypoints_val2017.json"),
        ({"annotations": None}, "has no keypoint labels"),
        ({"annotations": [{**BOX, "keypoints": [0] * 51}]}, "no person in it has a labelled keypoint"),
        ({"annotations": [{**BOX, "keypoints": [1] * 54}]}, r"annotations\[0\].keypoints must be a list of 51"),
        ({"annotations": [{**BOX, "keypoints": [1] * 51, "area": None}]}, r"annotations\[0\].area must be a number"),
        ({"annotations": [{**BOX, "keypoints": [1] * 51, "bbox": [1, "2", 3, 4]}]}, r"bbox must be a list of 4"),
        ({"annotations": [{**BOX, "keypoints": [1] * 51, "image_id": "x"}]}, "no whole number `image_id`"),
        ({"categories": []}, "found none with keypoints"),
        ({"categories": [{"id": 1, "name": "hand", "keypoints": ["wrist", "thumb"]}]}, "hand with 2: wrist, thumb"),
        ({"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "a.png"}]}, "has two ids, 1 and 2"),
        ({"images": [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]}, "have the same id"),
        ({"images": [{"file_name": "a.png"}]}, r"images\[0\].id must be a whole number"),
    ],
)
def test_a_file_without_usable_labels_gets_a_sentence(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        open_labels(write_labels(tmp_path, **changes))


def test_a_skeleton_without_cocos_keypoints_is_refused(tmp_path: Path) -> None:
    """Otherwise each of them would count as missed, and the AP would stand beside COCO's."""
    labels = open_labels(write_labels(tmp_path))
    with pytest.raises(UserError, match="AP needs COCO's 17 keypoints; mpi-15 has no nose, left_eye, right_eye"):
        average_precision(labels, {image: [] for image in labels.image_ids()}, MPI_15)
