"""The study: every sampler proposes within its space, sees what it should, and says the same for the same seed."""

import random
from pathlib import Path
from typing import Any

import pytest

from compress.recipe.diagnostics import Mistakes
from compress.recipe.search_plan import SAMPLERS, SamplerPlan
from compress.recipe.search_space import Options
from compress.recipe.search_space_reader import SpaceReader
from compress.recipe.trial_data import Space
from compress.search.history import Notes
from compress.search.study import SearchStudy, StudyPlan

VARY: dict[str, Any] = {
    "data.seed": [
        {"any": {"one": {"int": [1, 9]}, "two": {"float": [0.1, 1.0], "log": True}}, "name": "kind"},
        {"int": [0, 20], "name": "always"},
    ]
}
BASE = {"data": {"seed": 0}, "candidates": [{"name": "x", "steps": []}]}


def space() -> Space:
    return Space(BASE, SpaceReader(BASE, Mistakes("x", {})).read(VARY, {"data.seed": ("data", "seed")}))


def opened(folder: Path, kind: str, seed: int = 0, name: str = "s") -> SearchStudy:
    sampler = SamplerPlan(kind=kind, seed=seed, startup=4, population=4)
    return SearchStudy(StudyPlan(f"sqlite:///{folder}/{name}.sqlite3", "s", "text", ("a", "b"), (True, False), sampler))


def searched(study: SearchStudy, trials: int) -> list[dict[str, Any]]:
    """Half of the trials complete, the others screened, one given its steps, one failed."""
    made = space()
    study.enqueue({}, Notes(enqueued_as="given", steps="[]"))
    for number in range(trials):
        taken = study.take()
        if taken.notes.steps is None:
            made.data(taken.choose)
        values = [float(taken.choices.get("always", 3)), float(number % 3)]  # type: ignore[arg-type]
        taken.note(
            Notes(
                name=f"trial-{number}",
                enqueued_as=taken.notes.enqueued_as,
                measured=dict(zip("ab", values, strict=True)),
            )
        )
        if number == 3:
            taken.tell("failed", None, {})
        elif number % 2:
            taken.tell("screened", None, {"screened": 1.0})
        else:
            taken.tell("complete", values, {"a <= 30": 0.0})
    return [dict(entry.choices) for entry in study.entries()]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_sampler_stays_in_the_space_and_repeats_itself_for_a_seed(kind: str, tmp_path: Path) -> None:
    found = searched(opened(tmp_path, kind), 14)
    again = searched(opened(tmp_path, kind, name="again"), 14)
    assert found == again
    assert found[0] == {} and len({str(one) for one in found}) > 7
    made = space()
    for one in found[1:]:
        kinds = {"one": "data.seed.0", "two": "data.seed.0 (2)"}
        assert set(one) == {"kind", kinds[one["kind"]], "always"}
        for name, value in one.items():
            choice = made.choices[name]
            assert value in choice.labels if isinstance(choice, Options) else choice.holds(value)


def test_a_process_that_starts_again_goes_on_drawing(tmp_path: Path) -> None:
    whole = searched(opened(tmp_path, "random"), 8)
    study = opened(tmp_path, "random", name="cut")
    study.enqueue({}, Notes(enqueued_as="given", steps="[]"))
    drawn = []
    for number in range(8):
        taken = opened(tmp_path, "random", name="cut").take() if number % 2 else study.take()
        if taken.notes.steps is None:
            space().data(taken.choose)
        drawn.append(taken.choices)
        taken.tell("failed", None, {})
    assert drawn == whole


def test_asking_what_comes_next_changes_nothing(tmp_path: Path) -> None:
    study = opened(tmp_path, "tpe")
    searched(study, 10)
    before = study.entries()
    following = study.next_choices(space().data, 3)
    assert len(following) == 3 and all({"kind", "always"} <= set(one) for one in following)
    assert study.entries() == before and study.next_choices(space().data, 3) == following


def test_importance_finds_what_decides(tmp_path: Path) -> None:
    study, draw = opened(tmp_path, "random"), random.Random(0)
    for _ in range(40):
        taken = study.take()
        space().data(taken.choose)
        value = float(taken.choices["always"])  # type: ignore[arg-type]
        taken.tell("complete", [value, draw.random()], {})
    shares = study.importance()
    assert set(shares) == {"a", "b"} and sum(shares["a"].values()) == pytest.approx(1)
    assert max(shares["a"], key=lambda name: shares["a"][name]) == "always"


def test_a_constant_is_the_first_that_was_given(tmp_path: Path) -> None:
    assert opened(tmp_path, "random").constant("teacher_ms", 3.5) == 3.5
    assert opened(tmp_path, "random").constant("teacher_ms", 4.5) == 3.5


def test_notes_that_say_nothing_are_not_kept(tmp_path: Path) -> None:
    study = opened(tmp_path, "random")
    study.enqueue({"always": 3}, Notes(enqueued_as="enqueued-0"))
    assert study.study.trials[0].user_attrs == {"enqueued_as": "enqueued-0"}
    assert study.entries()[0].choices == {"always": 3} and study.entries()[0].state == "waiting"
