"""One convolution as an ONNX model of its own, with random weights: what a latency table is measured on."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compress.export.graph_writer import OPSET
from compress.export.onnx_export import save_graph
from compress.pruning.channel_graph import Convolution

_IR_VERSION = 10
"""What the exporter of the whole artefacts writes; newer ones are refused by older runtimes."""


def save_layer(path: Path, convolution: Convolution, channels: tuple[int, int]) -> None:
    """Writes `image` (1, in, rows, columns) -> convolution, ReLU, mean -> `made`, whole or not at all.

    Within a network what a layer makes stays in the runtime's own memory and order, so only its mean is handed out:
    handing out the whole would add fresh memory and its reordering to every layer. Weights are random: a time does not
    depend on them, as long as they are not denormal.
    """
    seen, made = channels
    groups = seen if convolution.makes is None else 1
    random = np.random.default_rng(0)
    weight = random.normal(size=(made, seen // groups, convolution.kernel, convolution.kernel)).astype(np.float32)
    before, after = convolution.pad
    nodes = [
        helper.make_node(
            "Conv",
            ["image", "weight", "bias"],
            ["linear"],
            group=groups,
            pads=[before, before, after, after],
            strides=[convolution.stride] * 2,
            dilations=[convolution.dilation] * 2,
        ),
        helper.make_node("Relu", ["linear"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["made"]),
    ]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, seen, *convolution.hw])],
        [helper.make_tensor_value_info("made", TensorProto.FLOAT, [1, made, 1, 1])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(random.normal(size=made).astype(np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION)
    onnx.checker.check_model(model)
    save_graph(model, path)
