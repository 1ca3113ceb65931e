"""A network in fewer bits -> its ONNX graph."""

from compress.core.qparams import Quantization
from compress.export.graph_writer import write_graph
from compress.export.onnx_export import Graph, cut_at_stage, export_all_stages
from teachers.posenet import PoseNet


def graph_of(network: PoseNet, quantization: Quantization | None) -> Graph:
    """The artefact of any candidate, without metadata."""
    if quantization is None:
        return cut_at_stage(export_all_stages(network), len(network.stages))
    return quantized_graph(network, quantization)


def quantized_graph(network: PoseNet, quantization: Quantization) -> Graph:
    """Input `image` (1, 3, H, W) raw pixels in float32, outputs `heatmaps` and `pafs` in float32; any H and W."""
    last = len(network.stages) - 1
    return write_graph(network, quantization, {branch: (last, branch) for branch in ("heatmaps", "pafs")})
