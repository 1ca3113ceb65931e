"""Names that were given up stay away: of classes and functions, of files, of recipe keys and values, of columns."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from compress.recipe.models import Recipe
from compress.results.columns import COLUMNS
from compress.steps import STEPS

ROOT = Path(__file__).parent.parent
TEXT = (".py", ".md", ".yaml", ".yml", ".toml", ".json", ".j2", ".js", ".css", ".ipynb", ".svg", ".txt")
OLD_WORDS = (
    # Networks and their layers.
    "Enlarge", "EnlargeBlock", "ImageNorm", "ImageNormBlock", "image_norm", "ceiling", "text_format", "Heirs", "heirs",
    # Steps and training.
    "workshop", "Workshop", "lessons", "Teaching", "whole_frames", "probing", "Dealt", "Evening", "evenness",
    "Evenness", "first_alone", "share_weights", "plan_stages", "widths_by", "map_change", "depthwise_share",
    "small_bits", "equalise", "extra_stages", "width_choice", "signal_of", "surgeon_of", "guard",
    # Running, measuring, searching, reporting.
    "Prepared", "shown_people", "LapReading", "run_laps", "lap", "laps", "Reseeded", "Lane", "barred", "angle_fidelity",
    "Measured(", "DISTURBANCES",
)  # fmt: skip
"""As whole words, in any tracked text. Old names that are ordinary words are looked for as files and settings below."""
ALLOWED: dict[str, str] = {"tests/test_docs_names.py": "this list"}

OLD_FILES = {
    "compress/training": (
        "lessons", "views", "whole_frames", "probing", "form", "balance", "kept", "first_alone", "evenness",
    ),
    "compress/quantization": ("walk", "record", "form", "learning", "choice", "fit", "guard", "watch", "collapse"),
    "compress/pruning": ("widths", "width_choice", "signal_of", "surgeon_of", "sharing"),
    "compress/run": (
        "prepared", "measuring", "journal", "finding", "degrees", "cost", "labelled", "conditions", "recording",
        "saved", "shown_people",
    ),
    "compress/recipe": ("each", "set", "mistakes", "wording"),
    "compress/search": ("together", "rungs", "barred"),
    "compress/report": ("views", "words", "readings", "labels"),
    "compress/steps": ("workshop", "share_weights", "plan_stages"),
    "students": ("heirs", "choices", "fresh", "plain"),
    "teachers": ("known", "text_format"),
    "eval": ("disturbance", "disturbances"),
    "compress": ("workshop", "measuring", "reporting", "sharing", "columns", "errors", "files", "lock"),
}  # fmt: skip
"""Folder -> names without `.py`, as they once stood there or flat in `compress/`."""

OLD_SETTINGS = {
    "remove_stages": ("keep",),
    "swap_backbone": ("to", "features", "weights"),
    "prune_channels": (
        "ratio", "macs", "parts", "widths_by", "refit", "rounds", "distill", "frames",
    ),
    "prune_weights": ("share", "depthwise_share", "across", "refit", "rounds", "distill", "frames"),
    "cluster_weights": ("start", "small_bits", "prune", "refit", "frames"),
    "quantize": ("calibration", "budget", "learn", "refit", "equalise"),
    "distill": ("form", "balance", "margin", "whole_frames", "evenness", "extra_stages"),
    "fit_heads": ("frames", "evenness"),
    "replace_stages": ("keep",),
}  # fmt: skip
OLD_PLACES = {
    "training": ("mirror", "average", "validation"),
    "training.data": ("first", "last", "every"),
    "measure.latency": ("also",),
    "search": ("keep", "start"),
}
OLD_VALUES = ("product", "map_change", "signal", "surgeon", "zeros", "shared", "plain")
"""Of settings with a fixed choice."""
OLD_COLUMNS = ("detected", "angle_fidelity")


def _tracked() -> list[str]:
    """What git would have: files below the root without what is made by running things."""
    made = {".git", ".venv", "site", "runs", "build", "dist", "__pycache__"}
    paths = (path for path in ROOT.rglob("*") if path.suffix in TEXT and path.is_file())
    found = [path.relative_to(ROOT) for path in paths]
    return [path.as_posix() for path in found if not any(p in made or p.startswith(".") for p in path.parts)]


def test_no_old_name_comes_back() -> None:
    ends = [re.escape(word) + (r"\b" if word[-1].isalnum() else "") for word in OLD_WORDS]
    pattern = re.compile("|".join(rf"\b{end}" for end in ends))
    files = _tracked()
    assert "compress/steps/context.py" in files and len(files) > 500
    found = {
        f"{name}:{number}: {line.strip()[:80]}"
        for name in files
        if name not in ALLOWED
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    }
    assert not found


def test_no_old_file_comes_back() -> None:
    files = {PurePosixPath(name) for name in _tracked()}
    folders = {str(path.parent) for path in files}
    assert folders >= set(OLD_FILES)
    back = [f"{folder}/{name}.py" for folder, names in OLD_FILES.items() for name in names]
    assert not [name for name in back if PurePosixPath(name) in files]


def test_no_old_setting_comes_back() -> None:
    kinds = {kind.model_fields["step"].default: kind for kind in STEPS}
    assert set(OLD_SETTINGS) <= set(kinds)
    for step, names in OLD_SETTINGS.items():
        assert not set(names) & set(kinds[step].model_fields), step
    schema = Recipe.model_json_schema()
    for place, names in OLD_PLACES.items():
        assert not set(names) & _keys(schema, place.split(".")), place


def test_no_old_value_or_column_comes_back() -> None:
    values = set(_choices(Recipe.model_json_schema()))
    assert "gauss_newton" in values and "repvgg" in values
    assert not values & set(OLD_VALUES)
    assert COLUMNS and not {str(name) for name in COLUMNS} & set(OLD_COLUMNS)


@pytest.mark.parametrize(
    ("place", "known"),
    [("training", "flip"), ("training.data", "stride"), ("measure.latency", "extra_runtimes"), ("search", "enqueue")],
)
def test_places_are_found_in_the_schema(place: str, known: str) -> None:
    assert known in _keys(Recipe.model_json_schema(), place.split("."))


def _keys(schema: dict[str, Any], path: list[str]) -> set[str]:
    """The settings below a place of the recipe, in whichever of its forms."""
    shapes = [schema]
    for name in path:
        shapes = [shape for one in shapes for shape in _objects(one["properties"][name], schema["$defs"])]
    return {name for shape in shapes for name in shape["properties"]}


def _objects(shape: dict[str, Any], parts: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in shape:
        return _objects(parts[shape["$ref"].rpartition("/")[2]], parts)
    inner = [
        *shape.get("anyOf", ()),
        *shape.get("oneOf", ()),
        *([shape["items"]] if isinstance(shape.get("items"), dict) else []),
    ]
    found = [one for option in inner for one in _objects(option, parts)]
    return [shape, *found] if "properties" in shape else found


def _choices(shape: Any) -> list[str]:
    """Every value of every fixed choice."""
    if isinstance(shape, list):
        return [value for one in shape for value in _choices(one)]
    if not isinstance(shape, dict):
        return []
    own = [value for value in (*shape.get("enum", ()), shape.get("const")) if isinstance(value, str)]
    return own + [value for one in shape.values() for value in _choices(one)]
