"""The JSON schema with which editors complete and check recipes: `python -m compress.recipe.schema [FILE]`."""

import copy
import json
import sys
from pathlib import Path

from compress.recipe.grid import EACH
from compress.recipe.models import Recipe
from compress.recipe.paths import Schema
from compress.steps import STEPS
from teachers.common.files import write_text

DEFAULT_PATH = Path("docs/recipe.schema.json")


def editor_schema() -> Schema:
    """The schema of a recipe as people write it: names may be left out, and `each` may stand for a step's setting."""
    schema: Schema = Recipe.model_json_schema()
    plan = schema["$defs"]["CandidatePlan"]
    plan["required"].remove("name")
    for kind in STEPS:
        step = schema["$defs"][kind.__name__]
        step["required"] = ["step", *(name for name in step.get("required", ()) if name != "step")]
        step["properties"] = {
            name: shape if name == "step" else _or_each(shape) for name, shape in step["properties"].items()
        }
    # Within another step, `finetune:` says already what it is.
    inner = copy.deepcopy(schema["$defs"]["Distill"])
    inner["required"].remove("step")
    schema["$defs"]["Finetune"] = inner
    for kind in STEPS:
        shape = schema["$defs"][kind.__name__]["properties"].get("finetune")
        if shape is not None:
            schema["$defs"][kind.__name__]["properties"]["finetune"] = _within(shape)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A recipe of compress"}


def _within(shape: Schema) -> Schema:
    text = json.dumps(shape).replace('#/$defs/Distill"', '#/$defs/Finetune"')
    found: Schema = json.loads(text)
    return found


def _or_each(shape: Schema) -> Schema:
    outer: Schema = {key: shape[key] for key in ("title", "description", "default") if key in shape}
    value: Schema = {key: item for key, item in shape.items() if key not in outer}
    each = {
        "type": "object",
        "properties": {EACH: {"type": "array", "items": copy.deepcopy(value), "minItems": 1, "uniqueItems": True}},
        "required": [EACH],
        "additionalProperties": False,
        "description": "One candidate for each of these values.",
    }
    return {**outer, "anyOf": [value, each]}


def schema_text() -> str:
    """What the file holds."""
    return json.dumps(editor_schema(), indent=2) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_PATH
    write_text(target, schema_text())
    print(target)
