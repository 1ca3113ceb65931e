"""What a recipe must be beyond its types: names that exist here, and values that fit each other.

They look at plain data, piece by piece, so that a mistake in one place does not hide one in another.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from compress.objectives import OBJECTIVES
from compress.recipe_each import Expanded
from compress.recipe_mistakes import Mistakes, show
from compress.recipe_models import AnyStep, Measure, Recipe
from compress.steps.base import SettingError, Step
from teachers.assets import known_assets
from teachers.errors import UserError
from teachers.known import teacher_spec
from teachers.spec import PoseNetSpec
from teachers.zoo import nearest

_STEP: TypeAdapter[Step] = TypeAdapter(AnyStep)


def _list(value: Any) -> list[Any]:
    """The value if it is a list; anything else is among the mistakes already."""
    return value if isinstance(value, list) else []


def check_lists(data: dict[str, Any], mistakes: Mistakes) -> None:
    """Nothing twice among scales and objectives, and no objective that `measure` switches off."""
    for name in ("scales", "objectives"):
        values = _list(data.get(name))
        for index, value in enumerate(values):
            if not isinstance(value, bool) and values.index(value) < index:
                mistakes.add((name, index), f"{show(value)} is there twice, first at {name}.{values.index(value)}")
    measure = data.get("measure")
    written = data.get("objectives", list(Recipe.model_fields["objectives"].default))
    for index, name in enumerate(_list(written)):
        objective = OBJECTIVES.get(name) if isinstance(name, str) else None
        part = objective.part if objective else None
        asked = measure if isinstance(measure, dict) else {}
        if part and asked.get(part, Measure.model_fields[part].default) is False:
            keys = ("objectives", index) if "objectives" in data else ("objectives",)
            mistakes.add(
                keys, f"{name} is not measured, because measure.{part} is {'false' if part in asked else 'left out'}"
            )


def check_machine(data: dict[str, Any], mistakes: Mistakes) -> None:
    """Threads that this machine can give."""
    measure = data.get("measure")
    latency = measure.get("latency") if isinstance(measure, dict) else None
    threads = latency.get("threads") if isinstance(latency, dict) else None
    most = 4 * (os.cpu_count() or 1)
    if isinstance(threads, int) and threads > most:
        message = f"must be at most {most}, four times the CPUs of this machine, got {show(threads)}"
        mistakes.add(("measure", "latency", "threads"), message)


def check_source(data: dict[str, Any], mistakes: Mistakes) -> None:
    """A source of frames that is there: a sample by name, or a file or folder."""
    section = data.get("data")
    source = section.get("source") if isinstance(section, dict) else None
    if not isinstance(source, str) or not source:
        return
    samples = [name for name, asset in known_assets().items() if asset.kind == "video"]
    if source in samples:
        return
    try:
        there = Path(source).expanduser().exists()
    except (OSError, RuntimeError) as error:  # a name too long for a path; ~name of somebody who is not here
        mistakes.add(("data", "source"), f"{show(source)} is no path: {error}")
        return
    if not there:
        mistakes.add(
            ("data", "source"), f"no file, folder or sample is called {show(source)}{nearest(source, samples)}"
        )


def check_teacher(data: dict[str, Any], mistakes: Mistakes) -> PoseNetSpec | None:
    """The teacher's spec; None if the recipe names none that can be read."""
    teacher = data.get("teacher")
    if not isinstance(teacher, str) or not teacher:
        return None
    try:
        return teacher_spec(teacher)
    except (UserError, OSError, RuntimeError) as error:  # the latter two as in check_source
        mistakes.add(("teacher",), " ".join(str(error).split()))
        return None


def check_chains(candidates: Sequence[Expanded], teacher: PoseNetSpec, mistakes: Mistakes) -> None:
    """Takes every candidate's spec through its steps. Beyond a step that cannot work nothing is known."""
    for candidate in candidates:
        spec = teacher
        steps = candidate.data.get("steps") if isinstance(candidate.data, dict) else None
        for position, raw in enumerate(_list(steps)):
            try:
                spec = _STEP.validate_json(json.dumps(raw), strict=True).check(spec)
            except ValidationError:
                break  # already among the mistakes
            except SettingError as error:
                field = error.field.split(".") if error.field else []
                mistakes.add(candidate.user_keys(("steps", position, *field)), error.message)
                break
