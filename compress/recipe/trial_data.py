"""Choices -> the plain data of a concrete recipe; how much of its training a rung allows."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from compress.common.yaml_source import Keys
from compress.recipe.search_space import Assignment, Choose, Options, Parameter, Scalar, choices_of, count, resolve
from compress.recipe.search_space_reader import all_choices

_JUDGES = ("search", "tracking", "objectives", "goals")
"""What changes no measurement, or is the search itself: nothing that could vary."""
_MADE = ("candidates", "training")
"""What decides the candidate alone. Another teacher, other frames or scales would be a reference of the trial's own."""
_TRAINS = "distill"
"""The step that trains."""
_WITHIN = ("finetune", "qat")
"""The settings of other steps by which they train, with a `schedule` as that step has one."""


@dataclass(frozen=True)
class Space:
    """A recipe with one candidate, and what may stand at some of its paths."""

    base: Mapping[str, Any]
    trees: Mapping[Keys, Any]

    @cached_property
    def choices(self) -> dict[str, Parameter]:
        """Every choice by name."""
        return all_choices(self.trees)

    @cached_property
    def size(self) -> int | None:
        """How many recipes there are at most; None where a number can be any in a range."""
        return count(list(self.trees.values()))

    def data(self, choose: Choose) -> dict[str, Any]:
        """The recipe that these choices make, without the search."""
        return self._with({keys: resolve(tree, choose) for keys, tree in self.trees.items()})

    def of(self, assignment: Assignment) -> dict[str, Any]:
        """The recipe of choices by name; KeyError where one is missing."""
        return self.data(lambda choice: assignment[choice.name])

    def choices_for(self, steps: Sequence[Mapping[str, Any]]) -> dict[str, Scalar] | None:
        """Choices whose recipe has exactly these steps, and else what the base has; None if there are none."""
        wanted = self._with({("candidates", 0, "steps"): list(steps)})
        found: dict[str, Scalar] = {}
        for keys, tree in self.trees.items():
            try:
                data = _at(wanted, keys)
            except (KeyError, IndexError, TypeError):
                return None
            ways = choices_of(tree, data)
            # What varies beside the steps may not have the base's value among its own: then its first will do.
            way = next(ways, None) if keys[:1] == ("candidates",) else next(ways, _first(tree))
            if way is None:
                return None
            found |= way
        return found if _at(self.of(found), ("candidates", 0, "steps")) == list(steps) else None

    def with_steps(self, steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The base with these steps."""
        return self._with({("candidates", 0, "steps"): list(steps)})

    def _with(self, values: Mapping[Keys, Any]) -> dict[str, Any]:
        data = copy.deepcopy({key: value for key, value in self.base.items() if key not in ("search", "tracking")})
        for keys, value in values.items():
            holder: Any = data
            for key, after in pairwise(keys):
                if isinstance(holder, dict) and not isinstance(holder.get(key), dict | list):
                    holder[key] = {} if isinstance(after, str) else []  # `false`, say, where a mapping may stand
                holder = holder[key]
            holder[keys[-1]] = value
        return data


def why_fixed(keys: Keys) -> str | None:
    """Why a path cannot vary; None where it decides what the candidate is."""
    if keys[0] in _JUDGES or keys[:3] == ("candidates", 0, "name"):
        return "changes nothing that is made or measured, so it cannot vary"
    if keys[0] not in _MADE:
        return (
            f"decides what trials are measured against and how, so they would not compare; search {keys[0]} by one "
            "recipe each, and vary paths of candidates.0 or training"
        )
    return None


def named(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The recipe, its candidate called `name`."""
    return {**data, "candidates": [{**data["candidates"][0], "name": name}]}


def learns(data: Mapping[str, Any]) -> bool:
    """Whether the candidate is trained."""
    return any(_is_learning(step) for step in data["candidates"][0]["steps"])


def at_rung(data: dict[str, Any], share: float) -> dict[str, Any] | None:
    """The recipe with this share of its training; None where nothing would be left to measure."""
    steps = [_shortened(step, share) for step in data["candidates"][0]["steps"] if share or not _trains(step)]
    if not steps:
        return None
    return {**data, "candidates": [{**data["candidates"][0], "steps": steps}]}


def _is_learning(step: Any) -> bool:
    return _trains(step) or (isinstance(step, dict) and any(isinstance(step.get(name), dict) for name in _WITHIN))


def _trains(step: Any) -> bool:
    return isinstance(step, dict) and step.get("step") == _TRAINS


def _shortened(step: Any, share: float) -> Any:
    if not _is_learning(step):
        return step
    if not _trains(step):
        inner = {name: _within(step[name], share) for name in _WITHIN if isinstance(step.get(name), dict)}
        kept = {name: value for name, value in step.items() if name not in inner}
        return kept | inner if share else kept
    return _within(step, share)


def _within(step: dict[str, Any], share: float) -> dict[str, Any]:
    schedule = step.get("schedule")
    if not isinstance(schedule, dict) or not isinstance(schedule.get("steps"), int):
        return step
    return {**step, "schedule": {**schedule, "steps": max(1, round(share * schedule["steps"]))}}


def _first(tree: Any) -> dict[str, Scalar]:
    """The first option everywhere, the lower bound of every range."""
    chosen: dict[str, Scalar] = {}

    def choose(choice: Parameter) -> Scalar:
        chosen[choice.name] = first_of(choice)
        return chosen[choice.name]

    resolve(tree, choose)
    return chosen


def first_of(choice: Parameter) -> Scalar:
    """The first option, or the lower bound."""
    return choice.labels[0] if isinstance(choice, Options) else choice.bounds[0]


def _at(data: Any, keys: Keys) -> Any:
    for key in keys:
        data = data[key]
    return data
