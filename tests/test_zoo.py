"""The network that is shipped: it runs at once, says its licence, and sees whom the teacher sees."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from conftest import TEACHER
from numpy.typing import NDArray

from compress.cli.main import run_command

ZOO = Path(__file__).parent.parent / "zoo"
MODELS = sorted(ZOO.glob("*/model.onnx"))
MOST_BYTES = 3_000_000


def test_there_is_one() -> None:
    assert MODELS


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.parent.name)
def test_it_finds_the_teachers_people(
    model: Path, sample_images: list[NDArray[np.uint8]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert model.stat().st_size < MOST_BYTES
    assert {"LICENCE.txt", "README.md", "recipe.yaml"} <= {path.name for path in model.parent.iterdir()}
    paths = [tmp_path / f"{n}.png" for n in range(len(sample_images))]
    for path, image in zip(paths, sample_images, strict=True):
        assert cv2.imwrite(str(path), image)
    found = {}
    for name in (TEACHER, str(model)):
        out = tmp_path / Path(name).name
        assert run_command(["predict", name, *map(str, paths), "--out", str(out)]) == 0
        found[name] = [_people(json.loads(path.read_text())) for path in sorted(out.glob("*_keypoints.json"))]
    capsys.readouterr()
    distances = [
        _nearest(person, others)
        for ours, others in zip(found[TEACHER], found[str(model)], strict=True)
        for person in ours
        if person[:, 2].sum() > 12
    ]
    # Pixels of a frame 480 or more high, the median keypoint of each person of whom the teacher sees most.
    assert distances and float(np.median(distances)) < 6


def _people(data: Any) -> list[NDArray[np.float64]]:
    return [np.array(person["pose_keypoints_2d"], dtype=float).reshape(-1, 3) for person in data["people"]]


def _nearest(person: NDArray[np.float64], others: list[NDArray[np.float64]]) -> float:
    """Median distance of the keypoints that both have, to the person nearest by it."""
    found = [
        float(np.median(np.hypot(*(person - other)[both, :2].T)))
        for other in others
        if (both := (person[:, 2] > 0) & (other[:, 2] > 0)).sum() >= 6
    ]
    return min(found, default=float("inf"))
