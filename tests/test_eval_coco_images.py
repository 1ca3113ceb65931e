"""The images of a COCO file: where they are looked for, and files that are none."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from eval.frames import Unreadable, draw_sample, open_source
from teachers.common.errors import UserError


@pytest.mark.parametrize("layout", ["beside", "same", "coco"])
def test_a_coco_file_finds_its_images(tmp_path: Path, layout: str) -> None:
    images = {"beside": tmp_path / "val", "same": tmp_path, "coco": tmp_path / "val2017"}[layout]
    home = tmp_path / "annotations" if layout == "coco" else tmp_path
    for folder in (images, home, tmp_path / "aaa"):
        folder.mkdir(exist_ok=True)
    for number in range(3):
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(images / f"{number}.png")
    listed = [{"file_name": f"{number}.png", "id": number} for number in (2, 0, 1, 7, 2)]
    path = home / "person_keypoints_val2017.json"
    path.write_text(json.dumps({"images": listed, "annotations": []}))
    source = open_source(str(path))
    assert source.names() == ["2", "0", "1", "7"]
    sample = draw_sample(source, 10, 3)
    assert sample.indices == (0, 1, 2) and sample.asked == 10
    assert sample.unreadable == (Unreadable("7", "the file is missing"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "this is a list"),
        ('{"images": [', r":1: is no JSON"),
        ("\xff\xfe", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('{"annotations": []}', "its keys: annotations"),
        ('{"images": []}', "is empty"),
        ('{"images": [{"id": 3}]}', r"images\[0\] has no usable `file_name`, found None"),
        ('{"images": [{"file_name": "../../etc/x.png"}]}', "must lie below"),
    ],
)
def test_a_bad_coco_file_gets_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=said):
        open_source(str(path))
