"""What a graph asks for, against graphs small enough to count by hand, and against the network's own counts."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from conftest import tiny_spec
from onnx import TensorProto, helper, numpy_helper

from compress.export.onnx_graph import graph_facts
from eval.size import count_macs

if TYPE_CHECKING:
    from compress_tiny_run import TinyRun

PLANE = 8 * 8 * 4
"""Bytes of one channel of 8x8 floats."""


def conv(source: str, weight: str, made: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, weight], [made])


def save(path: Path, nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], outputs: list[str]) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["a", "b", "c", "d"]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def pointwise(made: int, seen: int) -> np.ndarray:
    return np.ones((made, seen, 1, 1), np.float32)


def test_a_chain_needs_two_neighbours_at_a_time(tmp_path: Path) -> None:
    nodes = [conv("image", "a", "x"), helper.make_node("Relu", ["x"], ["y"]), conv("y", "b", "maps")]
    found = graph_facts(
        save(tmp_path / "m.onnx", nodes, {"a": pointwise(4, 3), "b": pointwise(2, 4)}, ["maps"]), (8, 8)
    )
    assert found.activation_peak_bytes == (3 + 4) * PLANE, "ReLU works in place"
    assert found.macs == {"fp32": 64 * (3 * 4 + 4 * 2)}
    assert found.moved_bytes == (3 + 4) * PLANE + 48 + (4 + 2) * PLANE + 32


def test_what_is_read_later_stays(tmp_path: Path) -> None:
    nodes = [
        conv("image", "a", "x"),
        conv("x", "b", "y"),
        conv("y", "c", "z"),
        helper.make_node("Concat", ["x", "z"], ["maps"], axis=1),
    ]
    weights = {"a": pointwise(4, 3), "b": pointwise(6, 4), "c": pointwise(5, 6)}
    found = graph_facts(save(tmp_path / "m.onnx", nodes, weights, ["maps"]), (8, 8))
    assert found.activation_peak_bytes == max(3 + 4, 4 + 6, 4 + 6 + 5, 4 + 5 + 9) * PLANE


def test_an_output_stays_to_the_end(tmp_path: Path) -> None:
    nodes = [conv("image", "a", "first"), conv("image", "a", "x"), conv("x", "b", "last")]
    weights = {"a": pointwise(4, 3), "b": pointwise(9, 4)}
    found = graph_facts(save(tmp_path / "m.onnx", nodes, weights, ["first", "last"]), (8, 8))
    assert found.activation_peak_bytes == (4 + 4 + 9) * PLANE


def test_a_quantised_convolution_moves_and_keeps_bytes(tmp_path: Path) -> None:
    scalars = {"s": np.float32(0.1), "zero": np.uint8(0), "wzero": np.int8(0)}
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "s", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["w", "s", "wzero"], ["weight"]),
        conv("x", "weight", "y"),
        helper.make_node("QuantizeLinear", ["y", "s", "zero"], ["qy"]),
        helper.make_node("DequantizeLinear", ["qy", "s", "zero"], ["maps"]),
    ]
    weights = {**{n: np.asarray(v) for n, v in scalars.items()}, "w": np.ones((4, 3, 1, 1), np.int8)}
    found = graph_facts(save(tmp_path / "m.onnx", nodes, weights, ["maps"]), (8, 8))
    assert found.macs == {"int8": 64 * 12}
    assert found.moved_bytes == (3 + 4) * PLANE // 4 + 12
    assert found.activation_peak_bytes == (3 + 4) * PLANE // 4


@pytest.mark.parametrize("hw", [(32, 40), (64, 80)])
@pytest.mark.parametrize("stages", [1, 3])
def test_macs_are_those_of_the_network(tiny_run: "TinyRun", hw: tuple[int, int], stages: int) -> None:
    found = graph_facts(tiny_run.out / f"candidates/stages-{stages}/model.onnx", hw)
    assert found.macs == {"fp32": count_macs(tiny_spec(stages), hw)}
    assert 0 < found.activation_peak_bytes < found.moved_bytes


def test_what_cannot_be_followed_says_so(tmp_path: Path) -> None:
    nodes = [helper.make_node("NonZero", ["image"], ["where"]), helper.make_node("Cast", ["where"], ["maps"], to=1)]
    with pytest.raises(ValueError, match="follow from the input's"):
        graph_facts(save(tmp_path / "m.onnx", nodes, {}, ["maps"]), (8, 8))
