"""The MobileNet-thin teacher: its published facts, and OpenCV's own reader of the same file as the oracle."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from eval.maps import prepare
from eval.size import count_macs, count_parameters
from teachers import openpose_thin
from teachers.common.errors import UserError
from teachers.posenet import PoseNet
from teachers.read_tensorflow import read_constants


def test_published_counts(teacher: PoseNet) -> None:
    spec = teacher.spec
    assert count_parameters(teacher) == 1_930_872
    macs = [count_macs(spec.model_copy(update={"stages": spec.stages[:keep]}), (368, 656)) for keep in range(1, 7)]
    assert macs[-1] == pytest.approx(7.543e9, abs=5e5)
    assert np.diff(macs) == pytest.approx([0.623e9] * 5, abs=5e5)
    assert macs[0] == pytest.approx((3.699 + 0.727) * 1e9, abs=1e6)
    assert teacher.spec.feature_channels == 864


def test_every_stage_agrees_with_opencv_on_real_frames(
    teacher: PoseNet, graph_file: Path, sample_images: list[NDArray[np.uint8]]
) -> None:
    oracle = cv2.dnn.readNetFromTensorflow(str(graph_file))
    names = [
        f"Openpose/MConv_Stage{stage}_{branch}_5_pointwise/Conv2D" for stage in range(1, 7) for branch in ("L2", "L1")
    ]
    compared = 0
    for image in sample_images:
        pixels = prepare(image, 0.5, 8)
        oracle.setInput(pixels)
        expected = oracle.forward(names)
        with torch.inference_mode():
            found = [maps.numpy() for stage in teacher.all_stages(torch.from_numpy(pixels)) for maps in stage]
        for ours, theirs in zip(found, expected, strict=True):
            assert float(np.abs(theirs).max()) > 0.05
            np.testing.assert_allclose(ours, theirs, atol=1e-4)
            compared += 1
    assert compared == 24


def test_weights_equal_opencvs(teacher: PoseNet, graph_file: Path) -> None:
    oracle = cv2.dnn.readNetFromTensorflow(str(graph_file))
    for ours, layer in (
        ("backbone.layers.0.conv.weight", "MobilenetV1/Conv2d_0/Conv2D"),
        ("stages.5.heatmap.4.conv.weight", "Openpose/MConv_Stage6_L2_5_pointwise/Conv2D"),
    ):
        theirs = oracle.getParam(layer)
        np.testing.assert_array_equal(teacher.state_dict()[ours].numpy(), theirs.reshape(theirs.shape[:4]))


def test_a_graph_cut_short_is_refused(graph_file: Path, tmp_path: Path) -> None:
    whole = graph_file.read_bytes()
    cuts = (0, 1, 1000, len(whole) // 2, len(whole) - 1)
    for cut in cuts:
        path = tmp_path / f"cut_{cut}.pb"
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=path.name):
            openpose_thin.read(path)
    assert cuts


def test_another_graph_is_refused_by_name(tmp_path: Path) -> None:
    # One constant node, written by hand: name "other", op "Const", a float tensor of shape [1].
    tensor = bytes([0x08, 1, 0x12, 4, 0x12, 2, 0x08, 1, 0x22, 4]) + np.float32(1).tobytes()
    value = bytes([0x42, len(tensor)]) + tensor
    entry = b"\x0a\x05value\x12" + bytes([len(value)]) + value
    node = b"\x0a\x05other\x12\x05Const\x2a" + bytes([len(entry)]) + entry
    path = tmp_path / "other.pb"
    path.write_bytes(b"\x0a" + bytes([len(node)]) + node)
    assert read_constants(path)["other"].tolist() == [1.0]
    with pytest.raises(UserError, match="MobilenetV1/Conv2d_0/weights: missing"):
        openpose_thin.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.pb: cannot be read"):
        read_constants(tmp_path / "gone.pb")
