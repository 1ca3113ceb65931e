"""What a recipe must be beyond its types: names that exist here, and values that fit each other.

They look at plain data, piece by piece, so that a mistake in one place does not hide one in another.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from compress.common.yaml_source import Keys
from compress.measure.metrics import METRICS
from compress.quantization.quantization_file import QUANTIZATION
from compress.recipe.diagnostics import Mistakes, show
from compress.recipe.grid import Expanded
from compress.recipe.models import MAX_GOALS, AnyStep, Recipe
from compress.results.goals import Goal, GoalError, parse_goal
from compress.results.objectives import OBJECTIVES
from compress.steps.base import SettingError, Step
from eval.inference import Inference, mistake
from teachers.common.errors import UserError
from teachers.registry import teacher_spec
from teachers.spec import PoseNetSpec

_STEP: TypeAdapter[Step] = TypeAdapter(AnyStep)


def _list(value: Any) -> list[Any]:
    """The value if it is a list; anything else is among the mistakes already."""
    return value if isinstance(value, list) else []


def check_lists(data: dict[str, Any], mistakes: Mistakes) -> None:
    """Nothing twice among scales, objectives and goals, and none of the latter two that `measure` switches off."""
    goals = [_goal(written) for written in _list(data.get("goals"))[:MAX_GOALS]]
    spelt_alike = [goal if goal is None else str(goal) for goal in goals]
    for name, values in (
        ("scales", _list(data.get("scales"))),
        ("objectives", _list(data.get("objectives"))),
        ("goals", spelt_alike),
    ):
        for index, value in enumerate(values):
            first = index if value is None or isinstance(value, bool) else values.index(value)
            if first < index:
                mistakes.add((name, index), f"{show(value)} is there twice, first at {name}.{first}")
    written = data.get("objectives", list(Recipe.model_fields["objectives"].default))
    for index, name in enumerate(_list(written)):
        objective = OBJECTIVES.get(name) if isinstance(name, str) else None
        keys: Keys = ("objectives", index) if "objectives" in data else ("objectives",)
        if objective:
            _check_measured(objective.name, objective.part, keys, data, mistakes)
    for index, goal in enumerate(goals):
        if goal:
            _check_measured(str(goal.quantity), goal.part, ("goals", index), data, mistakes)


def _goal(written: Any) -> Goal | None:
    """None for what is no goal, and among the mistakes already."""
    try:
        return parse_goal(written) if isinstance(written, str) else None
    except GoalError:
        return None


def _check_measured(name: str, part: str | None, keys: Keys, data: dict[str, Any], mistakes: Mistakes) -> None:
    measure = data.get("measure")
    asked = measure if isinstance(measure, dict) else {}
    if part and asked.get(part, METRICS[part].default) is False:
        switch = "false" if part in asked else "left out"
        mistakes.add(keys, f"{name} is not measured, because measure.{part} is {switch}")


def check_metrics(data: dict[str, Any], teacher: PoseNetSpec | None, mistakes: Mistakes) -> None:
    """What each metric that is asked for finds wrong with its settings, this machine, the teacher and the frames.

    After `check_sources`: of frames that are not here nothing more is told.
    """
    measure, frames = data.get("measure"), data.get("data")
    source = frames.get("source") if isinstance(frames, dict) and ("data", "source") not in mistakes.found else None
    source = source if isinstance(source, str) else None
    for key, raw in measure.items() if isinstance(measure, dict) else ():
        if key not in METRICS or METRICS[key].always or raw is False:
            continue
        try:
            metric = METRICS[key].model_validate_json(json.dumps({} if raw is True else raw), strict=True)
            metric.check(teacher)
            metric.check_source(source)
        except ValidationError:
            continue  # already among the mistakes
        except SettingError as error:
            field = error.field.split(".") if error.field else []
            mistakes.add(("measure", key, *field), error.message)


def check_teacher(data: dict[str, Any], mistakes: Mistakes) -> PoseNetSpec | None:
    """The teacher's spec; None if the recipe names none that can be read."""
    teacher = data.get("teacher")
    if not isinstance(teacher, str) or not teacher:
        return None
    try:
        if (Path(teacher).expanduser() / QUANTIZATION).is_file():
            mistakes.add(("teacher",), f"{teacher} is quantised; candidates are made from a float network")
        return teacher_spec(teacher)
    except (UserError, OSError, RuntimeError) as error:  # a name too long; ~name of an unknown user
        mistakes.add(("teacher",), " ".join(str(error).split()))
        return None


def check_chains(
    candidates: Sequence[Expanded], teacher: PoseNetSpec, data: dict[str, Any], mistakes: Mistakes
) -> None:
    """Takes every candidate's spec through its steps. Beyond a step that cannot work nothing is known.

    data: the recipe, for its `training` and its `inference`.
    """
    for candidate in candidates:
        spec, common = teacher, data.get("inference")
        steps = candidate.data.get("steps") if isinstance(candidate.data, dict) else None
        ended = False
        if steps == [] and common is None and candidate.data.get("inference") is None:
            mistakes.add(candidate.user_keys(("steps",)), "needs at least one step, or an `inference` beside it")
        for position, raw in enumerate(_list(steps)):
            if ended:
                mistakes.add(candidate.user_keys(("steps", position)), "comes after quantize, which is the last step")
                break
            try:
                step = _STEP.validate_json(json.dumps(raw), strict=True)
                if step.learns and not data.get("training"):
                    where = candidate.user_keys(("steps", position))
                    mistakes.add(where, "learns from frames, and the recipe has no `training` with `data`")
                spec, ended = step.check(spec), step.ends
            except ValidationError:
                break  # already among the mistakes
            except SettingError as error:
                field = error.field.split(".") if error.field else []
                mistakes.add(candidate.user_keys(("steps", position, *field)), error.message)
                break
        else:
            _check_inference(candidate, common, spec, mistakes)


def _check_inference(candidate: Expanded, common: Any, spec: PoseNetSpec, mistakes: Mistakes) -> None:
    """Whether the finished network can be run as asked; for what is no `inference` there is a mistake already."""
    own = candidate.data.get("inference") if isinstance(candidate.data, dict) else None
    raw = own if own is not None else common
    if raw is None:
        return
    try:
        misfit = mistake(Inference.model_validate_json(json.dumps(raw), strict=True), spec)
    except ValidationError:
        return
    if misfit is not None:
        keys: Keys = ("inference", *misfit[0])
        mistakes.add(candidate.user_keys(keys) if own is not None else keys, misfit[1])
