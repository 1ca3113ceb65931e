"""Recipes: those we ship, all mistakes at once in the order of the file, `each`, names, and the canonical text."""

import re
import time
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import yaml
from compress_recipe_text import GOOD, changed, load, mistakes
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from compress.common.yaml_source import dump_yaml, parse_yaml
from compress.core.candidate import Candidate
from compress.recipe.loader import load_recipe, stored_recipe
from compress.recipe.models import AnyStep
from compress.recipe.schema import editor_schema
from compress.results.objectives import OBJECTIVES
from compress.steps import STEPS
from compress.steps.base import Step
from compress.steps.context import StepContext
from teachers.common.errors import UserError
from teachers.spec import PoseNetSpec

ROOT = Path(__file__).parents[1]
OTHERS = {"teacher_train.yaml"}  # of another command: tests/test_teacher_training_recipe.py
RECIPES = sorted(path for path in (ROOT / "recipes").iterdir() if path.name not in OTHERS)


def test_every_recipe_loads_and_agrees_with_the_schema() -> None:
    assert RECIPES
    for path in RECIPES:
        assert path.suffix == ".yaml"
        recipe = load_recipe(path)
        jsonschema.Draft202012Validator(editor_schema()).validate(yaml.safe_load(path.read_text()))
        assert "# yaml-language-server: $schema=../docs/recipe.schema.json" in path.read_text().splitlines()
        assert re.search(rf"compress (run|search) recipes/{re.escape(path.name)}", path.read_text())
        assert recipe.candidates


def test_stage_prune_is_the_experiment_of_the_paper() -> None:
    recipe = load_recipe(ROOT / "recipes" / "stage_prune.yaml")
    assert recipe.teacher == "openpose-mobilenet-thin"
    assert (recipe.data.source, recipe.data.images, recipe.data.seed) == ("sports2d-demo", 100, 0)
    assert recipe.scales == (0.5, 1.0, 1.5, 2.0)
    assert [plan.name for plan in recipe.candidates] == [
        *(f"stages-{n}" for n in (5, 4, 3, 2, 1)), "window-256x192", "window-192x144",
    ]  # fmt: skip
    assert recipe.objectives == ("latency_ms", "joint_rel_l2")


def test_all_mistakes_come_at_once_in_the_order_of_the_file() -> None:
    text = """\
teecher: openpose-mobilenet-thin
data: {source: sports2d-demo, images: many}
scales: [0, 1, 1]
candidates:
  - steps: [{step: remove_stages, stages: 9}, {step: shrink}]
  - name: a b
    steps: [{step: remove_stages}]
measure: {latency: false, memory: 1}
objectives: [latency_ms, beauty]
"""
    objectives = ", ".join(OBJECTIVES)
    assert mistakes(text, "data.seed=x", "dta.images=3") == [
        "x.yaml:1 teacher: must be given",
        "x.yaml:1 teecher: unknown key (did you mean teacher?)",
        "x.yaml:2 data.images: expected a whole number, got 'many'",
        "x.yaml:3 scales.0: must be more than 0, got 0",
        "x.yaml:3 scales.2: 1 is there twice, first at scales.1",
        f"x.yaml:5 candidates.0.steps.1.step: no step is called 'shrink' (there is: {', '.join(names_of_steps())})",
        "x.yaml:6 candidates.1.name: must be 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first, "
        "got 'a b'",
        "x.yaml:7 candidates.1.steps.0.stages: must be given",
        "x.yaml:8 measure.memory: expected true or false, got 1",
        "x.yaml:9 objectives.0: latency_ms is not measured, because measure.latency is false",
        f"x.yaml:9 objectives.1: expected one of the names there are, got 'beauty' (there is: {objectives})",
        "--set data.seed=x data.seed: expected a whole number, got 'x'",
        "--set dta.images=3: a recipe has no such path (did you mean data.images?)",
    ]


def names_of_steps() -> list[str]:
    return sorted(step.model_fields["step"].default for step in STEPS)


def test_a_step_that_cannot_work_is_found_beside_one_that_is_misspelt() -> None:
    text = changed("stages: {each: [5, 4]}", "stages: 9\n      - {step: shrink}").replace(
        "name: stages-{stages}\n    ", ""
    )
    found = mistakes(text)
    assert [line.split(": ")[0] for line in found] == [
        "x.yaml:10 candidates.0.steps.0.stages",
        "x.yaml:11 candidates.0.steps.1.step",
    ]


def test_a_new_step_is_known_without_a_change_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shrink(Step):
        step: Literal["shrink"] = "shrink"
        ratio: float

        def check(self, spec: PoseNetSpec) -> PoseNetSpec:
            return spec

        def apply(self, candidate: Candidate, context: StepContext) -> Candidate:
            return candidate

    monkeypatch.setattr("compress.recipe.models.STEPS", (*STEPS, Shrink))
    steps: TypeAdapter[Step] = TypeAdapter(AnyStep)
    assert steps.validate_json('{"step": "shrink", "ratio": 0.5}') == Shrink(ratio=0.5)
    assert steps.validate_json('{"step": "remove_stages", "stages": 2}').model_dump()["stages"] == 2


def test_thousands_of_mistakes_are_cut_short_quickly() -> None:
    start = time.monotonic()
    lines = mistakes(GOOD + "".join(f"key{n}: 1\n" for n in range(3_000)))
    assert len(lines) == 101
    assert lines[-1] == "and more: these are the first 100"
    assert time.monotonic() - start < 5


def test_each_gives_every_combination_the_last_varying_fastest() -> None:
    text = changed(
        "stages: {each: [5, 4]}", "stages: {each: [5, 4]}\n      - {step: remove_stages, stages: {each: [3, 2]}}"
    )
    recipe = load(text.replace("name: stages-{stages}\n    ", ""))
    steps = [[step.model_dump()["stages"] for step in plan.steps] for plan in recipe.candidates]
    assert steps == [[5, 3], [5, 2], [4, 3], [4, 2]]
    assert recipe.candidates[0].name == "remove_stages-5--remove_stages-3"
    assert len({plan.name for plan in recipe.candidates}) == 4


def test_in_a_name_what_varies_goes_before_what_is_fixed() -> None:
    recipe = load(changed("stages: {each: [5, 4]}", "stages: 5\n      - {step: remove_stages, stages: {each: [3, 2]}}"))
    assert [plan.name for plan in recipe.candidates][:2] == ["stages-3", "stages-2"]


def test_names_made_from_long_steps_fit_and_differ() -> None:
    steps = (
        "[" + ", ".join(["{step: remove_stages, stages: 6}"] * 7) + ", {step: remove_stages, stages: {each: [1, 2]}}]"
    )
    text = f"teacher: openpose-mobilenet-thin\ndata: {{source: sports2d-demo}}\ncandidates: [{{steps: {steps}}}]"
    names = [plan.name for plan in load(text).candidates]
    assert len(set(names)) == 2
    assert all(len(name) == 64 for name in names)


def test_defaults_fill_what_is_not_written() -> None:
    text = """\
teacher: openpose-mobilenet-thin
data: {source: sports2d-demo}
candidates: [{steps: [{step: remove_stages, stages: 2}]}]
"""
    recipe = load(text)
    assert (recipe.data.images, recipe.data.seed, recipe.scales) == (100, 0, (0.5, 1.0, 1.5, 2.0))
    assert recipe.measure.latency
    assert recipe.measure.latency.rounds == 12
    assert recipe.candidates[0].name == "remove_stages-2"


def test_anchors_are_allowed() -> None:
    text = changed("{each: [5, 4]}", "{each: &few [3, 2]}").replace("scales: [0.5, 1]", "scales: &s [0.5, 1]")
    more = "  - {name: 'again-{stages}', steps: [{step: remove_stages, stages: {each: *few}}]}\nmeasure:"
    assert [plan.name for plan in load(text.replace("measure:", more)).candidates] == [
        "stages-3", "stages-2", "again-3", "again-2",
    ]  # fmt: skip


def test_names_that_no_file_system_takes_are_mistakes_not_crashes() -> None:
    long = "a" * 300
    text = changed("sports2d-demo", long).replace("openpose-mobilenet-thin", long)
    assert [line.split(": ")[0] for line in mistakes(text)] == ["x.yaml:1 teacher", "x.yaml:3 data.source"]
    odd = changed("sports2d-demo", "~nobody-here/x").replace("openpose-mobilenet-thin", "~nobody-here/x")
    assert [line.split(": ")[0] for line in mistakes(odd)] == ["x.yaml:1 teacher", "x.yaml:3 data.source"]


def test_a_stored_recipe_needs_nothing_of_this_machine(tmp_path: Path) -> None:
    recipe = load(GOOD).model_copy(update={"teacher": "gone"})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert stored_recipe(tmp_path / "recipe.yaml") == recipe
    with pytest.raises(UserError, match="no teacher is called 'gone'"):
        load_recipe(tmp_path / "recipe.yaml")


def test_one_candidate_alone_is_a_recipe() -> None:
    recipe = load(GOOD).only("stages-4")
    assert [plan.name for plan in load(recipe.to_yaml()).candidates] == ["stages-4"]
    with pytest.raises(KeyError):
        recipe.only("stages-9")


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(lambda n: n.lower() != "teacher")
KEEPS = st.integers(1, 6)
WRITTEN = st.fixed_dictionaries(
    {
        "teacher": st.just("openpose-mobilenet-thin"),
        "data": st.fixed_dictionaries(
            {"source": st.sampled_from(["sports2d-demo", str(ROOT / "docs" / "images")])},
            optional={"images": st.integers(1, 10**6), "seed": st.integers(0, 2**32 - 1)},
        ),
        "candidates": st.lists(
            st.fixed_dictionaries(
                {
                    "name": NAMES.map(lambda name: name + "-{stages}"),
                    "stages": st.one_of(KEEPS, st.lists(KEEPS, min_size=1, unique=True).map(lambda v: {"each": v})),
                }
            ),
            min_size=1,
            max_size=5,
            unique_by=lambda candidate: candidate["name"].lower(),
        ),
    },
    optional={
        "scales": st.lists(st.floats(1e-6, 8), min_size=1, max_size=8, unique=True),
        "measure": st.fixed_dictionaries(
            {"latency": st.one_of(st.just(False), st.fixed_dictionaries({"rounds": st.integers(3, 1000)}))}
        ),
        "objectives": st.permutations(["params", "macs", "paf_l2"]),
    },
)


@settings(max_examples=25, deadline=None)
@given(WRITTEN)
def test_the_canonical_text_loads_to_an_equal_recipe(written: dict[str, Any]) -> None:
    candidates = [
        {"name": c["name"], "steps": [{"step": "remove_stages", "stages": c["stages"]}]} for c in written["candidates"]
    ]
    data = {"objectives": ["params"], **written, "candidates": candidates}
    recipe = load(dump_yaml(data))
    text = recipe.to_yaml()
    assert load(text) == recipe
    assert load(text).to_yaml() == text
    assert jsonschema.Draft202012Validator(editor_schema()).is_valid(parse_yaml(text).data)
