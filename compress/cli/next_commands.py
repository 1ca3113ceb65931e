"""What to type next with a model that has just been made: commands that are taken as they are printed."""

import shlex
from pathlib import Path

RECIPES = {True: Path("recipes/openpose_vgg.yaml"), False: Path("recipes/stage_prune.yaml")}
"""Whether the backbone is VGG -> the recipe that removes stages from such a network."""
_STAGES = 6
"""Of the networks that these recipes are written for."""


def next_commands(model: Path, stages: int, is_vgg: bool) -> list[str]:
    """Of a model's folder: people of an image, angles of a video, its stage table where there are stages to remove.

    IMAGE and VIDEO stand for the user's own files. The recipe is named as it lies in a clone, where it is there.
    """
    found = [
        shlex.join(["compress", "predict", str(model), "IMAGE"]),
        shlex.join(["compress", "kinematics", "VIDEO", "--model", str(model)]),
    ]
    recipe = RECIPES[is_vgg]
    if stages > 1 and recipe.is_file():
        words = ["compress", "run", recipe.as_posix(), "--set", f"teacher={model}"]
        if stages != _STAGES:
            fewer = ", ".join(map(str, range(stages - 1, 0, -1)))
            steps = f"[{{step: remove_stages, stages: {{each: [{fewer}]}}}}]"
            words += ["--set", f"candidates=[{{name: 'stages-{{stages}}', steps: {steps}}}]"]
        found.append(shlex.join(words))
    return found
