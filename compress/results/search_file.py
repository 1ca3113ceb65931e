"""search.json: a study's facts beside its run, so that its report is drawn again without the search engine."""

import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from compress.results.search_facts import SearchFacts
from teachers.common.errors import UserError
from teachers.common.files import write_text

SEARCH = "search.json"
_FORMAT = 1
_FACTS = TypeAdapter(SearchFacts)


def keep_search(out: Path, search: SearchFacts) -> Path:
    """Writes the facts into the folder, whole or not at all; ValueError for NaN or infinity."""
    text = json.dumps({"format": _FORMAT, **_FACTS.dump_python(search, mode="json")}, indent=1, allow_nan=False)
    write_text(out / SEARCH, text + "\n")
    return out / SEARCH


def kept_search(out: Path) -> SearchFacts | None:
    """What `keep_search` left in the folder; None for a run without a search. UserError if it cannot be read."""
    path = out / SEARCH
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict) or found.pop("format", None) != _FORMAT:
        raise UserError(f"{path}: was not written by this version of a search; format {_FORMAT} is expected")
    try:
        return _FACTS.validate_json(json.dumps(found), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{path}: is not what a search writes: {where}: {first['msg']}") from error
