"""tf-pose-estimation's MobileNet v2 graphs: OpenCV's own reader of the same file as the oracle, and what is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from teachers_tensorflow import COARSE, ENLARGED, Writer, node, numbers, real, text, true

from compress.cli.main import run_command
from compress.core.candidate import Candidate
from compress.export.onnx_export import cut_at_stage, export_all_stages, save_artefact
from compress.export.parity import ParityError
from compress.run.builder import largest_difference
from compress.steps.context import StepContext
from compress.steps.prune_channels import PruneChannels
from eval.maps import prepare
from teachers.checkpoint import load_model
from teachers.common.errors import UserError
from teachers.importing import V2, Imported, import_files
from teachers.layers import InstanceNorm, Upsample2x, holds
from teachers.posenet import PoseNet
from teachers.read_tensorflow import read_constants

FRONTS = ("image", "stored", "folded")


def written(folder: Path, writer: Writer) -> Path:
    path = folder / "graph_opt.pb"
    path.write_bytes(writer.graph())
    return path


def imported(folder: Path, writer: Writer) -> Imported:
    return import_files([written(folder, writer)])


def opencv(path: Path, names: list[str], pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    oracle = cv2.dnn.readNetFromTensorflow(str(path))
    oracle.enableFusion(False)  # OpenCV 4.14's gives other maps for the later stages than its layers one by one
    oracle.setInput(pixels)
    return [np.asarray(found) for found in oracle.forward(names)]


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("width, refine", [(0.5, 0.5), (0.25, 0.75)])
def test_every_stage_agrees_with_opencv_on_real_frames(
    tmp_path: Path, sample_images: list[NDArray[np.uint8]], front: str, width: float, refine: float
) -> None:
    pixels = prepare(sample_images[0], 0.3, 16)
    assert pixels.shape[2] % 32 == pixels.shape[3] % 32 == 16, "the last row and column of features must be odd ones"
    cells = (pixels.shape[2] // 8, pixels.shape[3] // 8)
    # OpenCV divides by the deviation, and then once more by sqrt(1 + epsilon): no difference where epsilon is nothing.
    writer = Writer(width, refine, stages=3, front=front, cells=cells, epsilon=1e-9 if front == "image" else 0.001)
    network = imported(tmp_path, writer).network
    expected = opencv(tmp_path / "graph_opt.pb", writer.heads(), pixels)
    found = every_map(network, torch.from_numpy(pixels))
    exact = every_map(network.double(), torch.from_numpy(pixels).double())
    assert len(found) == len(expected) == 6
    for ours, theirs, unrounded in zip(found, expected, exact, strict=True):
        assert ours.shape == theirs.shape and ours.shape[2:] == cells
        assert float(theirs.std()) > 0.05
        assert apart(ours, unrounded) < 1e-4
        # OpenCV's norm by image is itself off by 2e-5, seen at the first of 39, which add up to 3e-4.
        assert apart(ours, theirs) < (1e-3 if front == "image" else 1e-4)


def every_map(network: PoseNet, pixels: torch.Tensor) -> list[NDArray[np.float32]]:
    with torch.inference_mode():
        return [maps.numpy() for stage in network.all_stages(pixels) for maps in stage]


def apart(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_the_published_form_is_the_one_with_its_size_written_out(tmp_path: Path) -> None:
    """OpenCV needs the size as a number; published graphs read it off the finer features. Both are one network."""
    networks = [imported(tmp_path, Writer(stages=1, cells=cells)).network for cells in (None, (4, 6))]
    assert networks[0].spec == networks[1].spec
    states = [network.state_dict() for network in networks]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_what_it_is_called_and_what_its_spec_says(tmp_path: Path) -> None:
    found = imported(tmp_path, Writer(stages=6))
    spec = found.network.spec
    assert (found.kind, found.licence.name) == (V2, "Apache-2.0") and "assumed" in found.licence.note
    assert found.notes == (
        "graph_opt.pb: 39 of its batch norms were frozen in training mode: each image is normalised by its own numbers",
    )
    assert (spec.stride, spec.multiple, spec.feature_channels, len(spec.stages)) == (8, 16, 64, 6)
    assert spec.normalises_images and holds(spec.backbone.layers, Upsample2x)
    # mobilenet_v2_small as published: 39 norms of a scale and a shift, and convolutions whose biases norms undo.
    published = sum(
        values.size
        for name, values in read_constants(tmp_path / "graph_opt.pb").items()
        if not (name.startswith("Openpose") and name.endswith(("gamma", "mean", "variance")))  # folded
    )
    biases = sum(tensor.numel() for name, tensor in found.network.state_dict().items()
                 if name.startswith("backbone") and name.endswith("conv.bias"))  # fmt: skip
    assert sum(parameter.numel() for parameter in found.network.parameters()) == published + biases


@pytest.mark.parametrize("front", ["stored", "folded"])
def test_norms_with_stored_numbers_leave_no_norm(tmp_path: Path, front: str) -> None:
    found = imported(tmp_path, Writer(stages=1, front=front))
    assert found.notes == ("graph_opt.pb: the network has 1 of the 6 published stages",)
    assert not found.network.spec.normalises_images and not holds(found.network.spec.backbone.layers, InstanceNorm)
    assert found.network.spec.multiple == 16


def test_with_folded_norms_it_can_be_pruned(tmp_path: Path) -> None:
    found = imported(tmp_path, Writer(stages=1, front="folded"))
    step = PruneChannels(pruning_ratio=0.5)
    pruned = step.apply(Candidate.of(found.network, found.licence), StepContext(seed=0))  # proves it bit for bit
    assert pruned.spec == step.check(found.network.spec) and pruned.spec.multiple == 16
    assert pruned.spec.feature_channels == found.network.spec.feature_channels // 2


def test_exported_it_is_the_same_at_every_multiple_of_16(tmp_path: Path) -> None:
    found = imported(tmp_path, Writer(stages=1))
    path = tmp_path / "model.onnx"
    save_artefact(cut_at_stage(export_all_stages(found.network), 1), found.network, found.licence, path)
    generator = torch.Generator().manual_seed(0)
    images = [255 * torch.rand(1, 3, *hw, generator=generator) for hw in ((48, 64), (80, 48), (64, 112))]
    inputs = [image.numpy() for image in images]
    largest = largest_difference(Candidate.of(found.network, found.licence), path, inputs)  # raises if they differ
    maps = every_map(found.network, images[0])[-2:]
    assert maps[0].shape == (1, 19, 6, 8)
    assert 0 < largest < 1e-3 * max(float(np.abs(one).max()) for one in maps)
    found.network.stages[0].heatmap[4].conv.bias.data[3] += 0.01 * float(maps[0].std())
    with pytest.raises(ParityError):
        largest_difference(Candidate.of(found.network, found.licence), path, inputs)


def test_the_command_makes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = written(tmp_path, Writer(stages=2)), tmp_path / "out"
    assert run_command(["teachers", "import", str(path), "--out", str(out), "--name", V2]) == 0
    said = capsys.readouterr()
    assert f"{out}: {V2}, 2 stages" in said.out and "recipes/stage_prune.yaml" in said.out
    assert "frozen in training mode" in said.err
    network, licence = load_model(out)
    assert network.spec.multiple == 16 and licence.name == "Apache-2.0"
    assert run_command(["teachers", "import", str(path), "--out", str(out), "--name", "openpose-mobilenet-thin"]) == 2
    assert f"holds {V2}, not openpose-mobilenet-thin" in capsys.readouterr().err


DEEP = "MobilenetV2/expanded_conv_7"
CHANGES: dict[str, tuple[dict[str, dict[str, bytes]], str]] = {
    "stride": (
        {f"{DEEP}/depthwise/depthwise": {"strides": numbers(1, 2, 2, 1)}},
        r"expanded_conv_7/depthwise/depthwise: expected stride 1 and padding SAME, found strides \(1, 2, 2, 1\)",
    ),
    "padding": ({f"{DEEP}/expand/Conv2D": {"padding": text("VALID")}}, "found strides .* and padding VALID"),
    "dilation": ({f"{DEEP}/expand/Conv2D": {"dilations": numbers(1, 2, 2, 1)}}, r"expected no dilation, found"),
    "corners": ({ENLARGED: {"align_corners": true()}}, "upsample: enlarges with align_corners"),
    "half pixels": ({ENLARGED: {"half_pixel_centers": true()}}, "upsample: enlarges with half_pixel_centers"),
    "epsilon": (
        {f"{DEEP}/expand/BatchNorm/FusedBatchNorm": {"epsilon": real(0.0)}},
        "expected an epsilon above 0, found 0",
    ),
}


@pytest.mark.parametrize("changes, message", CHANGES.values(), ids=CHANGES)
def test_a_graph_that_computes_something_else_is_refused(
    tmp_path: Path, changes: dict[str, dict[str, bytes]], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        imported(tmp_path, Writer(stages=1, changes=changes))
    assert str(caught.value).startswith(f"{tmp_path / 'graph_opt.pb'}: ")


ROUGH: dict[str, tuple[tuple[bytes, bytes], str]] = {
    "operation": ((b"Relu6", b"Relu5"), "after MobilenetV2/Conv/BatchNorm/FusedBatchNorm: expected Relu6, found Relu5"),
    "name": ((b"expanded_conv_9/add", b"expanded_conv_9/odd"), "expanded_conv_9/add: missing"),
    "concatenation": ((b"_Stage2_concat", b"_Stage2_conca_"), "Openpose/MConv_Stage2_concat: missing"),
}


@pytest.mark.parametrize("change, message", ROUGH.values(), ids=ROUGH)
def test_what_is_missing_is_named(tmp_path: Path, change: tuple[bytes, bytes], message: str) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(Writer(stages=2).graph().replace(*change))
    with pytest.raises(UserError, match=message):
        import_files([path])


def test_what_would_be_lost_is_named(tmp_path: Path) -> None:
    path = tmp_path / "graph.pb"
    more = node("Extra/Conv2D", "Conv2D", (COARSE, "MobilenetV2/Conv/weights/read/_1__cf__1"))
    path.write_bytes(Writer(stages=1).graph() + more)
    with pytest.raises(UserError, match="Extra/Conv2D: unexpected"):
        import_files([path])


def test_heads_of_another_skeleton_are_named(tmp_path: Path) -> None:
    class Mpi(Writer):
        def _branch(self, stage: int, letter: str, seen: str, inputs: int, head: int) -> str:
            return super()._branch(stage, letter, seen, inputs, {38: 28, 19: 16}[head])

    with pytest.raises(UserError, match=r"not the published network: .*paf head gives 28 channels, coco-18 needs 38"):
        import_files([written(tmp_path, Mpi(stages=1))])


def test_weights_of_another_shape_are_named(tmp_path: Path) -> None:
    class Narrow(Writer):
        def _block(self, number: int, at: str, channels: int, given: int, stride: int) -> tuple[str, int]:
            return super()._block(number, at, channels - 8 * (number == 3), given, stride)

    with pytest.raises(UserError, match=r"expected shape \(\d+, 16, 1, 1\), found \(\d+, 8, 1, 1\)"):
        import_files([written(tmp_path, Narrow(stages=1))])


def test_a_graph_cut_short_is_refused(tmp_path: Path) -> None:
    whole = Writer(stages=1).graph()
    path = tmp_path / "cut.pb"
    for cut in (1, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"cut\.pb: "):
            import_files([path])


def test_a_classifier_of_the_same_front_is_not_taken_for_one(tmp_path: Path) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(Writer(stages=1).graph().replace(b"Openpose/", b"Anything/"))
    with pytest.raises(UserError, match="not the mobilenet_thin graph"):
        import_files([path])
