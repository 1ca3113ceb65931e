"""A tiny ONNX artefact with the names and the dynamic size of a real one; what tests of absent runtimes say."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

LEFT_OUT = {"litert": "left out of the extra `test`, because its package asks for an older pydantic than the newest"}
"""Runtimes that do not install beside everything else, and why."""


def skip_if(name: str, hint: str | None) -> None:
    """Skips the test of a runtime that is not here: `hint` says what would install it, `LEFT_OUT` why nothing did."""
    if hint is not None:
        pytest.skip(f"{hint}; {LEFT_OUT[name]}" if name in LEFT_OUT else hint)


def write_tiny_artefact(path: Path, image: str = "image") -> Path:
    """Two convolutions of stride 8: `image` (1, 3, H, W) -> `heatmaps` (1, 19, H/8, W/8), `pafs` (1, 38, ...)."""
    rng = np.random.default_rng(0)
    heads = {"heatmaps": 19, "pafs": 38}
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.01, (channels, 3, 8, 8)).astype(np.float32), f"{name}_weight")
        for name, channels in heads.items()
    ]
    nodes = [
        helper.make_node("Conv", [image, f"{name}_weight"], [name], kernel_shape=[8, 8], strides=[8, 8])
        for name in heads
    ]
    given = helper.make_tensor_value_info(image, TensorProto.FLOAT, [1, 3, "H", "W"])
    found = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "h", "w"])
        for name, channels in heads.items()
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [given], found, weights), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 10
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path
