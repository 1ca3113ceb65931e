"""What a teacher's recipe must be beyond its types: files that are here, a network that can learn from COCO's labels.

They look at plain data, piece by piece, so that a mistake in one place does not hide one in another.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from compress.common.yaml_source import Keys
from compress.recipe.diagnostics import Mistakes, show
from compress.training.losses import LossSettings
from compress.training.schedule import Schedule
from students.stages import MOST_STAGES, two_branch
from teachers import openpose_thin, openpose_vgg
from teachers.checkpoint import SPEC, load_spec
from teachers.common.errors import UserError
from teachers.common.files import user_path
from teachers.registry import teacher_spec
from teachers.skeleton import COCO_18
from teachers.spec import PoseNetSpec
from teachers.zoo import nearest

ARCHITECTURES: dict[str, Callable[[], PoseNetSpec]] = {
    "openpose-coco-vgg19": openpose_vgg.spec,
    "openpose-mobilenet-thin": openpose_thin.spec,
}


def architecture_spec(name: str, stages: int | None) -> PoseNetSpec:
    """A built-in architecture's spec or that of a model's folder, with so many stages; of further ones each is as the
    last. UserError names what would do.
    """
    if name in ARCHITECTURES:
        spec = ARCHITECTURES[name]()
    else:
        path = user_path(name)
        folder = path.parent if path.name == SPEC else path
        if not (folder / SPEC).is_file():
            raise UserError(
                f"no architecture is called {show(name)}{nearest(name, ARCHITECTURES)}, and no folder of that name "
                f"holds a {SPEC}"
            )
        spec = load_spec(folder)
    return spec if stages is None else spec.model_copy(update={"stages": two_branch(spec, stages, None)})


def check_network(data: dict[str, Any], mistakes: Mistakes) -> PoseNetSpec | None:
    """The network's spec; None if the recipe names none that can be had."""
    network = data.get("network")
    if not isinstance(network, dict):
        return None
    architecture, begin_with, stages = (network.get(key) for key in ("architecture", "from", "stages"))
    if (architecture is None) == (begin_with is None):
        given = "both" if architecture is not None else "neither"
        mistakes.add(("network",), f"`architecture` for fresh weights or `from` for given ones, got {given}")
        return None
    key = "architecture" if begin_with is None else "from"
    name = network[key]
    if not isinstance(name, str) or not name:
        return None
    if key == "from" and stages is not None:
        mistakes.add(("network", "stages"), "stands beside `architecture` only: given weights come with their stages")
    usable = isinstance(stages, int) and not isinstance(stages, bool) and 1 <= stages <= MOST_STAGES
    try:
        spec = teacher_spec(name) if key == "from" else architecture_spec(name, stages if usable else None)
    except (UserError, OSError, RuntimeError, ValueError) as error:  # a name too long for a path, an unknown ~user
        mistakes.add(("network", key), " ".join(str(error).split()))
        return None
    if spec.skeleton != COCO_18:
        mistakes.add(
            ("network", key),
            f"must have the skeleton {COCO_18.name}, COCO's labels have no other; got {spec.skeleton.name}",
        )
    return spec


def check_files(data: dict[str, Any], mistakes: Mistakes) -> None:
    """Label files that are here, each once."""
    labels = data.get("labels")
    wanted: list[tuple[Keys, Any]] = [
        (("labels", place), one) for place, one in enumerate(labels if isinstance(labels, list) else [])
    ]
    validation = data.get("validation")
    if isinstance(validation, dict) and validation.get("labels") is not None:
        wanted.append((("validation", "labels"), validation["labels"]))
        if "share" in validation:
            mistakes.add(("validation", "share"), "stands without `validation.labels` only: a file is held out whole")
    seen: dict[Path, Keys] = {}
    for keys, name in wanted:
        if not isinstance(name, str) or not name:
            continue
        try:
            path = user_path(name)
            there, real = path.is_file(), path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            mistakes.add(keys, f"{show(name)} is no path: {error}")
            continue
        if not there:
            mistakes.add(keys, f"no file is called {show(name)}; wanted is a COCO keypoint file, a .json")
        elif real in seen:
            mistakes.add(keys, f"{show(name)} is there twice, first at {'.'.join(map(str, seen[real]))}")
        seen.setdefault(real, keys)


def check_settings(schedule: Schedule, loss: LossSettings, spec: PoseNetSpec | None, mistakes: Mistakes) -> None:
    """Settings that cannot work on this network, or without a teacher."""
    if spec is not None and any(side % spec.multiple for side in schedule.crop):
        mistakes.add(("schedule", "crop"), f"must be multiples of {spec.multiple}, got {list(schedule.crop)}")
    if schedule.batch_size % schedule.gradient_accumulation:
        mistakes.add(
            ("schedule", "gradient_accumulation"),
            f"must divide the batch, {schedule.batch_size}, got {schedule.gradient_accumulation}",
        )
    for name in loss.feature_weights:
        mistakes.add(("loss", name), f"must be 0: {name} compares with a teacher's features, and labels have none")
