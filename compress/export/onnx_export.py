"""Candidate -> artefact: an ONNX file with dynamic height and width, made by torch's exporter.

The exporter needs seconds for a network (8 s for the six-stage teacher on two cores), cutting a finished graph
needs milliseconds. So a network is exported once with the maps of every stage as outputs, and a candidate that is
the first t stages of it is cut out at stage t. Every artefact is then compared with its own network on real frames.
"""

import hashlib
import logging
import warnings
from pathlib import Path

import onnx
import torch
from onnx.utils import Extractor
from torch import Tensor, nn

from compress.core.qparams import pairs_fit
from eval.inference import INFERENCE, Inference
from eval.onnx_session import SUMS_FIT
from teachers.common.files import replacing
from teachers.licence import Licence
from teachers.posenet import PoseNet

OPSET = 18
_LARGEST_SIDE = 8192

Graph = onnx.ModelProto
"""An ONNX model in memory."""


def stage_outputs(stage: int) -> tuple[str, str]:
    """The names of one stage's heatmaps and PAFs in an all-stages artefact; stages count from 1."""
    return f"heatmaps_{stage}", f"pafs_{stage}"


class _AllStages(nn.Module):
    def __init__(self, network: PoseNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(maps for stage in self.network.all_stages(image) for maps in stage)


def export_all_stages(network: PoseNet) -> onnx.ModelProto:
    """The network as ONNX: input `image` (1, 3, H, W), outputs `heatmaps_t` and `pafs_t` for every stage t."""
    multiple = network.spec.multiple
    rows = torch.export.Dim("rows", min=2, max=_LARGEST_SIDE // multiple)
    columns = torch.export.Dim("columns", min=2, max=_LARGEST_SIDE // multiple)
    names = [name for stage in range(len(network.stages)) for name in stage_outputs(stage + 1)]
    # The exporter reports each operator library that is not installed; none is needed here.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        program = torch.onnx.export(
            _AllStages(network).eval(),
            (torch.zeros(1, 3, 8 * multiple, 10 * multiple),),
            input_names=["image"],
            output_names=names,
            dynamic_shapes=({2: multiple * rows, 3: multiple * columns},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    model: onnx.ModelProto = program.model_proto
    _forget_origins(model)
    return model


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
    """Writes the artefact whole or not at all, with the spec and the weights' licence in its metadata.

    inference: how it was measured, and is run unless told otherwise; None says nothing of it.
    """
    del model.metadata_props[:]
    facts = {"producer": "pose-compress", "spec": network.spec.to_json(), "licence": licence.model_dump_json()}
    if inference is not None:
        facts[INFERENCE] = inference.to_json()
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


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Writes an ONNX file whole or not at all."""
    with replacing(path) as temporary:
        onnx.save_model(model, temporary)


def _forget_origins(model: onnx.ModelProto) -> None:
    """The exporter notes source files and stack traces on every node: noise, and paths of the exporting machine."""
    model.doc_string = ""
    graph = model.graph
    del graph.metadata_props[:]
    for item in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
