"""An artefact of ours -> the network and the grids that it was written from: the reverse of `qdq_graph`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import ValidationError

from compress.core.qparams import Int8, QuantParams
from compress.export.onnx_export import metadata_of, read_graph_file
from compress.quantization.quantization_file import require_fit
from teachers.common.errors import UserError
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec
from teachers.weights import load_weights

Arrays = dict[str, NDArray[np.generic]]
_INT8 = ".weight.integers"
_GRID = ".scale"
_OF_NORMS = {".norm.weight": ".scale_of_norm", ".norm.bias": ".shift_of_norm"}
"""Tensors that are written under another name than the network's."""


class ReadArtefact(NamedTuple):
    """What an artefact holds."""

    network: PoseNet
    licence: Licence
    quantization: Int8 | None
    """None where all is float."""


def artefact_facts(path: Path) -> tuple[PoseNetSpec, Licence]:
    """The spec and the licence in an artefact's metadata. UserError for a file that is no int8 artefact of ours."""
    return _facts(read_graph_file(path), path)


def read_artefact(path: Path) -> ReadArtefact:
    """The network with its weights, or those that its integers stand for; int8 or float32.

    UserError for what is no such artefact of ours.
    """
    model = read_graph_file(path)
    spec, licence = _facts(model, path, float_too=True)
    held: Arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    network = PoseNet(spec)
    weights = {
        name.removesuffix(_INT8): tuple(float(step) for step in held[f"{name.removesuffix(_INT8)}.weight.step"])
        for name in held
        if name.endswith(_INT8)
    }
    # A pool lies on the grid of what it reads, under a name that no layer has.
    pools = {name for node in model.graph.node if node.op_type == "MaxPool" for name in node.output}
    grids = {
        name.removesuffix(_GRID): QuantParams(scale=float(values), zero=int(held[f"{name.removesuffix(_GRID)}.zero"]))
        for name, values in held.items()
        if name.endswith(_GRID) and values.ndim == 0 and f"{name.removesuffix(_GRID)}.zero" in held
        if name.removesuffix(_GRID) not in pools
    }
    state = {name: torch.from_numpy(_tensor(name, held, path).copy()) for name in network.state_dict()}
    load_weights(network, state, str(path))
    if not weights:
        return ReadArtefact(network.eval(), licence, None)
    quantization = require_fit(Int8(grids=grids, weights=weights), network, str(path))
    assert isinstance(quantization, Int8)
    return ReadArtefact(network.eval(), licence, quantization)


def _tensor(name: str, held: Arrays, path: Path) -> NDArray[np.float32]:
    """A weight as it was before it was written: whole, or integers times their steps."""
    for suffix, written in _OF_NORMS.items():
        if name.endswith(suffix):
            name = name.removesuffix(suffix) + written
    if name in held:
        if held[name].dtype == np.float16:
            raise UserError(f"{path}: is in half precision; give the folder that it lies in, which has the weights")
        return np.asarray(held[name], np.float32)
    integers, steps = held.get(f"{name}.integers"), held.get(f"{name}.step")
    if integers is None or steps is None:
        raise UserError(f"{path}: holds no {name}; only artefacts that `compress` wrote can be read")
    shape = (-1, *[1] * (integers.ndim - 1))
    return np.asarray(integers.astype(np.float32) * steps.astype(np.float32).reshape(shape), np.float32)


def _facts(model: onnx.ModelProto, path: Path, float_too: bool = False) -> tuple[PoseNetSpec, Licence]:
    said = metadata_of(model)
    if float_too and "spec" not in said:
        raise UserError(f"{path}: is no artefact of ours; a candidate's folder or an .onnx file of ours would do")
    if not float_too and ("spec" not in said or not any(one.name.endswith(_INT8) for one in model.graph.initializer)):
        raise UserError(f"{path}: is no int8 artefact of ours; give a candidate's folder for a float network")
    try:
        spec = PoseNetSpec.model_validate_json(said["spec"])
        return spec, Licence.model_validate_json(said.get("licence", '{"name": "unknown", "source": ""}'))
    except ValidationError as error:
        raise UserError(
            f"{path}: the spec or the licence in its metadata is wrong: {error.errors()[0]['msg']}"
        ) from error
