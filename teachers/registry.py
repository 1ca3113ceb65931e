"""Teachers by name, or by folder: the published ones of zoo.yaml, and any model on disk."""

import shlex
from collections.abc import Callable
from pathlib import Path

from teachers import openpose_thin
from teachers.assets import known_assets, locate, nearest
from teachers.checkpoint import SPEC, is_model, load_model, load_spec
from teachers.common.errors import UserError
from teachers.common.files import user_path
from teachers.file_kinds import kind_of
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

_BUILT_IN: dict[str, tuple[Callable[[], PoseNetSpec], Callable[[Path], PoseNet]]] = {
    "openpose-mobilenet-thin": (openpose_thin.spec, openpose_thin.read),
}


def teacher_names() -> list[str]:
    """The names of the published teachers."""
    return list(_BUILT_IN)


def teacher_spec(name: str) -> PoseNetSpec:
    """The spec of a teacher, without its weights; UserError names the nearest valid name."""
    if name in _BUILT_IN:
        return _BUILT_IN[name][0]()
    return load_spec(_folder(name))


def load_teacher(name: str, on_bytes: Callable[[int, int | None], None] | None = None) -> tuple[PoseNet, Licence]:
    """The teacher with its weights, pulled if they are not here yet, and the licence of the weights."""
    if name not in _BUILT_IN:
        return load_model(_folder(name))
    asset = known_assets()[name]
    network = _BUILT_IN[name][1](locate(name, on_bytes))
    return network, Licence(name=asset.licence, source=asset.source)


def import_hint(name: str) -> str:
    """The command that makes a model of a weights file, as it can be typed; nothing for a file of another kind."""
    try:
        kind_of(user_path(name))
    except UserError:
        return ""
    command = shlex.join(["compress", "teachers", "import", name, "--out", "DIR"])
    return f". Of published weights `{command}` makes one"


def _folder(name: str) -> Path:
    try:
        folder = Path(name).expanduser()
        found, there, is_file = is_model(folder), folder.is_dir(), folder.is_file()
    except (OSError, RuntimeError, ValueError):  # too long for a path, an unknown ~user, a zero byte
        found = there = is_file = False
    if found:
        return folder
    if there:
        raise UserError(
            f"{name}: this folder holds no {SPEC}; a teacher's folder holds spec.json and weights.safetensors"
        )
    if is_file:
        raise UserError(
            f"{name}: is a file; a teacher is a folder that holds spec.json and weights.safetensors{import_hint(name)}"
        )
    raise UserError(f"no teacher is called {name!r}{nearest(name, teacher_names())}, and there is no such folder")
