"""The network of Cao et al.: its published counts, and every stage against OpenCV's own Caffe reader."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from teachers_caffe import COCO, MPI, Blobs, caffemodel, published, random_blobs
from torch import nn

from eval.size import count_macs, count_parameters
from teachers.common.errors import UserError
from teachers.openpose_prototxt import check_prototxt, from_prototxt
from teachers.openpose_thin import spec as thin_spec
from teachers.openpose_vgg import from_caffe, published_layers, recognise, spec
from teachers.posenet import PoseNet
from teachers.read_caffe import read_caffemodel, read_prototxt
from teachers.skeleton import COCO_18, MPI_15, Skeleton
from teachers.weights import check_weights

# POSE_BODY_PART_PAIRS and POSE_MAP_INDEX (first of the two PAF channels) of OpenPose's poseParameters.cpp.
_COCO_PAIRS = "1,2 1,5 2,3 3,4 5,6 6,7 1,8 8,9 9,10 1,11 11,12 12,13 1,0 0,14 14,16 0,15 15,17 2,16 5,17"
_COCO_MAP = (12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26)
_MPI_PAIRS = "0,1 1,2 2,3 3,4 1,5 5,6 6,7 1,14 14,8 8,9 9,10 14,11 11,12 12,13"


def _blobs(heads: tuple[int, int], stages: int) -> Blobs:
    """Published names and shapes, every number the same one in memory."""
    shapes = published(heads, stages)[1]
    one = np.zeros(1, dtype=np.float32)
    return {
        name: (np.broadcast_to(one, (out, into, k, k)), np.broadcast_to(one, (out,)))
        for name, (out, into, k) in shapes.items()
    }


@pytest.mark.parametrize("stages, gmacs", [(6, 135.93), (5, 117.35), (4, 98.76), (3, 80.18), (2, 61.59), (1, 43.01)])
def test_counts_are_the_published_ones(stages: int, gmacs: float) -> None:
    assert round(count_macs(spec(stages=stages), (368, 368)) / 1e9, 2) == gmacs


def test_six_stages_have_92_convolutions_and_52_311_million_parameters() -> None:
    with torch.device("meta"):
        network = PoseNet(spec())
    assert round(count_parameters(network) / 1e6, 3) == 52.311
    assert sum(isinstance(module, nn.Conv2d) for module in network.modules()) == 92


@pytest.mark.parametrize(
    "skeleton, pairs, channels", [(COCO_18, _COCO_PAIRS, _COCO_MAP), (MPI_15, _MPI_PAIRS, tuple(range(0, 28, 2)))]
)
def test_limbs_are_in_the_order_of_the_paf_channels(skeleton: Skeleton, pairs: str, channels: tuple[int, ...]) -> None:
    found = {channel: skeleton.limbs[channel // 2] for channel in channels}
    assert [f"{a},{b}" for a, b in found.values()] == pairs.split()
    assert len(found) == len(skeleton.limbs)


@pytest.mark.parametrize("skeleton, heads", [(COCO_18, COCO), (MPI_15, MPI)])
@pytest.mark.parametrize("stages", [1, 4, 6])
def test_every_published_layer_is_one_of_ours(skeleton: Skeleton, heads: tuple[int, int], stages: int) -> None:
    with torch.device("meta"):
        state = PoseNet(spec(skeleton, stages)).state_dict()
    names = published_layers(spec(skeleton, stages))
    ours = {layer: tuple(state[f"{prefix}.weight"].shape) for prefix, layer in names.items()}
    expected = {name: (out, into, k, k) for name, (out, into, k) in published(heads, stages)[1].items()}
    assert ours == expected
    assert len(ours) == 12 + 10 + 14 * (stages - 1)
    assert recognise({name: shape[0] for name, shape in ours.items()}, "x") == spec(skeleton, stages)


def test_another_architecture_has_no_published_names() -> None:
    with pytest.raises(ValueError, match="mobilenet"):
        published_layers(thin_spec())


@pytest.mark.parametrize("heads, skeleton, stages", [(COCO, COCO_18, 6), (MPI, MPI_15, 2)])
def test_every_stage_equals_opencv(tmp_path: Path, heads: tuple[int, int], skeleton: Skeleton, stages: int) -> None:
    text, shapes = published(heads, stages)
    prototxt, model = tmp_path / "pose_deploy.prototxt", tmp_path / "pose.caffemodel"
    prototxt.write_text(text)
    model.write_bytes(caffemodel(random_blobs(shapes)))
    found, tensors = from_caffe(read_caffemodel(model).blobs, str(model), from_prototxt(read_prototxt(prototxt), "p"))
    assert found == spec(skeleton, stages)
    with torch.device("meta"):
        network = PoseNet(found)
    check_weights(network, tensors, str(model))
    network.load_state_dict(tensors, assign=True)
    image = np.random.default_rng(1).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    with torch.inference_mode():
        ours = network.all_stages(torch.from_numpy(image).permute(2, 0, 1)[None].float())
    oracle = cv2.dnn.readNetFromCaffe(str(prototxt), str(model))
    oracle.setInput((image.astype(np.float32) / 256 - 0.5).transpose(2, 0, 1)[None])
    later = [f"Mconv7_stage{number}_{branch}" for number in range(2, stages + 1) for branch in ("L1", "L2")]
    names = ["conv5_5_CPM_L1", "conv5_5_CPM_L2", *later]
    theirs = oracle.forward(names)
    mine = [maps for stage in ours for maps in (stage.pafs, stage.heatmaps)]
    for name, expected, maps in zip(names, theirs, mine, strict=True):
        assert expected.shape == tuple(maps.shape) == (1, heads[name.endswith("L2")], 8, 10)
        spread = float(np.abs(expected).max())
        assert 1e-3 < spread < 1e3, name
        assert float(np.abs(maps.numpy() - expected).max()) < 1e-4 * spread, name


def test_tensors_share_the_memory_of_the_blobs() -> None:
    blobs = random_blobs(published(MPI, 1)[1])
    _, tensors = from_caffe(blobs, "x")
    name = "backbone.layers.0.conv.weight"
    blobs["conv1_1"][0][0, 0, 0, 0] = 7.0
    assert float(tensors[name][0, 0, 0, 0]) == 7.0


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_fewer_stages_of_the_prototxt_leave_the_others_out(tmp_path: Path) -> None:
    """The published MPI prototxt of four stages is used with the weights of six."""
    found, tensors = from_caffe(_blobs(MPI, 6), "x", spec(MPI_15, 4))
    assert found == spec(MPI_15, 4)
    assert len(tensors) == 2 * (12 + 10 + 3 * 14)
    with pytest.raises(UserError, match="x: weights of 4 stages, the prototxt has 6"):
        from_caffe(_blobs(MPI, 4), "x", spec(MPI_15, 6))
    with pytest.raises(UserError, match="the weights are of mpi-15, the prototxt is of coco-18"):
        from_caffe(_blobs(MPI, 6), "x", spec(COCO_18, 6))


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_a_bias_of_four_numbers_is_taken() -> None:
    blobs = _blobs(COCO, 1)
    weight, bias = blobs["conv1_1"]
    blobs["conv1_1"] = (weight, bias.reshape(1, 1, 1, 64))
    assert tuple(from_caffe(blobs, "x")[1]["backbone.layers.0.conv.bias"].shape) == (64,)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_everything_that_does_not_fit_is_named() -> None:
    blobs = _blobs(COCO, 3)
    del blobs["conv3_2"]
    blobs["conv1_1"] = blobs["conv1_1"][:1]
    blobs["Mconv2_stage3_L2"] = blobs["conv1_2"]
    blobs["fc6"] = blobs["conv1_2"]
    with pytest.raises(UserError) as caught:
        from_caffe(blobs, "pose.caffemodel")
    text = str(caught.value)
    assert text.startswith("pose.caffemodel: not the coco-18 network of 3 stages:")
    for expected in (
        "conv3_2: missing",
        "fc6: unexpected",
        "conv1_1: expected weights and bias, found 1 blobs",
        "Mconv2_stage3_L2: expected weight of shape (128, 128, 7, 7), found (64, 64, 3, 3)",
    ):
        assert expected in text


@pytest.mark.parametrize(
    "outputs, said",
    [
        ({"conv1": 96, "fire2/squeeze1x1": 16}, "no layer conv5_5_CPM_L1, conv5_5_CPM_L2; it holds conv1, fire2"),
        ({"conv1_1": 64, "Mconv1_stage0_L2_0": 96}, "BODY_25"),
        ({"conv5_5_CPM_L1": 52, "conv5_5_CPM_L2": 26}, "52 PAF and 26 heatmap channels; known are 38 and 19"),
        ({"conv5_5_CPM_L1": 38, "conv5_5_CPM_L2": 19, "Mconv1_stage900_L1": 128}, "stages 1, 900"),
    ],
)
def test_another_network_is_refused(outputs: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=r"^f: ") as caught:
        recognise(outputs, "f")
    assert said in str(caught.value)


@pytest.mark.parametrize("heads, stages", [(COCO, 6), (MPI, 4), (COCO, 1)])
def test_the_published_prototxt_is_recognised(tmp_path: Path, heads: tuple[int, int], stages: int) -> None:
    path = tmp_path / "p.prototxt"
    path.write_text(published(heads, stages)[0])
    assert from_prototxt(read_prototxt(path), "p") == spec(COCO_18 if heads == COCO else MPI_15, stages)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("num_output: 512", "num_output: 500", "conv4_1 (line 180): expected num_output 512, found 500"),
        ("pad: 3", "pad: 2", "expected pad (3, 3), found (2, 2)"),
        ("stride: 2", "stride: 1", "found conv1_2 + ReLU + MAX pool 2/1"),
        ("pool: MAX", "pool: AVE", "AVE pool"),
        ('"ReLU"', '"Sigmoid"', "expected to see conv1_1 + ReLU, found conv1_1 + Sigmoid"),
        (
            '  bottom: "conv5_5_CPM_L1"\n  bottom: "conv5_5_CPM_L2"\n',
            '  bottom: "conv5_5_CPM_L2"\n  bottom: "conv5_5_CPM_L1"\n',
            "expected to see (conv5_5_CPM_L1, conv5_5_CPM_L2, conv4_4_CPM + ReLU), found (conv5_5_CPM_L2, conv",
        ),
        ('name: "conv4_2"', 'name: "conv4_9"', "conv4_2: missing"),
        ('name: "conv4_2"', 'name: "conv4_9"', "unexpected"),
    ],
)
def test_a_prototxt_of_something_else_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = published(COCO, 2)[0]
    assert old in text
    path = tmp_path / "p.prototxt"
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=r"^p: not the prototxt of the coco-18 network of 2 stages") as caught:
        from_prototxt(read_prototxt(path), "p")
    assert said in str(caught.value)


def test_a_head_with_relu_and_another_number_of_stages_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.prototxt"
    head = "Mconv7_stage2_L1"
    relu = f'layer {{ name: "r" type: "ReLU" bottom: "{head}" top: "{head}" }}\n'
    path.write_text(published(COCO, 2)[0] + relu)
    with pytest.raises(UserError, match=f"{head}: its output is changed"):
        from_prototxt(read_prototxt(path), "p")
    path.write_text(published(COCO, 2)[0])
    with pytest.raises(UserError, match="missing"):
        check_prototxt(spec(stages=3), read_prototxt(path), "p")
