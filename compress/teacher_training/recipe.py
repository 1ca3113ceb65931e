"""The recipe of `compress teachers train`: which network learns from which labels. All its mistakes come at once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from compress.common.yaml_source import dump_yaml
from compress.recipe.diagnostics import SHOWN, Mistakes
from compress.recipe.messages import in_words, is_echo
from compress.recipe.overrides import apply_overrides
from compress.recipe.paths import Paths
from compress.recipe.yaml_file import read_settings
from compress.teacher_training.checks import check_files, check_network, check_settings
from compress.training.augmentation import Augmentation
from compress.training.frames import Text
from compress.training.labelled_data import HeldOut
from compress.training.losses import LossSettings
from compress.training.reparameterization import Reparameterization
from compress.training.schedule import Schedule
from students.stages import MOST_STAGES
from teachers.common.frozen import Frozen


class NetworkPlan(Frozen):
    """What is trained: an architecture with fresh weights, or a model that goes on learning."""

    architecture: Annotated[
        Text | None,
        Field(description="openpose-coco-vgg19, openpose-mobilenet-thin, or a folder with a spec.json."),
    ] = None
    stages: Annotated[
        int | None,
        Field(
            ge=1, le=MOST_STAGES, description="Of the architecture; left out, as many as it has. More: slower, closer."
        ),
    ] = None
    begin_with: Annotated[
        Text | None,
        Field(alias="from", description="A known teacher or a model's folder, whose weights it begins with."),
    ] = None


def _one_line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be one line of text that names the terms, or `unknown`")
    return text.strip()


class TeacherRecipe(Frozen):
    """A whole training, concrete."""

    network: NetworkPlan
    labels: Annotated[
        tuple[Text, ...],
        Field(
            min_length=1, max_length=64, description="COCO keypoint files; their images lie as in COCO's own layout."
        ),
    ]
    images: Annotated[
        int | None, Field(ge=2, description="So many labelled images at most, drawn at random; left out, all of them.")
    ] = None
    validation: HeldOut = HeldOut()
    licence: Annotated[
        str,
        AfterValidator(_one_line),
        Field(
            min_length=1,
            max_length=500,
            description="One line: the terms that the images and labels leave for the weights. `unknown` if they are.",
        ),
    ]
    schedule: Annotated[Schedule, Field(description="How long and how fast it learns.")]
    loss: Annotated[LossSettings, Field(description="What counts how much.")] = LossSettings()
    reparameterization: Annotated[Reparameterization, Field(description="What is added for the time of training.")] = (
        Reparameterization()
    )
    augmentation: Annotated[
        Augmentation, Field(description="Random changes; the maps are drawn from the moved labels, so all are exact.")
    ] = Augmentation()
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Of fresh weights, crops and what is held out.")] = 0

    def to_yaml(self) -> str:
        """The canonical text: every default written out."""
        return dump_yaml(self.model_dump(mode="json", by_alias=True))


def load_teacher_recipe(path: Path, overrides: Sequence[str] = ()) -> TeacherRecipe:
    """The recipe with overrides applied; UserError lists every mistake with file and line, in the order of the file.

    What the label files hold is looked at when the training begins: a large one takes long to read.
    """
    data, mistakes = read_settings(path, "a teacher's recipe", TeacherRecipe)
    schema = TeacherRecipe.model_json_schema()
    apply_overrides(data, overrides, schema, mistakes)
    recipe = _validated(data, Paths(schema, data), mistakes)
    check_files(data, mistakes)
    spec = check_network(data, mistakes)
    if recipe is not None:
        check_settings(recipe.schedule, recipe.loss, spec, mistakes)
    mistakes.refuse()
    assert recipe is not None, "a recipe that cannot be made has mistakes"
    return recipe


def _validated(data: dict[str, Any], paths: Paths, mistakes: Mistakes) -> TeacherRecipe | None:
    """The recipe, or None after adding what pydantic found, in our words (as compress.recipe.loader does)."""
    try:
        return TeacherRecipe.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as problem:
        found = [error for error in problem.errors(include_url=False) if not is_echo(error)]
        found.sort(key=lambda error: mistakes.place(error["loc"]).rank)
        for error in found[: SHOWN + 1]:
            mistakes.add(*in_words(error, error["loc"], paths))
        return None
