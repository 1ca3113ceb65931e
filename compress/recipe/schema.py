"""The JSON schema with which editors complete and check recipes: `python -m compress.recipe.schema [FILE]`."""

import copy
import functools
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from compress.recipe.grid import EACH
from compress.recipe.models import Recipe
from compress.recipe.paths import Schema
from compress.steps import STEPS
from teachers.common.files import write_text

DEFAULT_PATH = Path("docs/recipe.schema.json")


@functools.cache
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
    _vary_inference(schema)
    # Within another step, `finetune:` says already what it is.
    inner = copy.deepcopy(schema["$defs"]["Distill"])
    inner["required"].remove("step")
    schema["$defs"]["Finetune"] = inner
    for kind in STEPS:
        shape = schema["$defs"][kind.__name__]["properties"].get("finetune")
        if shape is not None:
            schema["$defs"][kind.__name__]["properties"]["finetune"] = _within(shape)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A recipe of compress"}


def _vary_inference(schema: Schema) -> None:
    """Within a candidate, `each` may stand for any part of its `inference`; the recipe's own is one for all."""
    names = {name: f"Candidate{name}" for name in ("Inference", "Roi", "Redetect")}
    for name, varied in names.items():
        shape = json.loads(_renamed(schema["$defs"][name], names))
        shape["properties"] = {key: _or_each(part) for key, part in shape["properties"].items()}
        schema["$defs"][varied] = shape
    plan = schema["$defs"]["CandidatePlan"]["properties"]
    plan["inference"] = _or_each(json.loads(_renamed(plan["inference"], names)))


def _renamed(shape: Schema, names: Mapping[str, str]) -> str:
    text = json.dumps(shape)
    for name, new in names.items():
        text = text.replace(f'#/$defs/{name}"', f'#/$defs/{new}"')
    return text


def _within(shape: Schema) -> Schema:
    found: Schema = json.loads(_renamed(shape, {"Distill": "Finetune"}))
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
