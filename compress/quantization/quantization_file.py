"""quantization.json beside spec and weights: read, written, and held against the network that it belongs to."""

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor

from compress.core.qparams import Int8, Quantization
from compress.reconstruction.visitor import inputs
from teachers.common.errors import UserError
from teachers.common.files import write_text
from teachers.posenet import PoseNet

QUANTIZATION = "quantization.json"


_READER: TypeAdapter[Quantization] = TypeAdapter(Annotated[Quantization, Field(discriminator="precision")])


_LARGEST_FILE = 64 * 2**20


def save_quantization(folder: Path, quantization: Quantization | None) -> None:
    """Writes the file whole or not at all; None removes it, for a float network has none."""
    path = folder / QUANTIZATION
    if quantization is None:
        path.unlink(missing_ok=True)
    else:
        write_text(path, json.dumps(quantization.model_dump(mode="json"), sort_keys=True) + "\n")


def load_quantization(folder: Path, network: PoseNet) -> Quantization | None:
    """What lies beside the network's spec; None if it is a float network. UserError for a file that does not fit it."""
    path = folder / QUANTIZATION
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise UserError(f"{path}: is too large to be a quantization")
        return require_fit(_READER.validate_json(path.read_bytes().removeprefix(BOM_UTF8)), network, str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{path}: not a quantization: {place}: {first['msg']}") from error


def require_fit(quantization: Quantization, network: PoseNet, where: str) -> Quantization:
    """UserError unless every convolution named is the network's and has a step for each of its channels."""
    if isinstance(quantization, Int8):
        modules, read = dict(network.named_modules()), inputs(network)
        for name, steps in quantization.weights.items():
            channels = getattr(modules.get(name), "out_channels", None)
            if channels != len(steps):
                raise UserError(f"{where}: {name}: {len(steps)} steps, the network has {channels} channels there")
            if read[name] not in quantization.grids or name not in quantization.grids:
                raise UserError(f"{where}: {name}: computes in int8, and what it reads or makes has no grid")
    return quantization


def integers(state: Mapping[str, Tensor], quantization: Quantization | None) -> dict[str, Tensor]:
    """The weights of a network with those that have steps as their integers, in float32."""
    return _scaled(state, quantization, lambda weight, steps: torch.round(weight / steps))


def values(state: Mapping[str, Tensor], quantization: Quantization) -> dict[str, Tensor]:
    """The weights that these integers stand for: the reverse of `integers`, bit by bit."""
    return _scaled(state, quantization, lambda weight, steps: weight * steps)


def _scaled(
    state: Mapping[str, Tensor], quantization: Quantization | None, change: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Tensor]:
    found = dict(state)
    if isinstance(quantization, Int8):
        for name, steps in quantization.weights.items():
            weight = found[f"{name}.weight"]
            found[f"{name}.weight"] = change(weight, torch.tensor(steps)[:, None, None, None])
    return found
