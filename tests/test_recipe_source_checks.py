"""What `compress check` finds out about frames, videos, labels and weights, which a run would refuse at once."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from compress_recipe_text import GOOD, changed, load, mistakes
from kinematic_videos import even_times, grey_video
from training_labels import drawn_people

TRAINING = "training: {{data: {data}}}\n"


def picture(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), np.full((32, 32, 3), 128, np.uint8))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        picture(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("no picture")
    return tmp_path / "texts"


def test_ap_needs_labels(photos: Path, tmp_path: Path) -> None:
    asked = GOOD.replace("  memory: true\n", "  memory: true\n  ap: {}\n")
    (found,) = mistakes(asked)
    assert found.startswith(
        "x.yaml:16 measure.ap: AP needs a COCO keypoint file, 'sports2d-demo' is none; set measure.ap"
    )
    (found,) = mistakes(asked, f"data.source={photos}")
    assert found.startswith("x.yaml:16 measure.ap: AP needs a COCO keypoint file, ")
    (found,) = mistakes(asked, f"measure.ap.labels={picture(photos / '0.png')}")
    assert "measure.ap.labels: AP needs a COCO keypoint file, " in found
    unlabelled = tmp_path / "none.json"
    unlabelled.write_text('{"images": [{"id": 1, "file_name": "photos/0.png"}], "annotations": [], "categories": []}')
    (found,) = mistakes(asked, f"measure.ap.labels={unlabelled}")
    assert "measure.ap.labels" in found and "has no keypoint labels" in found
    labelled = drawn_people(tmp_path / "people.json")
    assert load(asked, f"measure.ap.labels={labelled}").measure.ap
    assert load(asked, f"data.source={labelled}").measure.ap


def test_joint_angles_need_a_video(photos: Path, tmp_path: Path) -> None:
    asked = GOOD.replace("  memory: true\n", "  memory: true\n  kinematics: {}\n")
    assert load(asked).measure.kinematics, "the built-in sample is a video"
    (found,) = mistakes(asked, f"data.source={photos}")
    assert found.startswith("x.yaml:16 measure.kinematics: joint angles over time need a video, ")
    (found,) = mistakes(asked, f"measure.kinematics.video={photos}")
    assert "measure.kinematics.video: joint angles over time need a video" in found
    (tmp_path / "damaged.mp4").write_bytes(b"not a video")
    (found,) = mistakes(asked, f"measure.kinematics.video={tmp_path / 'damaged.mp4'}")
    assert "measure.kinematics.video" in found and "damaged.mp4" in found
    video = grey_video(tmp_path / "walk.mp4", even_times(20))
    assert load(asked, f"data.source={photos}", f"measure.kinematics.video={video}").measure.kinematics


def test_sources_hold_frames(photos: Path, texts: Path) -> None:
    (found,) = mistakes(changed("sports2d-demo", str(texts)))
    assert found.startswith("x.yaml:3 data.source: ") and "no image in this folder" in found
    (found,) = mistakes(GOOD + TRAINING.format(data=f"[{{source: {photos}}}, {{source: {texts}}}]"))
    assert found.startswith("x.yaml:17 training.data.1.source: ") and "no image in this folder" in found
    (found,) = mistakes(GOOD + TRAINING.format(data=f"[{{source: {photos}, start: 3}}]"))
    assert found == f"x.yaml:17 training.data.0: {photos} has 3 frames, none from 3 on"
    (found,) = mistakes(GOOD + TRAINING.format(data=f"[{{source: {photos}, stride: 3}}]"))
    assert found == "x.yaml:17 training.data: 1 frame is too few: one to learn from and one to hold out"
    assert load(GOOD + TRAINING.format(data=f"[{{source: {photos}, start: 1}}]")).training


def test_weights_are_those_of_the_backbone(tmp_path: Path) -> None:
    weights = tmp_path / "other.pth"
    torch.save({"conv.weight": torch.zeros(8, 3, 5, 5), "conv.bias": torch.zeros(8)}, weights)
    step = "step: swap_backbone\n        backbone: {each: [mobilenet-v1, squeezenet-1.1]}\n        pretrained: "
    text = changed("step: remove_stages\n        stages: {each: [5, 4]}", step + str(weights))
    text = text.replace("-{stages}", "-{backbone}")
    found = mistakes(text)
    assert found and all("candidates.0.steps.0.pretrained: " in line and "other.pth" in line for line in found)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("measure.ap=true", "measure.ap: expected a mapping of settings ({} for the defaults), got true"),
        ("measure.kinematics=3", "measure.kinematics: expected a mapping of settings ({} for the defaults), got 3"),
        ("measure.latency={runtime: onnxruntime, extra_runtimes: [onnxruntime]}", "measure.latency: "),
        ("measure.ap={images: 0}", "measure.ap.images: must be at least 1, got 0"),
        ("measure.kinematics={frame: 3}", "measure.kinematics.frame: unknown key (did you mean frames?)"),
        ("search={trials: 3}", "search.vary: must be given"),
    ],
)
def test_a_mistake_stands_where_the_user_wrote_it(override: str, told: str) -> None:
    assert any(f"{told}" in line.partition(": ")[2] or f" {told}" in line for line in mistakes(GOOD, override))
