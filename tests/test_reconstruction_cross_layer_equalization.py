"""Equalisation: exact in float whatever the architecture, and refused where it would change the maps."""

import pytest
import torch
from conftest import tiny_spec

from compress.reconstruction.cross_layer_equalization import scalable, scale_channels
from students.backbones import BACKBONES, adapted
from teachers.layers import Concat, Conv, InstanceNorm, MaxPool, Residual
from teachers.posenet import PoseNet
from teachers.spec import BackboneSpec, PoseNetSpec, Tap


def network(backbone: str) -> PoseNet:
    torch.manual_seed(0)
    small = tiny_spec(stages=3)
    return PoseNet(PoseNetSpec(**{**dict(small), "backbone": adapted(BACKBONES[backbone], 0.25, 16)})).eval()


def wild_scales(found: PoseNet) -> dict[str, torch.Tensor]:
    """Factors between a hundredth and a hundred, of every convolution that may be scaled."""
    modules = dict(found.named_modules())
    generator = torch.Generator().manual_seed(1)
    return {
        name: 10.0 ** (4 * torch.rand(modules[name].out_channels, generator=generator) - 2) for name in scalable(found)
    }


@pytest.mark.parametrize("backbone", BACKBONES)
def test_maps_stay_and_weights_do_not(backbone: str) -> None:
    before = network(backbone)
    scales = wild_scales(before)
    assert len(scales) > 6
    after = scale_channels(before, scales)
    images = 255 * torch.rand(2, 3, 64, 72)
    with torch.inference_mode():
        pairs = list(zip(before.all_stages(images), after.all_stages(images), strict=True))
    assert len(pairs) == 3
    for ours, theirs in pairs:
        for old, new in zip(ours, theirs, strict=True):
            assert float((new - old).norm() / old.norm()) < 1e-4
    states = before.state_dict(), after.state_dict()
    changed = [name for name in scales if not torch.equal(states[0][f"{name}.weight"], states[1][f"{name}.weight"])]
    assert changed == list(scales)


def test_the_given_network_is_untouched() -> None:
    before = network("mobilenet-v1")
    kept = {name: tensor.clone() for name, tensor in before.state_dict().items()}
    scale_channels(before, wild_scales(before))
    assert all(torch.equal(tensor, kept[name]) for name, tensor in before.state_dict().items())


def test_heads_and_relu_maxima_are_not_free() -> None:
    found = network("mobilenet-v2")
    capped = [name for name, block in found.named_modules() if getattr(block, "relu_max", None) is not None]
    heads = [f"stages.{number}.{branch}.{len(getattr(stage, branch)) - 1}"
             for number, stage in enumerate(found.stages) for branch in ("paf", "heatmap")]  # fmt: skip
    assert capped and heads
    assert not {f"{name}.conv" for name in capped + heads} & set(scalable(found))


def test_a_scale_that_would_change_the_maps_is_refused() -> None:
    found = network("repvgg")
    head = f"stages.2.paf.{len(found.stages[2].paf) - 1}.conv"  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="may be scaled"):
        scale_channels(found, {head: torch.full((1,), 2.0)})
    first = scalable(found)[0]
    with pytest.raises(ValueError, match="above zero"):
        scale_channels(found, {first: torch.zeros(1)})


def test_the_tiny_network_counts() -> None:
    """One free convolution per layer and branch but for the heads, depthwise halves of separable ones besides."""
    found = PoseNet(tiny_spec(stages=2))
    convolutions = sum(isinstance(module, torch.nn.Conv2d) for module in found.modules())
    assert len(scalable(found)) == convolutions - 4


NESTED = {
    "a residual that ends in a concatenation": (
        Conv(channels=6),
        Residual(layers=(Conv(channels=4), Concat(branches=((Conv(channels=2),), (Conv(channels=4),))))),
    ),
    "a residual that ends in another": (
        Conv(channels=6),
        Residual(layers=(Conv(channels=6), Residual(layers=(Conv(channels=6),)))),
    ),
    "a residual whose end is cut off": (
        Conv(channels=6),
        Residual(layers=(Conv(channels=4), Conv(channels=6, relu_max=6.0))),
    ),
    "a norm after a residual": (
        Conv(channels=6),
        Residual(layers=(Conv(channels=4), Conv(channels=6, relu=False))),
        InstanceNorm(epsilon=0.001),
    ),
    "a norm after a pool": (Conv(channels=6), MaxPool(kernel=3, stride=1, pad=1), InstanceNorm(epsilon=0.001)),
}


@pytest.mark.parametrize("kind", NESTED)
def test_what_takes_no_scale_is_seen_from_afar(kind: str) -> None:
    layers = (Conv(channels=4, stride=8, kernel=8, pad=(0, 0)), Conv(channels=5), *NESTED[kind], Conv(channels=7))
    backbone = BackboneSpec(name="nested", layers=layers, taps=(Tap(layer=len(layers) - 1),))
    torch.manual_seed(0)
    before = PoseNet(PoseNetSpec(**{**dict(tiny_spec(2)), "backbone": backbone})).eval()
    free = scalable(before)
    assert {"backbone.layers.0.conv", "backbone.layers.1.conv"} <= set(free) and "backbone.layers.2.conv" not in free
    after = scale_channels(before, {name: 0.5 + torch.rand(before.get_submodule(name).out_channels) for name in free})  # type: ignore[arg-type]
    image = 255 * torch.rand(1, 3, 64, 80)
    for ours, theirs in zip(after(image), before(image), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
