"""--set PATH=VALUE: one value of a recipe, set from outside. VALUE is read as YAML, as if it stood in the file."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from compress.common.yaml_source import Keys, YamlError, parse_yaml
from compress.recipe.diagnostics import Mistakes, dotted
from compress.recipe.paths import Paths, Schema
from teachers.zoo import nearest


def apply_overrides(data: dict[str, Any], overrides: Sequence[str], schema: Schema, mistakes: Mistakes) -> None:
    """Writes the values into `data`, in the order given; what cannot be written is a mistake."""
    for index, text in enumerate(overrides):
        path, equals, value = text.partition("=")
        if not equals or not path:
            mistakes.add_override(index, text, "expected PATH=VALUE, for example data.images=8")
            continue
        keys, paths = path_keys(path), Paths(schema, data)
        if keys not in paths.all:
            mistakes.add_override(index, text, f"a recipe has no such path{nearest_path(path, keys, paths)}")
            continue
        try:
            source = parse_yaml(value)
        except YamlError as error:
            mistakes.add_override(index, text, error.message)
            continue
        mistakes.overridden(index, text, keys, _put(data, keys, source.data))
        for below, message in source.problems:
            mistakes.add((*keys, *below), message)


def path_keys(path: str) -> Keys:
    """`data.images` as the keys that lead there."""
    return tuple(int(part) if _is_position(part) else part for part in path.split("."))


def _is_position(part: str) -> bool:
    return part.isascii() and part.isdigit() and len(part) <= 9 and str(int(part)) == part


def nearest_path(path: str, keys: Keys, paths: Paths) -> str:
    """How long a list is; or a path spelt much alike, or the first one whose last word is."""
    wrong = next(keys[:end] for end in range(1, len(keys) + 1) if keys[:end] not in paths.all)
    positions = paths.names(wrong[:-1])
    if isinstance(wrong[-1], int) and "0" in positions:
        return f"; the positions of {dotted(wrong[:-1])} are 0 to {len(positions) - 1}"
    known = {dotted(keys): None for keys in paths.all}
    by_last: dict[str, str] = {}
    for name in known:
        by_last.setdefault(name.rpartition(".")[2], name)
    last = path[:80].rpartition(".")[2]
    close = get_close_matches(path[:80], known, n=1, cutoff=0.8) or get_close_matches(last, by_last, n=1)
    return f" (did you mean {by_last.get(close[0], close[0])}?)" if close else nearest(path[:80], paths.names(()))


def _put(data: dict[str, Any], keys: Keys, value: Any) -> list[Keys]:
    """Sets the value and gives back the parents that had to be made, or that took the place of a plain value."""
    made: list[Keys] = []
    holder: Any = data
    for depth, key in enumerate(keys[:-1], start=1):
        below = holder.get(key) if isinstance(holder, dict) else holder[key]
        if not isinstance(below, dict if isinstance(keys[depth], str) else list):
            below = {}  # the path exists, so a position always finds its list: only mappings are made
            holder[key] = below
            made.append(keys[:depth])
        holder = below
    holder[keys[-1]] = value
    return made
