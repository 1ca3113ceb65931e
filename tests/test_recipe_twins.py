"""Every recipe that is shipped, as it stands, on a tiny teacher and photographs: its twin that runs in seconds.

Names, steps and settings are the recipe's own; what makes it long is cut: frames, scales, steps of training, rounds.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from compress_tiny_run import make_photos, records, rows
from conftest import LICENCE
from training_jobs import one_thread
from training_targets import tiny_teacher
from training_views import script

from compress.cli.main import run_command
from teachers.checkpoint import save_model

pytestmark = pytest.mark.usefixtures("without_pictures")

ROOT = Path(__file__).resolve().parents[1]
RECIPES = (
    "backbone_swap",
    "channel_prune",
    "deep_compression",
    "distill_few_stages",
    "distill_stages",
    "follow",
    "mobile",
    "mobile_student",
    "quantize",
    "students_fresh",
    "students_narrow",
    "students_stages",
)
"""stage_prune has a twin and many tests of its own (test_run_runner.py); openpose_vgg is stage_prune again."""
SHORT = {"steps": 2, "batch_size": 2, "crop": [64, 80], "validate_every": 2, "warmup": 0}
MOST = 3
"""Candidates of one kind: seven backbones are exported in a test of their own."""


@pytest.fixture(autouse=True)
def _alone(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, and a cache of the twins' own."""
    one_thread(monkeypatch)
    monkeypatch.setenv("COMPRESS_CACHE", str(here / "cache"))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twins")
    save_model(folder / "teacher", tiny_teacher(), LICENCE)
    make_photos(folder / "photos", 4)
    return folder


def twin(recipe: dict[str, Any], here: Path) -> dict[str, Any]:
    """The recipe, made short."""
    small = copy.deepcopy(recipe)
    photos = str(here / "photos")
    small |= {"teacher": str(here / "teacher"), "scales": [0.25], "goals": [], "objectives": ["params", "joint_rel_l2"]}
    small["data"] |= {"source": photos, "images": 1}
    small["measure"] = {"latency": False, "memory": False}
    if "training" in small:
        small["training"] |= {"data": [{"source": photos}], "scales": [0.25], "val_frames": 1}
        if "views" in small["training"]:
            small["training"]["views"] |= {"sizes": [[64, 48], [48, 32]], "frame_size": [48, 64]}
            small["training"]["ensemble"] = {"heights": [48, 64]}
    for candidate in small["candidates"]:
        for step in candidate["steps"]:
            _shorten(step)
            if step["step"] == "load_model":
                step["model"] = str(here / "teacher")
        _look_closely(candidate.get("inference", {}))
    # Where YAML has one step twice, by its anchor, both are the same object: it was made short once or twice, alike.
    return small


def _look_closely(inference: dict[str, Any]) -> None:
    """Windows and scales of the size of the twin's photographs."""
    roi = inference.get("roi")
    if roi is not None:
        roi["size"] = {"each": [[64, 48]]} if isinstance(roi["size"], dict) else [64, 48]
        roi["redetect"] = {"scale": 0.25}
    if "scales" in inference:
        inference["scales"]["each"] = [[0.25]]


def _shorten(step: dict[str, Any]) -> None:
    if step["step"] == "remove_stages" and isinstance(step["stages"], int):
        step["stages"] = min(2, step["stages"])
    for name, value in step.items():
        if isinstance(value, dict) and "each" in value:
            # The tiny teacher has three stages.
            fitting = [one for one in value["each"] if step["step"] != "remove_stages" or one <= 2]
            value["each"] = fitting[:MOST] if name == "backbone" else (fitting or [2])[-1:]
    for learning in (step if step["step"] == "distill" else None, step.get("finetune"), step.get("qat")):
        if learning is not None:
            learning["schedule"] |= SHORT
            learning["ignore_border"] = 1
    if step["step"] == "prune_channels":
        step |= {"round_to": 2, "calibration_frames": 4}
    if step["step"] in ("swap_backbone", "replace_stages") and isinstance(step.get("width"), float | int):
        step["width"] = 0.1 if step["step"] == "swap_backbone" else 8
    if "iterative_steps" in step:
        step["iterative_steps"] = 2


def _trains(step: dict[str, Any]) -> bool:
    return step["step"] == "distill" or "qat" in step


@pytest.mark.parametrize("name", RECIPES)
def test_the_twin_runs_to_its_report(name: str, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = yaml.safe_load((ROOT / "recipes" / f"{name}.yaml").read_text())
    small = twin(recipe, here)
    script(monkeypatch)  # the tiny teacher's answers are noise, in which nobody is found
    (tmp_path / "twin.yaml").write_text(yaml.safe_dump(small))
    out = tmp_path / "out"
    assert run_command(["run", str(tmp_path / "twin.yaml"), "--out", str(out)]) == 0
    found = records(out)
    assert len(found) == len(rows(out)) > len(small["candidates"])
    assert [record["error"] for record in found] == [None] * len(found)
    assert (out / "report.html").is_file()
    learned = [record["name"] for record in found if any(note["kind"] == "training" for note in record["notes"])]
    learning = [step for candidate in small["candidates"] for step in candidate["steps"] if _trains(step)]
    assert bool(learned) == bool(learning)


def test_every_recipe_has_a_twin_here_or_elsewhere() -> None:
    shipped = {path.stem for path in (ROOT / "recipes").glob("*.yaml")}
    elsewhere = {"stage_prune", "openpose_vgg", "teacher_train", "search_stages", "search_mobile"}
    assert shipped == {*RECIPES, *elsewhere}
