"""`inference` in a recipe: for all or for each candidate, with `each`, names, and every mistake where it stands."""

from pathlib import Path

import pytest

from compress.recipe.loader import load_recipe
from eval.inference import Inference, Redetect, Roi
from teachers.common.errors import UserError

HEAD = """\
teacher: openpose-mobilenet-thin
data: {source: sports2d-demo, images: 8}
candidates:
"""
STAGES = "steps: [{step: remove_stages, stages: {each: [3, 2]}}]"


def recipe_of(tmp_path: Path, candidates: str, common: str = "") -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + candidates + common)
    return path


def mistakes(path: Path) -> list[str]:
    with pytest.raises(UserError) as refused:
        load_recipe(path)
    return [line.removeprefix(f"{path}:") for line in str(refused.value).splitlines()]


def test_each_combination_of_steps_and_ways_is_a_candidate(tmp_path: Path) -> None:
    text = f"  - name: s{{stages}}-{{scales}}\n    {STAGES}\n    inference: {{scales: {{each: [[1.0], [0.5, 1.0]]}}}}\n"
    text += f"  - name: w{{stages}}-{{size}}-{{every_s}}\n    {STAGES}\n"
    text += "    inference: {roi: {size: {each: [[256, 192], [184, 136]]}, redetect: {every_s: 2.0}}}\n"
    found = load_recipe(recipe_of(tmp_path, text)).candidates
    assert [plan.name for plan in found] == [
        "s3-1", "s3-0.5-1", "s2-1", "s2-0.5-1",
        "w3-256x192-2.0", "w3-184x136-2.0", "w2-256x192-2.0", "w2-184x136-2.0",
    ]  # fmt: skip
    assert found[1].inference == Inference(scales=(0.5, 1.0))
    assert found[5].inference == Inference(roi=Roi(size=(184, 136), redetect=Redetect(every_s=2.0)))


def test_the_teachers_network_run_otherwise_is_a_candidate(tmp_path: Path) -> None:
    text = "  - steps: []\n    inference: {roi: {size: [256, 192]}}\n  - steps: []\n    inference: {scales: [0.5]}\n"
    assert [plan.name for plan in load_recipe(recipe_of(tmp_path, text)).candidates] == ["roi-256x192", "scale-0.5"]


def test_one_for_all_is_that_of_candidates_without_their_own(tmp_path: Path) -> None:
    text = f"  - {{name: 'a-{{stages}}', {STAGES}}}\n  - name: b\n    steps: []\n    inference: {{scales: [0.5]}}\n"
    recipe = load_recipe(recipe_of(tmp_path, text, "inference: {roi: {size: [184, 136], people: 2}}\n"))
    ways = [recipe.inference_of(plan) for plan in recipe.candidates]
    window = Inference(roi=Roi(size=(184, 136), people=2))
    assert ways == [window, window, Inference(scales=(0.5,))]


def test_the_canonical_text_can_be_run_again(tmp_path: Path) -> None:
    text = f"  - name: w{{stages}}\n    {STAGES}\n    inference: {{roi: {{size: [256, 192]}}}}\n"
    recipe = load_recipe(recipe_of(tmp_path, text))
    again = tmp_path / "again.yaml"
    again.write_text(recipe.to_yaml())
    assert load_recipe(again) == recipe
    assert "null" not in recipe.only("w3").to_yaml().split("inference:")[1].split("training:")[0]


WRONG = {
    "no step": (
        "  - {name: a, steps: []}\n",
        "4 candidates.0.steps: needs at least one step, or an `inference` beside it",
    ),
    "both": (
        "  - {name: a, steps: [], inference: {scales: [1], roi: {size: [256, 192]}}}\n",
        "4 candidates.0.inference: expected either `scales` or `roi`, got a mapping",
    ),
    "none of them": (
        "  - {name: a, steps: [], inference: {}}\n",
        "4 candidates.0.inference: expected either `scales` or `roi`, got a mapping",
    ),
    "no scale": (
        "  - {name: a, steps: [], inference: {scales: []}}\n",
        "4 candidates.0.inference.scales: must hold at least 1, got 0",
    ),
    "no multiple": (
        "  - name: a-{size}\n    steps: []\n    inference: {roi: {size: {each: [[250, 192], [184, 136]]}}}\n",
        "6 candidates.0.inference.roi.size.each.0: must be multiples of 8, got 250x192; 248x192 would do",
    ),
    "margin": (
        "  - {name: a, steps: [], inference: {roi: {size: [256, 192], margin: 0.9}}}\n",
        "4 candidates.0.inference.roi.margin: must be at least 1, got 0.9",
    ),
    "never": (
        "  - {name: a, steps: [], inference: {roi: {size: [256, 192], redetect: {every_s: 0}}}}\n",
        "4 candidates.0.inference.roi.redetect.every_s: must be more than 0, got 0",
    ),
    "too large": (
        "  - {name: a, steps: [], inference: {roi: {size: [16000, 192]}}}\n",
        "4 candidates.0.inference.roi.size.0: must be at most 8192, got 16000",
    ),
    "unknown": (
        "  - {name: a, steps: [], inference: {roi: {size: [256, 192], margn: 1.2}}}\n",
        "4 candidates.0.inference.roi.margn: unknown key (did you mean margin?)",
    ),
    "one name": (
        "  - {name: a, steps: [], inference: {roi: {size: {each: [[256, 192], [184, 136]]}}}}\n",
        "4 candidates.0.name: several candidates would be called 'a'; put {size} into the name",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_says_where_and_what_would_do(case: str, tmp_path: Path) -> None:
    text, expected = WRONG[case]
    assert mistakes(recipe_of(tmp_path, text)) == [expected]


def test_a_mistake_in_the_common_one_stands_there(tmp_path: Path) -> None:
    text = f"  - {{name: 'a-{{stages}}', {STAGES}}}\n"
    found = mistakes(recipe_of(tmp_path, text, "inference: {roi: {size: [250, 192]}}\n"))
    assert found == ["5 inference.roi.size: must be multiples of 8, got 250x192; 248x192 would do"]


def test_a_scale_of_the_clip_alone_is_gone(tmp_path: Path) -> None:
    text = f"  - {{name: 'a-{{stages}}', {STAGES}}}\n"
    (found,) = mistakes(recipe_of(tmp_path, text, "measure: {kinematics: {scale: 0.5}}\n"))
    assert "measure.kinematics.scale: unknown key" in found
