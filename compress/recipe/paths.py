"""The paths that a recipe has, written or not: what --set may name, and what a misspelt key may have meant."""

from collections.abc import Iterator
from typing import Any

from compress.common.yaml_source import Keys

Schema = dict[str, Any]


class Paths:
    """Every valid path of a JSON schema; positions in lists are those of the data at hand."""

    def __init__(self, schema: Schema, data: Any) -> None:
        self._definitions: Schema = schema.get("$defs", {})
        self.all: dict[Keys, None] = dict.fromkeys(self._walk(schema, data, ()))
        self._names: dict[Keys, list[str]] = {}
        for keys in self.all:
            self._names.setdefault(keys[:-1], []).append(str(keys[-1]))

    def names(self, keys: Keys) -> list[str]:
        """What may stand below this path."""
        return self._names.get(keys, [])

    def step_names(self) -> list[str]:
        """The steps there are."""
        constants = [shape.get("properties", {}).get("step", {}).get("const") for shape in self._definitions.values()]
        # One that may also stand within another step is there twice.
        return list(dict.fromkeys(name for name in constants if name is not None))

    def _walk(self, schema: Schema, data: Any, keys: Keys) -> Iterator[Keys]:
        for shape in self._shapes(schema, data):
            for name, below in shape.get("properties", {}).items():
                yield (*keys, name)
                yield from self._walk(below, data.get(name) if isinstance(data, dict) else None, (*keys, name))
            if "items" in shape and isinstance(data, list):
                for index, item in enumerate(data):
                    yield (*keys, index)
                    yield from self._walk(shape["items"], item, (*keys, index))

    def _shapes(self, schema: Schema, data: Any) -> list[Schema]:
        """The alternatives at one place; of several steps only the one that the data names, if it names one."""
        if "$ref" in schema:
            return self._shapes(self._definitions[schema["$ref"].rsplit("/", 1)[1]], data)
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches is None:
            return [schema]
        shapes = [shape for branch in branches for shape in self._shapes(branch, data)]
        step = data.get("step") if isinstance(data, dict) else None
        named = [shape for shape in shapes if step and shape.get("properties", {}).get("step", {}).get("const") == step]
        return named or shapes
