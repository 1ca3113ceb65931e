"""The contract that every backbone inherits, and what the papers say about each."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_spec

from compress.export.onnx_export import cut_at_stage, export_all_stages, save_graph
from eval.runtimes import RUNTIMES
from students.backbones import BACKBONES, STRIDE, Backbone, adapted
from students.repvgg import conv3x3_chain
from students.widths import scaled
from teachers import openpose_vgg
from teachers.layers import Conv, DepthwiseConv, Layer, MaxPool, Residual, rows_after
from teachers.posenet import Chain, PoseNet
from teachers.spec import IMAGE_CHANNELS, PoseNetSpec


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are computed faster than threads meet."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def parameters(layers: tuple[Layer, ...]) -> int:
    with torch.device("meta"):
        return sum(tensor.numel() for tensor in Chain(layers, IMAGE_CHANNELS).parameters())


def pose_spec(backbone: Backbone, width: float, features: int = 16) -> PoseNetSpec:
    """The backbone under two small stages."""
    small = tiny_spec(stages=2)
    return PoseNetSpec(**{**dict(small), "backbone": adapted(backbone, width, features)})


@pytest.fixture(params=BACKBONES.values(), ids=BACKBONES.keys())
def backbone(request: pytest.FixtureRequest) -> Backbone:
    found: Backbone = request.param
    return found


class TestEveryBackbone:
    @pytest.mark.parametrize("width", [0.25, 0.75, 1.0, 1.4])
    def test_ends_at_stride_8(self, backbone: Backbone, width: float) -> None:
        layers = backbone.layers(width)
        cells = range(4, 100)
        assert [rows_after(layers, STRIDE * n) for n in cells] == list(cells)

    def test_its_modules_say_the_same(self, backbone: Backbone) -> None:
        chain = Chain(backbone.layers(0.1), IMAGE_CHANNELS)
        for rows, columns in ((4, 5), (9, 4)):
            with torch.inference_mode():
                made = chain(torch.rand(1, IMAGE_CHANNELS, STRIDE * rows, STRIDE * columns))
            assert made.shape[2:] == (rows, columns)

    def test_makes_a_pose_network_that_survives_json(self, backbone: Backbone) -> None:
        spec = pose_spec(backbone, 0.25)
        assert PoseNetSpec.model_validate_json(spec.to_json()) == spec
        with torch.inference_mode():
            maps = PoseNet(spec)(torch.rand(1, IMAGE_CHANNELS, 32, 40))
        assert maps.heatmaps.shape == (1, 19, 4, 5)
        assert spec.backbone.name == f"{backbone.name}-0.25"
        assert adapted(backbone, 1, 16).name == backbone.name

    def test_a_narrower_one_has_fewer_parameters(self, backbone: Backbone) -> None:
        assert backbone.widths
        counts = [parameters(backbone.layers(width)) for width in (0.25, 0.5, 0.75, 1.0, 1.5)]
        assert counts == sorted(set(counts))
        assert counts[1] < 0.4 * counts[3]

    def test_exports_and_the_artefact_agrees(self, backbone: Backbone, tmp_path: Path) -> None:
        torch.manual_seed(0)
        network, artefact = PoseNet(pose_spec(backbone, 0.05 if backbone.widths else 1)).eval(), tmp_path / "model.onnx"
        save_graph(cut_at_stage(export_all_stages(network), 1), artefact)
        image = np.random.default_rng(0).uniform(0, 1, (1, 3, 40, 48)).astype(np.float32)
        found = RUNTIMES["onnxruntime"].load(artefact, threads=1).run(image)
        with torch.inference_mode():
            expected = network.all_stages(torch.from_numpy(image))[0]
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
            assert ours.shape[2:] == (5, 6) and float(theirs.std()) > 0


# Input, output channels and kernel of each convolution in the paper's figure or table.
ZFNET = ((3, 96, 7), (96, 256, 5), (256, 384, 3), (384, 384, 3), (384, 256, 3))
V1_PAIRS = ((32, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), *5 * ((512, 512),))
V2_BLOCKS = ((16, 24), (24, 24), (24, 32), *2 * ((32, 32),), (32, 64), *3 * ((64, 64),), (64, 96), *2 * ((96, 96),),
             (96, 160), *2 * ((160, 160),), (160, 320))  # fmt: skip
# A published network with batch norm has two numbers for each channel of a norm where ours, folded, has one.
V1_NORMS = 32 + sum(seen + made for seen, made in V1_PAIRS)
V1_LEFT_OUT = sum(9 * seen + seen * made + 2 * (seen + made) for seen, made in ((512, 1024), (1024, 1024)))
V2_NORMS = 32 + (32 + 16) + sum(2 * 6 * seen + made for seen, made in V2_BLOCKS)
PUBLISHED = {
    # Simonyan, Zisserman 2014, configuration E: 2.325568 M up to conv3_4, then conv4_1 and conv4_2.
    "vgg19": 2_325_568 + (256 * 512 * 9 + 512) + (512 * 512 * 9 + 512),
    # torchvision's alexnet: 61,100,840, of which the classifier has 58,631,144.
    "alexnet": 61_100_840 - 58_631_144,
    # Zeiler, Fergus 2014, figure 3.
    "zfnet": sum(made * (seen * kernel**2 + 1) for seen, made, kernel in ZFNET),
    # torchvision's squeezenet1_1: 1,235,496, of which the classifier's 1x1 convolution has 513,000.
    "squeezenet-1.1": 1_235_496 - 513_000,
    # Keras' MobileNet: 4,231,976 trainable, of which the classifier has 1,025,000.
    "mobilenet-v1": 4_231_976 - 1_025_000 - V1_LEFT_OUT - V1_NORMS,
    # torchvision's mobilenet_v2: 3,504,872, of which the classifier has 1,281,000 and the 1x1 before it 412,160.
    "mobilenet-v2": 3_504_872 - 1_281_000 - 412_160 - V2_NORMS,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_published(name: str) -> None:
    assert parameters(BACKBONES[name].layers(1.0)) == PUBLISHED[name]


def test_the_plain_chain_with_repvggs_numbers_is_repvgg() -> None:
    """Ding et al. 2021, table 2 and their code: A0 as it ships has 8.309384 M, 1.281 M of it in the classifier."""
    a0 = conv3x3_chain([(48, 1, 2), (48, 2, 2), (96, 4, 2), (192, 14, 2), (1280, 1, 2)])
    assert parameters(a0) == 8_309_384 - 1_281_000


def test_vgg19_is_what_cao_et_al_took() -> None:
    layers = BACKBONES["vgg19"].layers(1.0)
    assert layers == openpose_vgg.spec().backbone.layers[: len(layers)]
    assert sum(isinstance(layer, Conv) for layer in layers) == 10


def as_published(layers: tuple[Layer, ...], strided: set[int]) -> tuple[Layer, ...]:
    """The same layers with stride 2 at these places and without dilation."""

    def plain(layer: Layer) -> Layer:
        if isinstance(layer, Conv | DepthwiseConv) and layer.dilation > 1:
            return layer.model_copy(update={"dilation": 1, "pad": (1, 1)})
        if isinstance(layer, Residual):
            return Residual(layers=tuple(plain(inner) for inner in layer.layers))
        if layer.kind == "concat":
            return layer.model_copy(update={"branches": tuple(tuple(map(plain, b)) for b in layer.branches)})
        return layer

    changed = [plain(layer) for layer in layers]
    for place in strided:
        changed[place] = changed[place].model_copy(update={"stride": 2})
    return tuple(changed)


@pytest.mark.parametrize(
    ("name", "strided", "step"),
    [
        ("alexnet", {3}, 2),
        ("zfnet", {3}, 2),
        ("squeezenet-1.1", {11}, 2),
        ("mobilenet-v2", {13, 24}, 4),  # the first depthwise layers of the groups of 64 and of 160 channels
    ],
)
def test_every_few_cells_it_is_the_network_with_the_papers_strides(name: str, strided: set[int], step: int) -> None:
    """The oracle for dilation: weights trained for the paper's strides mean the same."""
    layers = BACKBONES[name].layers(0.1)
    assert all(isinstance(layers[place], MaxPool | DepthwiseConv) for place in strided)
    torch.manual_seed(0)
    dense = Chain(layers, IMAGE_CHANNELS).double()
    sparse = Chain(as_published(layers, strided), IMAGE_CHANNELS).double()
    sparse.load_state_dict(dense.state_dict())
    image = torch.rand(1, IMAGE_CHANNELS, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        expected, found = sparse(image), dense(image)
    assert found.shape[2:] == (8, 12) and expected.shape[2:] == (8 // step, 12 // step)
    assert float(expected.std()) > 0
    torch.testing.assert_close(found[:, :, ::step, ::step], expected, rtol=1e-9, atol=1e-12)


def test_mobilenets_upper_limits_are_those_of_their_papers() -> None:
    relu_maxima = {
        name: {getattr(layer, "relu_max", None) for layer in BACKBONES[name].layers(1.0)} for name in BACKBONES
    }
    assert 6.0 in relu_maxima.pop("mobilenet-v2")
    assert relu_maxima and all(found == {None} for found in relu_maxima.values())


def test_scaling_rounds_as_the_mobilenets_do() -> None:
    """Values of `_make_divisible` in the authors' published code."""
    assert [scaled(c, w) for c, w in ((32, 1.4), (24, 0.75), (16, 0.35), (96, 0.35), (1024, 0.25), (3, 1))] == [
        48, 24, 8, 32, 256, 8,
    ]  # fmt: skip
