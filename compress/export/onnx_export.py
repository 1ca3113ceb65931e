"""Candidate -> artefact: an ONNX file with dynamic height and width.

A network is written once with the maps of every stage as outputs, and a candidate that is the first t stages of it is
cut out at stage t. Every artefact is then compared with its own network on real frames.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import onnx
from onnx.utils import Extractor

from compress.core.candidate import Candidate
from compress.core.qparams import pairs_fit
from compress.export.graph_writer import BRANCHES, write_graph
from eval.artefact_identity import NETWORK
from eval.inference import INFERENCE, Inference
from eval.onnx_session import SUMS_FIT
from teachers.common.errors import UserError
from teachers.common.files import replacing
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.protobuf_messages import MessageError, parse

Graph = onnx.ModelProto
"""An ONNX model in memory."""


def stage_outputs(stage: int) -> tuple[str, str]:
    """The names of one stage's heatmaps and PAFs in an all-stages artefact; stages count from 1."""
    return f"heatmaps_{stage}", f"pafs_{stage}"


def export_all_stages(network: PoseNet) -> onnx.ModelProto:
    """The network as ONNX: input `image` (1, 3, H, W), outputs `heatmaps_t` and `pafs_t` for every stage t."""
    named = ((stage, stage_outputs(stage + 1)) for stage in range(len(network.stages)))
    outputs = {name: (stage, branch) for stage, names in named for name, branch in zip(names, BRANCHES, strict=True)}
    return write_graph(network, None, outputs)


def cut_at_stage(model: onnx.ModelProto, stage: int) -> onnx.ModelProto:
    """The part of an all-stages graph that gives the maps of one stage, as outputs `heatmaps` and `pafs`."""
    heatmaps, pafs = stage_outputs(stage)
    cut: onnx.ModelProto = Extractor(model).extract_model(["image"], [heatmaps, pafs])
    renamed = {heatmaps: "heatmaps", pafs: "pafs"}
    for node in cut.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for output in cut.graph.output:
        output.name = renamed[output.name]
    return cut


def save_artefact(
    model: onnx.ModelProto, network: PoseNet, licence: Licence, path: Path, inference: Inference | None = None
) -> None:
    """Writes the artefact of a float network; see `save_candidate`."""
    save_candidate(model, replace(Candidate.of(network, licence), inference=inference), path)


def save_candidate(model: onnx.ModelProto, candidate: Candidate, path: Path) -> None:
    """Writes the artefact whole or not at all; its metadata hold the candidate's id, spec, licence and inference."""
    del model.metadata_props[:]
    facts = {
        "producer": "pose-compress",
        NETWORK: candidate.id,
        "spec": candidate.spec.to_json(),
        "licence": candidate.licence.model_dump_json(),
    }
    if candidate.inference is not None:
        facts[INFERENCE] = candidate.inference.to_json()
    if int8_sums_fit(model):
        facts[SUMS_FIT] = "yes"
    onnx.helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    save_graph(model, path)


def int8_sums_fit(model: onnx.ModelProto) -> bool:
    """Whether the graph has int8 weights, and no two products of them with any input leave 16 bits."""
    held = [one for one in model.graph.initializer if one.data_type == onnx.TensorProto.INT8 and len(one.dims) > 1]
    return bool(held) and all(bool(pairs_fit(onnx.numpy_helper.to_array(one)).all()) for one in held)


def structure(path: Path) -> str:
    """A hash of what decides an artefact's time: operators, settings, shapes and types, and not its weights' values."""
    graph = load_graph(path).graph
    digest = hashlib.sha256()
    for put in (*graph.node, *graph.input, *graph.output):
        digest.update(put.SerializeToString(deterministic=True))
    for tensor in graph.initializer:
        digest.update(repr((tensor.name, tuple(tensor.dims), tensor.data_type)).encode())
    return digest.hexdigest()[:16]


def load_graph(path: Path) -> onnx.ModelProto:
    """An ONNX file as it was written by `save_graph`."""
    model: onnx.ModelProto = onnx.load_model(path)
    return model


def read_graph_file(path: Path) -> onnx.ModelProto:
    """An ONNX file of any origin, without data in files beside it. UserError for one not there or not whole."""
    try:
        model: onnx.ModelProto = parse(onnx.ModelProto, path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file") from error
    except (OSError, MessageError) as error:
        raise UserError(f"{path}: not a whole ONNX file") from error
    return model


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """What an artefact says about itself."""
    return {entry.key: entry.value for entry in model.metadata_props}


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Writes an ONNX file whole or not at all."""
    with replacing(path) as temporary:
        onnx.save_model(model, temporary)
