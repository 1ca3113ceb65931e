"""A model on disk: `spec.json`, `weights.safetensors` with the licence in its metadata, and that as `LICENCE.txt`.

Nothing is pickled.
"""

from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from teachers.common.errors import UserError
from teachers.common.files import write_text
from teachers.licence import LICENCE_FILE, Licence, licence_text
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec
from teachers.weights import check_weights, load_weights
from teachers.write_safetensors import write_safetensors

SPEC, WEIGHTS = "spec.json", "weights.safetensors"


def save_model(folder: Path, network: PoseNet, licence: Licence) -> None:
    """Writes the files, each whole or not at all; the spec comes last, so a folder with a spec is complete."""
    metadata = {"format": "pt", "licence": licence.model_dump_json()}
    write_safetensors(folder / WEIGHTS, network.state_dict(), metadata)
    write_text(folder / LICENCE_FILE, licence_text(licence))
    write_text(folder / SPEC, network.spec.to_json())


def is_model(folder: Path) -> bool:
    """Whether this folder looks like a model on disk."""
    return (folder / SPEC).is_file()


def load_spec(folder: Path) -> PoseNetSpec:
    """The spec alone; UserError says what is wrong with the file."""
    path = folder / SPEC
    try:
        return PoseNetSpec.model_validate_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path}: not a network's spec: {place}: {first['msg']}") from error


def load_model(folder: Path) -> tuple[PoseNet, Licence]:
    """The network in evaluation mode and the licence of its weights; every name, shape and dtype is compared."""
    spec = load_spec(folder)
    path = folder / WEIGHTS
    if not path.is_file():
        raise UserError(f"{path}: missing; a model folder holds {SPEC} and {WEIGHTS}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole safetensors file: {error}") from error
    with torch.device("meta"):  # compared before memory is taken for them: a spec can ask for any amount
        check_weights(PoseNet(spec), tensors, str(path))
    network = PoseNet(spec)
    load_weights(network, tensors, str(path))
    return network.eval(), _licence(metadata)


def _licence(metadata: dict[str, str]) -> Licence:
    try:
        return Licence.model_validate_json(metadata["licence"])
    except (KeyError, ValidationError):
        return Licence(name="unknown", source="", note="the weights file states no licence")
