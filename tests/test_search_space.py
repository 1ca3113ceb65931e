"""What may vary: trees of choices, their names, and that what a choice makes leads back to it."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.recipe.diagnostics import Mistakes
from compress.recipe.search_space import Options, Range, choices, choices_of, count, resolve
from compress.recipe.search_space_reader import SpaceReader
from compress.recipe.trial_data import Space, at_rung, learns
from compress.steps import STEPS as ALL_STEPS
from compress.steps import step_name

BASE: dict[str, Any] = {
    "teacher": "t",
    "scales": [0.5],
    "data": {"seed": 0},
    "measure": {"latency": False},
    "candidates": [{"name": "base", "steps": [{"step": "remove_stages", "stages": 3}]}],
}
STEPS = ("candidates", 0, "steps")
BACKBONES = {
    "any": {
        "own": [],
        "other": [
            {
                "step": "swap_backbone",
                "backbone": {"any": ["alexnet", "repvgg"]},
                "width": {"float": [0.25, 1.0], "step": 0.25},
            }
        ],
    },
    "name": "backbone",
}
KEEP = {"step": "remove_stages", "stages": {"int": [1, 3]}}
PRUNED = {
    "any": {"all": [], "fewer": [{"step": "prune_channels", "pruning_ratio": {"float": [0.1, 0.3], "step": 0.1}}]}
}


def space(vary: dict[str, Any], mistakes: Mistakes | None = None) -> Space:
    found = mistakes or Mistakes("x", {})
    paths = {text: tuple(int(p) if p.isdigit() else p for p in text.split(".")) for text in vary}
    trees = SpaceReader(BASE, found).read(vary, paths)
    assert mistakes is not None or not found.found, found.found
    return Space(BASE, trees)


def test_names_say_step_and_setting() -> None:
    made = space({"candidates.0.steps": [BACKBONES, KEEP, PRUNED], "scales": {"any": [[0.5], [0.5, 1.0]]}})
    assert list(made.choices) == [
        "backbone", "swap_backbone.backbone", "swap_backbone.width", "remove_stages.stages", "steps.2",
        "prune_channels.pruning_ratio", "scales",
    ]  # fmt: skip
    assert made.choices["scales"].labels == ("[0.5]", "[0.5, 1.0]")  # type: ignore[union-attr]
    assert list(space({"candidates.0.steps.0.stages": {"int": [1, 2]}}).choices) == ["remove_stages.stages"]


def test_equal_choices_of_different_options_share_a_name_and_others_do_not() -> None:
    def with_widths(*widths: dict[str, Any]) -> list[str]:
        options = {f"option-{n}": [{"step": "swap_backbone", "width": width}] for n, width in enumerate(widths)}
        return list(space({"candidates.0.steps": [{"any": options, "name": "kind"}]}).choices)

    assert with_widths({"float": [0.5, 1.0]}, {"float": [0.5, 1.0]}) == ["kind", "swap_backbone.width"]
    assert with_widths({"float": [0.5, 1.0]}, {"float": [0.25, 1.0]}) == [
        "kind", "swap_backbone.width", "swap_backbone.width (2)",
    ]  # fmt: skip
    twice = space({"candidates.0.steps": [KEEP, KEEP]})
    assert list(twice.choices) == ["remove_stages.stages", "remove_stages.stages (2)"]


def test_choices_of_one_name_are_one_choice() -> None:
    tied = {"int": [1, 3], "name": "size"}
    made = space({"candidates.0.steps": [{"step": "a", "x": tied}, {"step": "b", "y": tied}]})
    steps = made.of({"size": 2})["candidates"][0]["steps"]
    assert steps == [{"step": "a", "x": 2}, {"step": "b", "y": 2}]
    assert made.choices_for([{"step": "a", "x": 2}, {"step": "b", "y": 1}]) is None
    mistakes = Mistakes("x", {})
    space({"candidates.0.steps": [{"x": tied}, {"y": {"int": [1, 4], "name": "size"}}]}, mistakes)
    assert "name of a choice with other values" in next(iter(mistakes.found.values()))


def test_what_an_option_brings_is_there_only_with_it() -> None:
    made = space({"candidates.0.steps": [BACKBONES, KEEP, PRUNED]})
    asked: list[str] = []

    def choose(choice: Options | Range) -> Any:
        asked.append(choice.name)
        return {"backbone": "own", "remove_stages.stages": 2, "steps.2": "all"}[choice.name]

    assert made.data(choose)["candidates"][0]["steps"] == [{"step": "remove_stages", "stages": 2}]
    assert asked == ["backbone", "remove_stages.stages", "steps.2"]
    assert made.size == (1 + 2 * 4) * 3 * (1 + 3)


@given(st.data())
def test_what_choices_make_leads_back_to_them(data: st.DataObject) -> None:
    made = space({"candidates.0.steps": [BACKBONES, KEEP, PRUNED]})
    chosen: dict[str, Any] = {}

    def choose(choice: Options | Range) -> Any:
        if isinstance(choice, Options):
            value: Any = data.draw(st.sampled_from(choice.labels))
        else:
            steps = data.draw(st.integers(0, (choice.count() or 1) - 1))
            value = round(choice.low + steps * (choice.step or 0), 9)  # as study.py does
            value = int(value) if choice.whole else value
        chosen[choice.name] = value
        return value

    steps = resolve(made.trees[STEPS], choose)
    assert chosen in list(choices_of(made.trees[STEPS], steps))
    assert made.choices_for(steps) == chosen


def test_data_that_the_space_cannot_be_has_no_choices() -> None:
    made = space({"candidates.0.steps": [BACKBONES, KEEP]})
    assert made.choices_for([{"step": "remove_stages", "stages": 4}]) is None
    assert made.choices_for([{"step": "remove_stages", "stages": True}]) is None
    assert made.choices_for([]) is None
    fixed = space({"candidates.0.steps": [KEEP, {"step": "cluster_weights", "bits": {"int": [4, 8]}}]})
    assert fixed.choices_for([{"step": "remove_stages", "stages": 2}]) is None


def test_a_path_below_false_becomes_a_mapping() -> None:
    made = space({"measure.latency.threads": {"int": [1, 2]}})
    assert made.of({"measure.latency.threads": 2})["measure"] == {"latency": {"threads": 2}}
    assert BASE["measure"] == {"latency": False}


def test_counting() -> None:
    assert count([1, {"a": 2}]) == 1
    made = space({"data.seed": {"float": [0.0, 1.0]}})
    assert made.size is None and [choice.name for tree in made.trees.values() for choice in choices(tree)]


def trained(steps: int) -> dict[str, Any]:
    schedule = {"steps": steps, "batch_size": 2}
    return {
        "candidates": [
            {"name": "x", "steps": [BASE["candidates"][0]["steps"][0], {"step": "distill", "schedule": schedule}]}
        ]
    }


def test_a_rung_shortens_the_training_and_the_lowest_leaves_it_out() -> None:
    data = trained(1000)
    assert learns(data) and not learns(BASE)
    for share, steps in ((0.1, 100), (1.0, 1000), (0.0001, 1)):
        short = at_rung(data, share)
        assert short is not None and short["candidates"][0]["steps"][1]["schedule"] == {"steps": steps, "batch_size": 2}
    untrained = at_rung(data, 0.0)
    assert untrained is not None and untrained["candidates"][0]["steps"] == BASE["candidates"][0]["steps"]
    assert at_rung({"candidates": [{"name": "x", "steps": data["candidates"][0]["steps"][1:]}]}, 0.0) is None
    assert data == trained(1000)


def test_a_rung_shortens_the_training_between_the_parts_of_a_pruning() -> None:
    pruning = {"step": "prune_weights", "sparsity": 0.5, "finetune": {"schedule": {"steps": 1000}}}
    data = {"candidates": [{"name": "x", "steps": [pruning]}]}
    short, untrained = at_rung(data, 0.1), at_rung(data, 0.0)
    assert learns(data) and short is not None and untrained is not None
    assert short["candidates"][0]["steps"][0]["finetune"]["schedule"] == {"steps": 100}
    assert untrained["candidates"][0]["steps"] == [{"step": "prune_weights", "sparsity": 0.5}]


def test_a_rung_shortens_the_training_on_the_grids() -> None:
    steps = [{"step": "quantize", "precision": "int8", "qat": {"schedule": {"steps": 500, "batch_size": 4}}}]
    data = {"candidates": [{"name": "x", "steps": steps}]}
    short, untrained = at_rung(data, 0.1), at_rung(data, 0.0)
    assert learns(data) and short is not None and untrained is not None
    assert short["candidates"][0]["steps"] == [{**steps[0], "qat": {"schedule": {"steps": 50, "batch_size": 4}}}]
    assert untrained["candidates"][0]["steps"] == [{"step": "quantize", "precision": "int8"}]
    assert at_rung(data, 1.0) == data


def test_every_training_of_every_step_is_shortened() -> None:
    """A step that comes to train in a setting of its own is one that rungs must know."""
    found = [
        (step_name(step), name)
        for step in ALL_STEPS
        for name, field in step.model_fields.items()
        if "schedule" in getattr(_inner(field.annotation), "model_fields", {})
    ]
    assert {("prune_weights", "finetune"), ("quantize", "qat")} <= set(found)
    for kind, name in found:
        one = {"step": kind, name: {"schedule": {"steps": 100}}}
        short = at_rung({"candidates": [{"name": "x", "steps": [one]}]}, 0.5)
        assert short is not None and short["candidates"][0]["steps"][0][name] == {"schedule": {"steps": 50}}, kind


def _inner(annotation: object) -> object:
    return next((one for one in get_args(annotation) if one is not type(None)), annotation)


@pytest.mark.parametrize(
    ("vary", "expected"),
    [
        ({"any": []}, "expected a list of values, or a mapping of words to values, got nothing"),
        ({"any": 3}, "expected a list of values, or a mapping of words to values, got 3"),
        ({"int": [3, 1]}, "is empty: 3 is above 1"),
        ({"int": [1, 2.5]}, "expected [low, high], two whole numbers, got [1, 2.5]"),
        ({"int": 4}, "expected [low, high], two whole numbers, got 4"),
        ({"int": [1, 6], "step": 2}, "does not lead from 1 to 6; the last would be 5"),
        ({"int": [0, 6], "log": True}, "goes with bounds above 0, and without `step`"),
        ({"float": [0.1, float("inf")]}, "expected [low, high], two numbers, got [0.1, Infinity]"),
        ({"float": [0.1, 1.0], "steps": 0.1}, "unknown beside `float` (did you mean step?)"),
        ({"any": [1, 2, 1]}, "1 is there twice"),
        ({"any": [1, 2], "name": 3}, "expected a word, got 3"),
        (7, "nothing varies here; write a choice, {any: [...]}, {int: [low, high]} or {float: [low, high]}"),
    ],
)
def test_a_bad_choice_says_what_would_do(vary: Any, expected: str) -> None:
    mistakes = Mistakes("x", {})
    space({"data.seed": vary}, mistakes)
    # One mistake is told once: a choice that cannot be read is not also called no choice.
    assert expected in mistakes.found.values()
    assert vary == 7 or not any("nothing varies" in told for told in mistakes.found.values())
