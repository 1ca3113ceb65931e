"""--set PATH=VALUE reaches every path of a recipe, and a bad one names itself."""

import pytest
from compress_recipe_text import GOOD, changed, load, mistakes


def test_overrides_reach_every_path() -> None:
    recipe = load(
        changed("  latency: {runtime: onnxruntime, threads: 1, rounds: 12}\n", ""),
        "data.images=8",
        "scales.1=2",
        "candidates.0.steps.0.stages.each=[1]",
        "measure.latency.rounds=20",
        "objectives=[params, paf_l2]",
    )
    assert recipe.data.images == 8
    assert recipe.scales == (0.5, 2.0)
    assert [plan.name for plan in recipe.candidates] == ["stages-1"]
    assert recipe.measure.latency
    assert recipe.measure.latency.rounds == 20
    assert recipe.objectives == ("params", "paf_l2")
    assert [plan.name for plan in load(GOOD, "candidates.0.steps.0.stages=3").candidates] == ["stages-3"]
    assert load(GOOD, "measure.latency=false", "objectives.0=macs").measure.latency is False
    assert load(GOOD, "data.images=5", "data.images=6").data.images == 6


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("data.images=abc", "--set data.images=abc data.images: expected a whole number, got 'abc'"),
        ("data.images=", "--set data.images= data.images: expected a whole number, got nothing"),
        ("data.images", "--set data.images: expected PATH=VALUE, for example data.images=8"),
        ("=8", "--set =8: expected PATH=VALUE, for example data.images=8"),
        ("images=8", "--set images=8: a recipe has no such path (did you mean data.images?)"),
        ("data.image=8", "--set data.image=8: a recipe has no such path (did you mean data.images?)"),
        ("scales.7=1", "--set scales.7=1: a recipe has no such path; the positions of scales are 0 to 1"),
        (
            "candidates.3.steps.0.stages=1",
            "--set candidates.3.steps.0.stages=1: a recipe has no such path; the positions of candidates are 0 to 0",
        ),
        ("teacher.0=1", "--set teacher.0=1: a recipe has no such path (did you mean teacher?)"),
        ("scales.-1=1", "--set scales.-1=1: a recipe has no such path (did you mean scales.1?)"),
        ("scales=[1", "--set scales=[1: not YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("scales.0=-1", "--set scales.0=-1 scales.0: must be more than 0, got -1"),
        ("data={images: 3}", "--set data={images: 3} data.source: must be given"),
        (
            "measure.latency.thread=3",
            "--set measure.latency.thread=3: a recipe has no such path (did you mean measure.latency.threads?)",
        ),
        (
            "candidates.0.steps.0.stages=7",
            "--set candidates.0.steps.0.stages=7 candidates.0.steps.0.stages: must lie in 1..6, the stages there are, "
            "got 7",
        ),
        ("data=&a [*a]", "--set data=&a [*a]: an alias (*name) holds itself"),
        ("scales=" + "[" * 5000, f"--set scales={'[' * 50}...: nested more than 24 deep"),
    ],
)  # fmt: skip
def test_a_bad_override_names_itself(override: str, expected: str) -> None:
    assert mistakes(GOOD, override) == [expected]
