"""`search.vary` as written -> a tree for each path, with a readable name for each choice, or what is wrong with it."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compress.common.yaml_source import Keys
from compress.recipe.diagnostics import Mistakes, shortened, show
from compress.recipe.search_space import Options, Parameter, Range, choices
from teachers.zoo import nearest

KINDS = ("any", "int", "float")
_SETTINGS = {"any": ("name",), "int": ("name", "step", "log"), "float": ("name", "step", "log")}
_STEPS = ("candidates", 0, "steps")
_Condition = tuple[Keys, int]


@dataclass(frozen=True)
class Found:
    """A choice as it was read: where, what it is called, and which options it is part of."""

    keys: Keys
    given: str | None
    label: str
    signature: str
    conditions: tuple[_Condition, ...]


@dataclass
class SpaceReader:
    """Reads one `vary`; names are given when everything has been seen."""

    base: Mapping[str, Any]
    """The recipe that is varied, concrete."""
    mistakes: Mistakes
    found: list[Found] = field(default_factory=list)

    def read(self, vary: Mapping[str, Any], paths: Mapping[str, Keys]) -> dict[Keys, Any]:
        """Path -> tree; what cannot be read is among the mistakes, and stands as null."""
        trees = {}
        for text, path in paths.items():
            where: Keys = ("search", "vary", text)
            before = len(self.found)
            trees[path] = self._tree(vary[text], where, self._label(path), ())
            told = any(keys[: len(where)] == where for keys in self.mistakes.found)
            if len(self.found) == before and not told:
                self.mistakes.add(where, f"nothing varies here; write a choice, {_forms()}")
        names = self._names()
        return {keys: _named(tree, names) for keys, tree in trees.items()}

    def _label(self, keys: Keys) -> str:
        """`remove_stages.stages` for candidates.0.steps.1.stages: by the step that stands there."""
        if keys[:3] != _STEPS:
            return ".".join(map(str, keys))
        step: Any = self.base["candidates"][0]["steps"][keys[3]]["step"] if len(keys) > 4 else None
        return ".".join(map(str, keys[2:] if step is None else (step, *keys[4:])))

    def _tree(self, data: Any, keys: Keys, label: str, conditions: tuple[_Condition, ...]) -> Any:
        if isinstance(data, dict):
            kinds = [kind for kind in KINDS if kind in data]
            if kinds:
                return self._choice(kinds, data, keys, label, conditions)
            step = data.get("step")
            label = step if isinstance(step, str) else label
            return {k: self._tree(v, (*keys, k), f"{label}.{k}", conditions) for k, v in data.items()}
        if isinstance(data, list):
            return [self._tree(v, (*keys, i), f"{label}.{i}", conditions) for i, v in enumerate(data)]
        return data

    def _choice(
        self, kinds: list[str], data: dict[str, Any], keys: Keys, label: str, conditions: tuple[_Condition, ...]
    ) -> Parameter | None:
        kind = kinds[0]
        for other in data:
            if other != kind and other not in _SETTINGS[kind]:
                there = "one of any, int, float" if other in KINDS else f"unknown beside `{kind}`"
                self.mistakes.add((*keys, other), there + nearest(other, _SETTINGS[kind]))
        given = data.get("name")
        if given is not None and (not isinstance(given, str) or not given or len(given) > 100):
            self.mistakes.add((*keys, "name"), f"expected a word, got {show(given)}")
            given = None
        if kind == "any":
            return self._options(data["any"], given, keys, label, conditions)
        bounds = self._range(kind, data, keys)
        if bounds is not None:
            signature = json.dumps([kind, bounds.low, bounds.high, bounds.step, bounds.log])
            self.found.append(Found(keys, given, label, signature, conditions))
        return bounds

    def _options(
        self, data: Any, given: str | None, keys: Keys, label: str, conditions: tuple[_Condition, ...]
    ) -> Options | None:
        here = (*keys, "any")
        if not isinstance(data, list | dict) or not data:
            found = "nothing" if data in ([], {}) else show(data)
            self.mistakes.add(here, f"expected a list of values, or a mapping of words to values, got {found}")
            return None
        items = list(data.items()) if isinstance(data, dict) else [(_word(value), value) for value in data]
        labels = [label_ for label_, _ in items]
        for position, one in enumerate(labels):
            if any(other == one and type(other) is type(one) for other in labels[:position]):
                self.mistakes.add((*here, position), f"{show(one)} is there twice")
        self.found.append(Found(keys, given, label, json.dumps(["any", labels]), conditions))
        trees = [
            self._tree(value, (*here, labels[n] if isinstance(data, dict) else n), label, (*conditions, (keys, n)))
            for n, (_, value) in enumerate(items)
        ]
        return Options("", keys, tuple(labels), tuple(trees))

    def _range(self, kind: str, data: dict[str, Any], keys: Keys) -> Range | None:
        whole, here = kind == "int", (*keys, kind)
        wanted = "whole numbers" if whole else "numbers"
        bounds, step, log = data[kind], data.get("step", 1 if whole else None), data.get("log", False)
        if not (isinstance(bounds, list) and len(bounds) == 2 and all(_is_number(one, whole) for one in bounds)):
            self.mistakes.add(here, f"expected [low, high], two {wanted}, got {_spelt(bounds)}")
            return None
        low, high = bounds
        if low > high:
            self.mistakes.add(here, f"is empty: {show(low)} is above {show(high)}")
        elif not isinstance(log, bool):
            self.mistakes.add((*keys, "log"), f"expected true or false, got {show(log)}")
        elif step is not None and not (_is_number(step, whole) and step > 0):
            self.mistakes.add((*keys, "step"), f"expected one of the {wanted} above 0, got {show(step)}")
        elif log and ("step" in data or low <= 0):
            self.mistakes.add((*keys, "log"), "goes with bounds above 0, and without `step`")
        elif step is not None and abs((high - low) / step - round((high - low) / step)) > 1e-9:
            last = low + int((high - low) / step) * step
            self.mistakes.add((*keys, "step"), f"does not lead from {low:g} to {high:g}; the last would be {last:g}")
        else:
            return Range("", keys, whole, float(low), float(high), None if step is None else float(step), log)
        return None

    def _names(self) -> dict[Keys, str]:
        """A name for each choice: the one given, or made from the path; those of one name are one choice."""
        owners: dict[str, list[Found]] = {}
        names: dict[Keys, str] = {}
        for found in sorted(self.found, key=lambda one: one.given is None):
            name = found.given or next(name for name in _numbered(found.label) if _free(found, owners.get(name, [])))
            others = owners.setdefault(name, [])
            if others and others[0].signature != found.signature:
                self.mistakes.add(
                    (*found.keys, "name"),
                    f"{name!r} is the name of a choice with other values; of one name, one choice",
                )
            others.append(found)
            names[found.keys] = name
        return names


def _free(found: Found, owners: list[Found]) -> bool:
    """A name that was made is shared only by equal choices that are never there together."""
    return all(
        owner.given is None
        and owner.signature == found.signature
        and any(one[0] == other[0] and one != other for one in owner.conditions for other in found.conditions)
        for owner in owners
    )


def _numbered(label: str) -> Iterator[str]:
    yield label
    number = 2
    while True:
        yield f"{label} ({number})"
        number += 1


def _named(tree: Any, names: Mapping[Keys, str]) -> Any:
    if isinstance(tree, Options):
        values = tuple(_named(value, names) for value in tree.values)
        return replace(tree, name=names[tree.keys], values=values)
    if isinstance(tree, Range):
        return replace(tree, name=names[tree.keys])
    if isinstance(tree, dict):
        return {key: _named(value, names) for key, value in tree.items()}
    return [_named(value, names) for value in tree] if isinstance(tree, list) else tree


def all_choices(trees: Mapping[Keys, Any]) -> dict[str, Parameter]:
    """Every choice by name."""
    return {choice.name: choice for tree in trees.values() for choice in choices(tree)}


def _word(value: Any) -> Any:
    """What stands for a value: itself, or a short text where it is a list or a mapping."""
    return shortened(json.dumps(value)) if isinstance(value, list | dict) else value


def _is_number(value: object, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return False
    return abs(value) < 2**53 and math.isfinite(value)


def _spelt(value: Any) -> str:
    return shortened(json.dumps(value)) if isinstance(value, list) else show(value)


def _forms() -> str:
    return "{any: [...]}, {int: [low, high]} or {float: [low, high]}"
