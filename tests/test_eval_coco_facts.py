"""Facts of labels that are compared with each other and with the images: what is wrong is refused with its name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compress_tiny_run import TinyRun, set_to
from PIL import Image

from compress.cli.main import run_command
from compress.training.labelled_data import HeldOut, open_labelled
from eval import coco_labels
from eval.coco_labels import COCO_17, open_labels
from eval.frames import Unreadable
from teachers.common.errors import UserError
from teachers.openpose_thin import spec

SIZE = (160, 120)
Change = Callable[[dict[str, Any]], object]


def person(image_id: int, place: int = 0) -> dict[str, Any]:
    keypoints = [value for n in range(17) for value in (20 + place + 4 * (n % 5), 20 + 5 * (n % 7), 2)]
    box = [18 + place, 18, 24, 36]
    return {
        "image_id": image_id, "category_id": 1, "keypoints": keypoints, "num_keypoints": 17, "bbox": box, "area": 500.0,
        "iscrowd": 0,
    }  # fmt: skip


def labels_file(folder: Path, change: Change = lambda content: None, size: tuple[int, int] = SIZE) -> Path:
    """Four images of one person each, and what `change` makes of the file's content."""
    for number in range(4):
        Image.new("RGB", size, (90, 40 * number, 20)).save(folder / f"{number}.png")
    content = {
        "images": [{"id": 10 + n, "file_name": f"{n}.png", "width": SIZE[0], "height": SIZE[1]} for n in range(4)],
        "annotations": [person(10 + n) for n in range(4)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17)}, {"id": 2, "name": "dog"}],
    }
    change(content)
    path = folder / "labels.json"
    path.write_text(json.dumps(content))
    return path


def set_in(*places: int, **values: Any) -> Change:
    """Changes these annotations."""

    def change(content: dict[str, Any]) -> None:
        for place in places:
            content["annotations"][place] |= values

    return change


def scaled(content: dict[str, Any], factor: float) -> None:
    for one in content["annotations"]:
        points = one["keypoints"]
        points[0::3], points[1::3] = ([value * factor for value in points[axis::3]] for axis in (0, 1))


def without_sizes(content: dict[str, Any]) -> None:
    for image in content["images"]:
        del image["width"], image["height"]


def outside(content: dict[str, Any]) -> None:
    without_sizes(content)
    scaled(content, 8)


def corners(content: dict[str, Any]) -> None:
    for one in content["annotations"]:
        one["keypoints"][0::3] = [100] * 17
        one["bbox"] = [98, 20, 140, 110]  # left, top, right, bottom


FLAGS = [value for n in range(17) for value in (20, 20 + n, 0.9)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (set_in(1, area=0), r"`area` must be above 0.*annotations\[1\] of 1.png"),
        (set_in(0, 1, 2, 3, area=-4.0), r"annotations\[0\] of 0.png; .*annotations\[2\] of 2.png; and 1 more"),
        (set_in(2, area=5000), r"`area` is larger than the box.*annotations\[2\] of 2.png"),
        (set_in(0, 1, 2, 3, area=0.02), "half of the people have an `area` below 1% of their box"),
        (set_in(2, category_id=7), r"its `categories` lack .*annotations\[2\].category_id is 7"),
        (lambda content: content["annotations"][1].pop("category_id"), r"annotations\[1\].category_id is None"),
        (set_in(3, image_id=99), r"its `images` lack .*annotations\[3\].image_id is 99"),
        (set_in(3, keypoints=FLAGS), r"the third number of a keypoint must be 0 .*annotations\[3\] of 3.png"),
        (set_in(0, num_keypoints=0), r"`num_keypoints` is not the number of labelled keypoints.*of 0.png"),
        (lambda content: scaled(content, 8), r"most labelled keypoints lie outside the image.*of 0.png"),
        (lambda content: scaled(content, 1 / 500), "all keypoints lie between 0 and 1"),
        (corners, "more than half of the boxes reach beyond their images"),
        (set_in(0, bbox=[40, 60, -20, -40], area=1), "a `bbox` has a negative size"),
        (lambda content: content["annotations"].append(person(12)), r"stand there twice; .*annotations\[4\] of 2.png"),
        (outside, "belong together: 0.png is 160 x 120 pixels, and most of its labelled keypoints lie outside"),
        (lambda content: content["images"][2].update(width=0), r"images\[2\]: 0 x 120 is no width and height"),
        (lambda content: content["images"][2].pop("width"), r"images\[2\]: None x 120 is no width and height"),
        (
            lambda content: content["images"][1].update(width=120, height=160),
            "belong together: 1.png is 160 x 120 pixels, its labels are for 120 x 160",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_images(change: Change, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=told):
        open_labels(labels_file(tmp_path, change))


NOBODY = {"keypoints": [0] * 51, "num_keypoints": 0}


@pytest.mark.parametrize(
    "change",
    [
        lambda content: None,
        without_sizes,
        set_in(1, **NOBODY, area=0),
        set_in(1, **NOBODY, iscrowd=1, area=4000, bbox=[0, 0, 160, 120]),
        set_in(1, category_id=2, keypoints=None, area=-1),
        lambda content: content["annotations"].append(person(12, place=40)),
        lambda content: content["annotations"][0].pop("num_keypoints"),
        lambda content: content["annotations"][0]["keypoints"].__setitem__(slice(0, 6), [-30, 5, 1, 300, 5, 1]),
    ],
)
def test_what_can_be_is_taken(change: Change, tmp_path: Path) -> None:
    assert len(open_labels(labels_file(tmp_path, change)).ids) == 4


def test_a_picture_on_its_side_is_compared_upright(tmp_path: Path) -> None:
    """EXIF turns it, for us as for those who labelled it; labels of the picture before that are others."""
    path = labels_file(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (SIZE[1], SIZE[0])).save(tmp_path / "1.png", exif=exif)
    assert len(open_labels(path).ids) == 4
    Image.new("RGB", SIZE).save(tmp_path / "1.png", exif=exif)
    with pytest.raises(UserError, match=r"1\.png is 120 x 160 pixels, its labels are for 160 x 120"):
        open_labels(path)


def test_what_is_not_looked_at_in_the_beginning_is_found_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = labels_file(tmp_path)
    Image.new("RGB", (80, 60)).save(tmp_path / "1.png")
    monkeypatch.setattr(coco_labels, "_SIZES_READ", 2)
    source = open_labels(path).source
    found = [frame for _, frame in source.read([0, 1])]
    assert isinstance(found[1], Unreadable) and "is 80 x 60 pixels, its labels are for 160 x 120" in found[1].reason
    assert not isinstance(found[0], Unreadable)


def test_a_file_that_is_not_there_or_broken_is_no_contradiction(tmp_path: Path) -> None:
    path = labels_file(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no picture")
    (tmp_path / "2.png").unlink()
    assert len(open_labels(path).ids) == 4


def test_a_teacher_does_not_learn_from_them(tmp_path: Path) -> None:
    half = labels_file(tmp_path, size=(80, 60))
    with pytest.raises(UserError, match=r"labels and images do not belong together: 0\.png is 80 x 60 pixels"):
        open_labelled([str(half)], None, HeldOut(), spec(), 0)


def test_ap_is_not_measured_on_them(tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = labels_file(tmp_path, size=(80, 60))
    out, quick = tmp_path / "out", set_to(f"measure.ap={{labels: {path}, images: 2}}", "objectives=[params, ap]")
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out), *quick]) == 2
    told = capsys.readouterr().err
    assert "0.png is 80 x 60 pixels, its labels are for 160 x 120; 1.png" in told and "and 1 more" in told
    assert not out.exists()
