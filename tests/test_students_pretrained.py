"""Weights of a backbone from a file; the network that they were trained in, as PyTorch writes it, is the oracle."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import LICENCE
from safetensors.torch import save_file
from torch import Tensor, nn

from compress.core.candidate import Candidate
from compress.steps.base import SettingError
from compress.steps.context import StepContext
from compress.steps.swap_backbone import SwapBackbone
from students.backbones import BACKBONES
from students.pretrained import read_pretrained
from teachers.common.errors import UserError
from teachers.layers import Concat, Conv, DepthwiseConv, Layer, MaxPool, Residual, SeparableConv, channels_after
from teachers.posenet import Chain, PoseNet
from teachers.spec import InputSpec

WIDTH = 0.125
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NORMED = {"mobilenet-v1", "mobilenet-v2", "repvgg"}
CONVENTIONS = (InputSpec(), InputSpec(scale=1 / 256, offset=-0.5), InputSpec(channels="rgb", scale=1 / 255))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small are computed faster than threads meet."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Published(nn.Module):
    """A backbone as it is trained: batch norm if the paper has it, RGB input, a classifier behind it."""

    def __init__(self, layers: tuple[Layer, ...], norm: bool) -> None:
        super().__init__()
        self.features = _sequence(layers, 3, norm)
        self.last = nn.Conv2d(channels_after(layers, 3)[-1], 12, 1)
        self.classifier = nn.Linear(12, 10)

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels: RGB 0 to 255, padded already as the first convolution would."""
        first, *others = self.features
        mean, std = (torch.tensor(values, dtype=pixels.dtype)[:, None, None] for values in (MEAN, STD))
        conv = first[0] if isinstance(first, nn.Sequential) else first
        x = F.conv2d((pixels / 255 - mean) / std, conv.weight, conv.bias, conv.stride)
        for module in (*list(first)[1:], *others):
            x = module(x)
        return x


class _Add(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class _Side(nn.Module):
    def __init__(self, branches: list[nn.Sequential]) -> None:
        super().__init__()
        self.expand1x1, self.expand3x3 = branches

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1)


def _sequence(layers: tuple[Layer, ...], channels: int, norm: bool) -> nn.Sequential:
    made: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, MaxPool):
            made.append(nn.MaxPool2d(layer.kernel, layer.stride, layer.pad))
        elif isinstance(layer, Residual):
            made.append(_Add(*_sequence(layer.layers, channels, norm)))
        elif isinstance(layer, Concat):
            made.append(_Side([_sequence(branch, channels, norm) for branch in layer.branches]))
        else:
            made.append(_convolution(layer, channels, norm))
        (channels,) = channels_after((layer,), channels)
    return nn.Sequential(*made)


def _convolution(layer: Layer, channels: int, norm: bool) -> nn.Sequential:
    assert isinstance(layer, Conv | DepthwiseConv)
    out, groups = (layer.channels, 1) if isinstance(layer, Conv) else (channels, channels)
    parts: list[nn.Module] = [
        nn.Conv2d(channels, out, layer.kernel, layer.stride, layer.pad[0], layer.dilation, groups, bias=not norm)
    ]
    if norm:
        parts.append(nn.BatchNorm2d(out))
    if layer.relu:
        parts.append(nn.ReLU() if layer.relu_max is None else nn.ReLU6())
    return nn.Sequential(*parts)


def published(name: str) -> Published:
    torch.manual_seed(0)
    network = Published(BACKBONES[name].layers(WIDTH), name in NORMED)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in ((module.weight, 0.5), (module.running_var, 0.5), (module.bias, -0.2)):
                nn.init.uniform_(tensor, low, low + 1)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
    return network.eval()


def written(network: nn.Module, path: Path) -> Path:
    state = network.state_dict()
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", BACKBONES)
def test_the_backbone_computes_what_the_published_network_does(name: str, tmp_path: Path) -> None:
    layers, source = BACKBONES[name].layers(WIDTH), published(name)
    path, other = (written(source, tmp_path / f"weights{suffix}") for suffix in (".pth", ".safetensors"))
    chain = Chain(layers, 3)
    pixels = torch.rand(1, 3, 24, 32) * 255
    (before, after) = layers[0].pad
    for convention in CONVENTIONS:
        tensors, same = read_pretrained(layers, convention, path), read_pretrained(layers, convention, other)
        assert tensors.keys() == same.keys() and all(torch.equal(tensors[name], same[name]) for name in same)
        chain.load_state_dict(tensors)
        given = (pixels if convention.channels == "rgb" else pixels.flip(1)) * convention.scale + convention.offset
        # The chain pads its own input with 0; the oracle is given the pixels that this 0 stands for.
        around = F.pad(pixels, (before, after, before, after), value=-convention.offset / convention.scale)
        with torch.inference_mode():
            expected = source(around)
            found = chain(given)
        assert float(expected.std()) > 0
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_a_step_puts_the_file_under_the_stages(tiny: PoseNet, tmp_path: Path) -> None:
    path = written(published("mobilenet-v1"), tmp_path / "v1.pth")
    parent = Candidate.of(tiny, LICENCE)
    step = SwapBackbone(backbone="mobilenet-v1", width=WIDTH, pretrained=str(path))
    made = step.apply(parent, StepContext(seed=0))
    bare = SwapBackbone(backbone="mobilenet-v1", width=WIDTH).apply(parent, StepContext(seed=0))
    tensors = read_pretrained(BACKBONES["mobilenet-v1"].layers(WIDTH), tiny.spec.input, path)
    state = made.network.state_dict()
    assert tensors and all(torch.equal(state[f"backbone.layers.{name}"], tensor) for name, tensor in tensors.items())
    others = [n for n in state if n.removeprefix("backbone.layers.") not in tensors]
    assert others and all(torch.equal(state[name], bare.network.state_dict()[name]) for name in others)
    assert "v1.pth" in made.licence.note and made.licence.name == LICENCE.name
    assert made.id != bare.id and made.spec == step.check(tiny.spec)


def refused(layers: tuple[Layer, ...], path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_pretrained(layers, InputSpec(), path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_first_convolution_that_does_not_fit_is_named(tmp_path: Path) -> None:
    path = written(published("vgg19"), tmp_path / "vgg.pth")
    found = refused(BACKBONES["vgg19"].layers(0.5), path)
    assert re.search(r"convolution 1, features\.0\.0: expected shape \(32, 3, 3, 3\) .*found \(8, 3, 3, 3\)", found)
    deeper = (*BACKBONES["vgg19"].layers(WIDTH)[:4], Conv(channels=40), *BACKBONES["vgg19"].layers(WIDTH)[4:])
    found = refused(deeper, path)
    assert re.search(r"convolution 4, features\.4\.0: expected shape \(40, 16, 3, 3\) .*found \(16, 16, 3, 3\)", found)


@pytest.mark.parametrize("width", [1.0, WIDTH])
def test_fire_modules_are_found_where_names_were_sorted(width: float, tmp_path: Path) -> None:
    """Sorted by name, a Fire module's expansions come before its squeezing layer; shapes tell them apart or nothing."""
    layers = BACKBONES["squeezenet-1.1"].layers(width)
    torch.manual_seed(0)
    expected = Chain(layers, 3).state_dict()
    sides = {"0": "expand1x1", "1": "expand3x3"}
    state = {"features.0." + leaf: expected[f"0.conv.{leaf}"] for leaf in ("weight", "bias")}
    for name, tensor in expected.items():
        place, *inner, leaf = name.split(".")
        if inner[0] == "branches":
            state[f"features.{int(place) - 1}.{sides[inner[1]]}.{leaf}"] = tensor
        elif place != "0":
            state[f"features.{place}.squeeze.{leaf}"] = tensor
    assert len(state) == len(expected) == 2 * (1 + 8 * 3)
    save_file(state, tmp_path / "fire.safetensors")
    if width == WIDTH:  # each is 8x8x1x1
        assert "features.2.squeeze: has the shape of another in features.2; a safetensors file loses" in refused(
            layers, tmp_path / "fire.safetensors"
        )
        return
    found = read_pretrained(layers, InputSpec(), tmp_path / "fire.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected if not name.startswith("0."))


def test_a_file_of_too_few_convolutions_is_refused(tmp_path: Path) -> None:
    source = published("repvgg")
    del source.last
    path = written(source, tmp_path / "repvgg.pth")
    longer = (*BACKBONES["repvgg"].layers(WIDTH), Conv(channels=40))
    assert "has 10 convolutions; the backbone has 11: 10.conv gets none" in refused(longer, path)


def test_a_convolution_that_would_be_left_over_is_refused(tmp_path: Path) -> None:
    state = {
        f"features.{n}.weight": torch.ones(shape) for n, shape in enumerate([(8, 3, 3, 3), (9, 8, 1, 1), (8, 8, 3, 3)])
    }
    torch.save(state, tmp_path / "odd.pth")
    found = refused((Conv(channels=8), Conv(channels=8)), tmp_path / "odd.pth")
    assert "features.1: no convolution of the backbone fits it" in found


def test_names_that_lose_the_order_are_refused_not_guessed(tmp_path: Path) -> None:
    state = {
        "conv1.weight": torch.ones(8, 3, 3, 3),
        "bn1.running_mean": torch.ones(8),
        "bn1.running_var": torch.ones(8),
    }
    save_file(state, tmp_path / "sorted.safetensors")
    assert "bn1 is a batch norm that follows no convolution" in refused(
        (Conv(channels=8),), tmp_path / "sorted.safetensors"
    )
    torch.save(state, tmp_path / "kept.pth")
    assert len(read_pretrained((Conv(channels=8),), InputSpec(), tmp_path / "kept.pth")) == 2


def test_other_files_are_refused(tmp_path: Path) -> None:
    layers = (Conv(channels=8),)
    torch.save({"0.weight": torch.full((8, 3, 3, 3), torch.nan)}, tmp_path / "nan.pth")
    assert "0: holds values that are not finite" in refused(layers, tmp_path / "nan.pth")
    torch.save({"0.weight": torch.ones(8, 3, 3, 3), "1.running_mean": torch.ones(9)}, tmp_path / "norm.pth")
    assert "1: a batch norm that does not fit 0 before it, of 8 channels" in refused(layers, tmp_path / "norm.pth")
    torch.save({"0.weight": torch.ones(8)}, tmp_path / "none.pth")
    assert "has 0 convolutions" in refused(layers, tmp_path / "none.pth")
    (tmp_path / "net.prototxt").write_text('layer { name: "x" }')
    assert "is a prototxt file" in refused(layers, tmp_path / "net.prototxt")


def test_a_separable_layer_cannot_take_a_norm(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write it as two layers"):
        read_pretrained((SeparableConv(channels=8),), InputSpec(), tmp_path / "never read")


def test_the_step_is_refused_where_it_cannot_work(tiny: PoseNet, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match=r"pretrained: no file is called 'nowhere\.pth'"):
        SwapBackbone(backbone="vgg19", pretrained="nowhere.pth").check(tiny.spec)
    with pytest.raises(SettingError, match="backbone: every backbone here makes maps at stride 8, the network's is 4"):
        SwapBackbone(backbone="vgg19").check(tiny.spec.model_copy(update={"stride": 4}))
    fixed = BACKBONES["repvgg"].__class__("repvgg", BACKBONES["repvgg"].layers, widths=False)
    monkeypatch.setitem(BACKBONES, "repvgg", fixed)
    with pytest.raises(SettingError, match=r"width: repvgg has one width only, 1, got 0\.5"):
        SwapBackbone(backbone="repvgg", width=0.5).check(tiny.spec)
