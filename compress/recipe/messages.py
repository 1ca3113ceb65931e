"""pydantic's findings as plain sentences: what was expected and what was found."""

import re
from collections.abc import Mapping
from typing import Any

from compress.common.yaml_source import Keys
from compress.recipe.diagnostics import show
from compress.recipe.paths import Paths
from teachers.zoo import nearest

_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "model": "a mapping of settings ({} for the defaults)",
    "dict": "a mapping of settings ({} for the defaults)",
}
_BOUNDS = {
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "finite_number": "must be a finite number",
    "too_short": "must hold at least {min_length}",
    "too_long": "must hold at most {max_length}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
}


def is_echo(error: Mapping[str, Any]) -> bool:
    """A list of wrong items is also called too short, because pydantic counts the right ones alone."""
    found = error["input"]
    return error["type"] == "too_short" and isinstance(found, list) and len(found) >= error["ctx"]["min_length"]


def in_words(error: Mapping[str, Any], keys: Keys, paths: Paths) -> tuple[Keys, str]:
    """The path as the user wrote it, given in `keys`, made exact, and the sentence."""
    kind, found, context = str(error["type"]), error["input"], error.get("ctx", {})
    if kind.startswith("union_tag_"):
        return (*keys, "step"), _step(found, paths.step_names())
    if kind == "extra_forbidden":
        return keys, f"unknown key{nearest(str(keys[-1]), paths.names(keys[:-1]))}"
    if kind == "missing":
        return keys, "must be given"
    return keys, f"{_expectation(kind, error)}, {_found(kind, found, context)}"


def _expectation(kind: str, error: Mapping[str, Any]) -> str:
    """What would do."""
    context = error.get("ctx", {})
    if kind in _BOUNDS:
        return _bound(_BOUNDS[kind], context)
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return "expected one of the names there are"
    for start, expected in _EXPECTED.items():
        if kind.startswith(f"{start}_"):
            return f"expected {expected}"
    return f"{error['msg'][:1].lower()}{error['msg'][1:]}"


def _found(kind: str, found: Any, context: Mapping[str, Any]) -> str:
    """What was there, and what it may have been meant for."""
    if kind in ("too_short", "too_long"):
        return f"got {len(found)}"
    if kind == "literal_error":
        return f"got {show(found)}{nearest(str(found), _quoted(context['expected']))}"
    if kind.startswith("int_") and isinstance(found, float) and found.is_integer() and abs(found) < 1e15:
        return f"got {show(found)}; write {int(found)}"
    return f"got {show(found)}"


def _bound(pattern: str, context: Mapping[str, Any]) -> str:
    """Without a needless `.0`."""
    plain = {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in context.items()}
    return pattern.format(**plain)


def _step(found: Any, names: list[str]) -> str:
    given = found.get("step") if isinstance(found, dict) else None
    if given is None:
        return f"must be given, one of {', '.join(names)}"
    return f"no step is called {show(given)}{nearest(str(given), names)}"


def _quoted(text: str) -> list[str]:
    """`'a', 'b' or 'c'` -> the names."""
    return re.findall(r"'([^']*)'", text)
