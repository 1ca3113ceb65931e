"""How a candidate's steps are told in one cell of a table."""

import json

from compress.results.columns import steps_text
from compress.steps.distill import Distill
from compress.steps.remove_stages import RemoveStages
from compress.training.schedule import Schedule


def test_steps_are_told_by_what_differs_from_the_defaults() -> None:
    steps = (RemoveStages(stages=2), Distill(schedule=Schedule(steps=4000, crop=(96, 96)), auxiliary_stages=1))
    kept = tuple(json.loads(step.model_dump_json()) for step in steps)
    told = "remove_stages(stages=2) > distill(schedule.steps=4000, schedule.crop=[96, 96], auxiliary_stages=1)"
    assert steps_text(kept) == told


def test_a_step_of_another_version_is_told_as_it_is() -> None:
    assert steps_text(({"step": "quantise", "bits": 8}, {"step": "distill", "epochs": 3})) == (
        "quantise(bits=8) > distill(epochs=3)"
    )


def test_the_teacher_has_no_steps() -> None:
    assert steps_text(()) == ""
