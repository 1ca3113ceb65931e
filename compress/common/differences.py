"""What differs between two trees of plain data, told by paths as `--set` takes them."""

from collections.abc import Iterator, Mapping
from typing import Any

from compress.common.yaml_source import YamlError, parse_yaml

_MOST = 5
_ABSENT = object()


def recipe_differences(before: str, now: str) -> str:
    """What differs between two recipes' texts, in a few words; empty where one of them cannot be read."""
    try:
        return differences(parse_yaml(before).data, parse_yaml(now).data)
    except YamlError:
        return ""


def differences(before: Any, now: Any) -> str:
    """`path: old -> new` of the first few values that differ; empty where none does."""
    found = list(_differing(before, now, ""))
    more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return ", ".join(found[:_MOST]) + more


def _differing(before: Any, now: Any, path: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        pairs = [(key, before.get(key, _ABSENT), now.get(key, _ABSENT)) for key in dict.fromkeys([*before, *now])]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        pairs = [(place, *both) for place, both in enumerate(zip(before, now, strict=True))]
    else:
        if before != now:
            yield f"{path or 'all of it'}: {_short(before)} -> {_short(now)}"
        return
    for key, one, other in pairs:
        yield from _differing(one, other, f"{path}.{key}" if path else f"{key}")


def _short(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
