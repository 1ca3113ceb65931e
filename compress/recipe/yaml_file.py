"""A recipe's file -> plain data with lines; what is wrong with the file itself is told with its line."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from compress.common.yaml_source import MAX_BYTES, YamlError, YamlSource, parse_yaml
from compress.recipe.diagnostics import Mistakes, show
from teachers.common.errors import UserError


def read_settings(path: Path, what: str, model: type[BaseModel]) -> tuple[dict[str, Any], Mistakes]:
    """The mapping that the file holds, and the mistakes of single values; UserError where it is no mapping at all."""
    source = read_yaml(path)
    data = source.data
    if not isinstance(data, dict):
        found = "an empty file" if data is None else show(data)
        raise UserError(f"{path}:1: {what} is a mapping with the keys {', '.join(model.model_fields)}; got {found}")
    mistakes = Mistakes.of_file(str(path), source.lines)
    for keys, message in source.problems:
        mistakes.add(keys, message)
    return data, mistakes


def read_yaml(path: Path) -> YamlSource:
    """The text of a recipe as plain data with lines; UserError says what is wrong with the file."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file{_alike(path)}") from error
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; a recipe is a YAML file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise UserError(f"{path}: longer than the {MAX_BYTES:,} bytes that are read of a recipe")
    try:
        return parse_yaml(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text, byte {raw[error.start]:#04x} there") from error
    except YamlError as error:
        raise UserError(f"{path}:{error.line}: {error.message}") from error


def _alike(path: Path) -> str:
    """A recipe in the same folder with nearly this name."""
    names = [other.name for other in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f" (did you mean {path.parent / close[0]}?)" if close else ""
