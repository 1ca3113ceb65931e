"""What is wrong with the `search` of a recipe: paths that it has not, empty choices, options that cannot be."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from compress.common.yaml_source import Keys
from compress.measure.metrics import METRICS
from compress.recipe.diagnostics import Mistakes, show
from compress.recipe.models import Recipe
from compress.recipe.overrides import nearest_path, path_keys
from compress.recipe.paths import Paths
from compress.recipe.search_space import Assignment, Options, Parameter, Scalar
from compress.recipe.search_space_reader import SpaceReader
from compress.recipe.trial_data import Space, first_of, why_fixed
from compress.results.goals import GoalError, parse_goal
from compress.results.objectives import OBJECTIVES
from teachers.zoo import nearest

Problems = Callable[[dict[str, Any]], Mapping[str, str]]
"""What is wrong with a recipe that is given as plain data: what it is -> the same with where it is."""


def check_search(data: Mapping[str, Any], paths: Paths, mistakes: Mistakes) -> Space | None:
    """Reads the space and adds whatever is wrong with it. None where it cannot be read.

    data: the concrete recipe with its search; paths: those that it has.
    """
    search = data.get("search")
    if not isinstance(search, dict):
        return None
    _check_measured(search, data, mistakes)
    candidates = data.get("candidates")
    if not isinstance(candidates, list) or len(candidates) != 1:
        count = len(candidates) if isinstance(candidates, list) else 0
        mistakes.add(("candidates",), f"a search varies one candidate, there are {count}; leave `each` to search.vary")
        return None
    vary = search.get("vary")
    if not isinstance(vary, dict):
        return None
    known = {text: keys for text in vary if (keys := _path(text, vary, paths, mistakes))}
    trees = SpaceReader(data, mistakes).read(vary, known)
    space = Space(data, trees)
    if not any(keys[:2] == ("search", "vary") for keys in mistakes.found):
        _check_enqueued(search.get("enqueue"), space, mistakes)
    return space


def space_of(recipe: Recipe) -> Space:
    """The space of a recipe that was checked; ValueError if it has none."""
    if recipe.search is None:
        raise ValueError("a recipe without a search has no space")
    mistakes = Mistakes("recipe", {})
    paths = {text: path_keys(text) for text in recipe.search.vary}
    base = recipe.model_dump(mode="json")
    trees = SpaceReader(base, mistakes).read(recipe.search.vary, paths)
    mistakes.refuse()
    return Space(base, trees)


def _path(text: str, vary: Mapping[str, Any], paths: Paths, mistakes: Mistakes) -> Keys | None:
    where, keys = ("search", "vary", text), path_keys(text)
    if keys not in paths.all:
        mistakes.add(where, f"a recipe has no such path{nearest_path(text, keys, paths)}")
        return None
    reason = why_fixed(keys)
    if reason is not None:
        mistakes.add(where, reason)
        return None
    for other in vary:
        if other != text and keys[: len(path_keys(other))] == path_keys(other):
            mistakes.add(where, f"lies within {other}, which varies as well; write the choice in there")
            return None
    return keys


def _check_measured(search: Mapping[str, Any], data: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Objectives and constraints that `measure` switches off, and what is there twice."""
    for name in ("objectives", "constraints"):
        written = search.get(name)
        for index, text in enumerate(written if isinstance(written, list) else []):
            keys: Keys = ("search", name, index)
            if isinstance(written, list) and written.index(text) < index:
                mistakes.add(keys, f"{show(text)} is there twice")
            part = _part(name, text)
            measure = data.get("measure")
            asked = measure if isinstance(measure, dict) else {}
            if part and asked.get(part, METRICS[part].default) is False:
                switch = "false" if part in asked else "left out"
                mistakes.add(keys, f"{text} is not measured, because measure.{part} is {switch}")


def _part(name: str, text: Any) -> str | None:
    if not isinstance(text, str):
        return None
    if name == "objectives":
        return OBJECTIVES[text].part if text in OBJECTIVES else None
    try:
        return parse_goal(text).part
    except GoalError:
        return None


def _check_enqueued(points: Any, space: Space, mistakes: Mistakes) -> None:
    """Names and values that there are."""
    for index, point in enumerate(points if isinstance(points, list) else []):
        for name, value in point.items() if isinstance(point, dict) else ():
            keys: Keys = ("search", "enqueue", index, name)
            choice = space.choices.get(name)
            if choice is None:
                mistakes.add(keys, f"no choice has this name{nearest(name, list(space.choices))}")
            elif not _can_be(choice, value):
                mistakes.add(keys, f"cannot be {show(value)}; there is {_told(choice)}")


def _can_be(choice: Parameter, value: Any) -> bool:
    if isinstance(choice, Options):
        return any(value == label and isinstance(value, bool) == isinstance(label, bool) for label in choice.labels)
    return choice.holds(value)


def _told(choice: Parameter) -> str:
    if isinstance(choice, Options):
        return ", ".join(map(show, choice.labels))
    low, high = choice.bounds
    return f"{low:g} to {high:g}"


def check_options(space: Space, problems: Problems, mistakes: Mistakes) -> None:
    """Every option and both ends of every range, in one recipe each: what no recipe can have is a mistake.

    The other choices are at their first option, then at their last: an option is wrong only if it is wrong with both.
    What is wrong whichever value this choice has is another choice's mistake.
    """
    known: dict[tuple[tuple[str, Scalar], ...], dict[str, str]] = {}

    def found(assignment: Assignment) -> dict[str, str]:
        key = tuple(assignment.items())
        if key not in known:
            known[key] = dict(problems(space.of(assignment)))
        return known[key]

    for choice in space.choices.values():
        wrong: dict[int, list[str]] = {}
        for last in (False, True):
            told = [found(_background(space, choice, value, last)) for value in _ends(choice)]
            for place, here in enumerate(told):
                own = [path for message, path in here.items() if len(told) == 1 or not all(message in t for t in told)]
                wrong.setdefault(place, []).append(own[0] if own else "")
        for place, value in enumerate(_ends(choice)):
            if all(wrong[place]):
                mistakes.add(_where(choice, value), f"{show(value)} makes no recipe: {wrong[place][0]}")


def _ends(choice: Parameter) -> Sequence[Scalar]:
    return choice.labels if isinstance(choice, Options) else tuple(dict.fromkeys(choice.bounds))


def _where(choice: Parameter, value: Scalar) -> Keys:
    if not isinstance(choice, Options):
        return (*choice.keys, "int" if choice.whole else "float")
    place = choice.labels.index(value)
    # Of a mapping the word is the key, of a list the position.
    return (*choice.keys, "any", value if isinstance(value, str) else place)


def _background(space: Space, choice: Parameter, value: Scalar, last: bool) -> dict[str, Scalar]:
    """Choices in which this one has this value; whatever it is part of is chosen, so that it is there."""
    assignment = {
        name: (one.labels[-1] if isinstance(one, Options) else one.bounds[1]) if last else first_of(one)
        for name, one in space.choices.items()
    }
    for outer in space.choices.values():
        within = choice.keys[: len(outer.keys) + 1] == (*outer.keys, "any")
        if isinstance(outer, Options) and outer is not choice and within:
            part = choice.keys[len(outer.keys) + 1]
            assignment[outer.name] = outer.labels[part] if isinstance(part, int) else part
    return {**assignment, choice.name: value}
