"""Overrides of a recipe as a mapping -> PATH=VALUE, as the command line spells them."""

import json
from collections.abc import Mapping, Sequence

from teachers.common.errors import UserError


def override_texts(overrides: Mapping[str, object] | None) -> tuple[str, ...]:
    """`{"data.images": 8}` -> `("data.images=8",)`. UserError for a value that YAML cannot hold."""
    return tuple(f"{path}={_value(path, value)}" for path, value in (overrides or {}).items())


def _value(path: str, value: object) -> str:
    try:
        # JSON is YAML, but for Python's spelling of infinity and NaN, which no recipe takes.
        return json.dumps(_plain(value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"overrides[{path!r}]: {error}; numbers, text, lists and mappings would do") from error


def _plain(value: object) -> object:
    """Tuples as lists, paths as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return str(value) if hasattr(value, "__fspath__") else value
