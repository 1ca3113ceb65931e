"""The JSON schema for editors: current, and of one mind with the loader."""

from pathlib import Path

import jsonschema
import yaml
from compress_recipe_text import GOOD, changed, mistakes

from compress.recipe.schema import DEFAULT_PATH, editor_schema, schema_text

ROOT = Path(__file__).parents[1]


def test_the_schema_file_is_current() -> None:
    jsonschema.Draft202012Validator.check_schema(editor_schema())
    assert (ROOT / DEFAULT_PATH).read_text() == schema_text(), "run: python -m compress.recipe.schema"


def test_the_schema_refuses_what_the_loader_refuses() -> None:
    schema = jsonschema.Draft202012Validator(editor_schema())
    assert schema.is_valid(yaml.safe_load(GOOD))
    bad = [
        changed("stages: {each: [5, 4]}", "stages: {each: []}"),
        changed("stages: {each: [5, 4]}", "stages: 0"),
        changed("- step: remove_stages\n        ", "- "),
        changed("remove_stages", "remove_stage"),
        changed("images: 4", "image: 4"),
        changed("latency_ms", "latency"),
    ]
    for text in bad:
        assert not schema.is_valid(yaml.safe_load(text)), text
        mistakes(text)
