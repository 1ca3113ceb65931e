"""recipe.yaml -> Recipe: concrete, checked against this machine's teachers and samples, or all its mistakes at once."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from compress.common.yaml_source import Keys
from compress.recipe.checks import check_chains, check_lists, check_metrics, check_teacher
from compress.recipe.diagnostics import SHOWN, Mistakes, dotted
from compress.recipe.grid import Expanded, expand
from compress.recipe.messages import in_words, is_echo
from compress.recipe.models import CandidatePlan, Recipe
from compress.recipe.naming import name_all
from compress.recipe.overrides import apply_overrides
from compress.recipe.paths import Paths, Schema
from compress.recipe.schema import editor_schema
from compress.recipe.search_checks import check_options, check_search
from compress.recipe.source_checks import check_sources
from compress.recipe.yaml_file import read_settings

__all__ = ["CandidatePlan", "Recipe", "load_recipe", "stored_recipe"]


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe with overrides applied and `each` expanded.

    overrides: PATH=VALUE, VALUE in YAML. UserError lists every mistake with file and line, in the order of the file.
    """
    return _load(path, overrides, here=True)


def stored_recipe(path: Path) -> Recipe:
    """A recipe that was run, maybe elsewhere: its teacher, frames and CPUs need not be here. UserError as above."""
    return _load(path, (), here=False)


def _load(path: Path, overrides: Sequence[str], here: bool) -> Recipe:
    data, mistakes = read_settings(path, "a recipe", Recipe)
    schema = editor_schema()
    apply_overrides(data, overrides, schema, mistakes)
    recipe, concrete = _checked(data, schema, here, mistakes)
    space = check_search(concrete, Paths(schema, concrete), mistakes)
    if here and space is not None and not mistakes.found:
        check_options(space, lambda trial: _problems(trial, schema), mistakes)
    mistakes.refuse()
    assert recipe is not None, "a recipe that cannot be made has mistakes"
    return recipe


def _checked(data: dict[str, Any], schema: Schema, here: bool, mistakes: Mistakes) -> tuple[Recipe | None, Any]:
    """The recipe, if it is right, and its data with every candidate written out."""
    written = data.get("candidates")
    candidates = name_all(expand(written, mistakes), mistakes) if isinstance(written, list) else []
    concrete = {**data, "candidates": [candidate.data for candidate in candidates]} if candidates else data
    recipe = _validated(concrete, candidates, Paths(schema, data), mistakes)
    check_lists(data, mistakes)
    if here:
        check_sources(data, mistakes)
        teacher = check_teacher(data, mistakes)
        check_metrics(data, teacher, mistakes)
        if teacher is not None:
            check_chains(candidates, teacher, data, mistakes)
    return recipe, concrete


def _problems(data: dict[str, Any], schema: Schema) -> dict[str, str]:
    """What is wrong with a trial of a search: what it is -> the same with its path."""
    mistakes = Mistakes("", {})
    _checked(data, schema, True, mistakes)
    return {message: f"{dotted(keys)}: {message}" for keys, message in mistakes.found.items()}


def _validated(data: Any, candidates: Sequence[Expanded], paths: Paths, mistakes: Mistakes) -> Recipe | None:
    """The recipe, or None after adding what pydantic found, in our words and at the user's paths."""
    try:
        # JSON mode is strict about types and yet takes a list for a tuple and a whole number for a float.
        return Recipe.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as problem:
        errors = [error for error in problem.errors(include_url=False) if not is_echo(error)]
        found = [(_user_keys(error, data, candidates), error) for error in errors]
        found.sort(key=lambda pair: mistakes.place(pair[0]).rank)
        for keys, error in found:
            if len(mistakes.found) > SHOWN:
                break  # more are counted in vain: finding the nearest name for thousands takes long
            mistakes.add(*in_words(error, keys, paths))
        return None


def _user_keys(error: Mapping[str, Any], data: Any, candidates: Sequence[Expanded]) -> Keys:
    """pydantic's path, in which a choice between types has a part of its own, as a path that the user wrote."""
    loc: Keys = error["loc"]
    if loc[:1] != ("candidates",):
        return _without_types(loc, data, missing=error["type"] == "missing")
    if len(loc) < 2 or not candidates:
        return loc
    within = loc[2:]
    if within[:1] == ("steps",) and len(within) > 2:
        within = (*within[:2], *within[3:])
    return candidates[int(loc[1])].user_keys(within)


def _without_types(loc: Keys, data: Any, missing: bool) -> Keys:
    """The parts that lead somewhere in the data; the last one does not where it is what is missing."""
    keys: list[str | int] = []
    for place, part in enumerate(loc):
        there = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if there or (isinstance(data, dict) and part in data):
            keys.append(part)
            data = data[part]
        elif missing and place == len(loc) - 1:
            keys.append(part)
    return tuple(keys)
