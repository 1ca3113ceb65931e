"""What a student takes from its parent. Weights and pixels are whole numbers, so equal means equal in every bit."""

import pytest
import torch
from conftest import tiny_spec
from torch import Tensor, nn

from compress.core.candidate import content_id
from students.backbones import BACKBONES, adapted
from students.channel_map import choose
from students.inherit import inherit
from students.init import fresh_network, input_rms
from students.stages import lightweight, two_branch
from students.weight_transfer import width as width_after
from teachers.layers import Concat, Conv, DepthwiseConv, MaxPool, Residual, SeparableConv
from teachers.posenet import ConcatBlock, ConvBlock, PoseNet, ResidualBlock
from teachers.skeleton import MPI_15
from teachers.spec import BackboneSpec, InputSpec, PoseNetSpec, StageSpec, Tap


def mixed_spec(a: int, b: int, c: int, stage_width: int = 16) -> PoseNetSpec:
    """Every kind of layer with widths that vary, two taps, a stage with a trunk and one with residual blocks."""
    small = tiny_spec()
    pointwise = {"kernel": 1, "pad": (0, 0)}
    bottleneck = (
        Conv(channels=3 * b, relu_max=6.0, **pointwise),
        DepthwiseConv(relu_max=6.0),
        Conv(channels=b, relu=False, **pointwise),
    )
    fire = Concat(branches=((Conv(channels=a, **pointwise),), (Conv(channels=c), DepthwiseConv())))
    layers = (
        Conv(channels=a, stride=2),
        MaxPool(kernel=3, stride=2, pad=1),
        SeparableConv(channels=b),
        Residual(layers=bottleneck),
        Residual(layers=bottleneck),
        DepthwiseConv(stride=2),
        Conv(channels=c, **pointwise),
        fire,
        Conv(channels=b),
    )
    backbone = BackboneSpec(name="mixed", layers=layers, taps=(Tap(layer=4, pool=2), Tap(layer=7), Tap(layer=8)))
    stages = lightweight(small, 2, stage_width)
    return PoseNetSpec(**{**dict(small), "backbone": backbone, "stages": stages})


SPECS = {
    "tiny": (tiny_spec(), PoseNetSpec(**{**dict(tiny_spec(2)), "stages": two_branch(tiny_spec(), 2, 5)})),
    "mixed": (mixed_spec(12, 10, 8), mixed_spec(8, 10, 5)),
    "narrower residuals": (mixed_spec(8, 12, 8), mixed_spec(8, 7, 6, 10)),
    "narrower everywhere": (mixed_spec(16, 16, 16, 24), mixed_spec(8, 8, 8, 9)),
}


def whole_numbers(spec: PoseNetSpec, seed: int) -> PoseNet:
    """Two weights of 1 or -1 in every filter, so that sums stay far below 2**53 and no order of adding rounds."""
    generator = torch.Generator().manual_seed(seed)
    network = PoseNet(spec.model_copy(update={"input": InputSpec()})).double()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                filters = torch.zeros(module.weight.shape).flatten(1)
                places = torch.rand(filters.shape, generator=generator).topk(min(2, filters.shape[1])).indices
                signs = (torch.rand(places.shape, generator=generator) < 0.7) * 2.0 - 1
                module.weight.copy_(filters.scatter(1, places, signs).reshape(module.weight.shape))
                if module.bias is not None:
                    module.bias.copy_(torch.randint(0, 3, module.bias.shape, generator=generator))
    return network


def silence(
    old: nn.ModuleList, new: nn.ModuleList, generator: torch.Generator, lost: Tensor, end: Tensor | None = None
) -> Tensor:
    """Zeroes as many random channels after each layer of `old` as `new` lacks, and gives those after the last one.

    lost: the silent channels that go in; end: those that the last convolution must have, where a residual adds it.
    """
    for place, (parent, child) in enumerate(zip(old, new, strict=True)):
        if isinstance(parent, ConvBlock):
            if parent.conv.groups == 1:
                drawn = torch.randperm(parent.conv.out_channels, generator=generator)[child.conv.out_channels :]
                lost = drawn if end is None or place < len(old) - 1 else end
            parent.conv.weight[lost] = 0
            parent.conv.bias[lost] = 0
        elif isinstance(parent, ResidualBlock):
            silence(parent.body, child.body, generator, lost, end=lost)
        elif isinstance(parent, ConcatBlock):
            parts, start = [], 0
            for ours, theirs in zip(parent.branches, child.branches, strict=True):
                parts.append(silence(ours, theirs, generator, lost) + start)
                start += width_after(ours, 0)
            lost = torch.cat(parts)
    return lost


def silence_what_is_dropped(parent: PoseNet, spec: PoseNetSpec, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    child, none = PoseNet(spec), torch.tensor([], dtype=torch.long)
    with torch.no_grad():
        silence(parent.backbone.layers, child.backbone.layers, generator, none)
        for old, new in zip(parent.stages, child.stages, strict=False):
            lost = silence(old.trunk, new.trunk, generator, none)
            for branch in ("paf", "heatmap"):
                silence(getattr(old, branch), getattr(new, branch), generator, lost)


@pytest.mark.parametrize("name", SPECS)
def test_an_equal_spec_gives_equal_weights_bit_for_bit(name: str) -> None:
    parent = fresh_network(SPECS[name][0], 1)
    made = inherit(parent, parent.spec, seed=2)
    assert content_id(made.network) == content_id(parent)
    assert made.share == 1.0
    assert made.names == tuple(dict(parent.named_parameters()))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", SPECS)
def test_dropping_channels_that_say_nothing_changes_no_map(name: str, seed: int) -> None:
    wide, narrow = SPECS[name]
    parent = whole_numbers(wide, seed)
    silence_what_is_dropped(parent, narrow, seed)
    made = inherit(parent, parent.spec.model_copy(update=dict(narrow) | {"input": InputSpec()}), seed)
    assert made.share == 1.0
    _require_equal_maps(parent, made.network.double(), seed)


@pytest.mark.parametrize("name", SPECS)
def test_a_wider_network_begins_as_its_parent(name: str) -> None:
    wide, narrow = SPECS[name]
    parent = whole_numbers(narrow, 0)
    made = inherit(parent, wide.model_copy(update={"input": InputSpec()}), seed=0)
    assert 0 < made.share < 1
    compared = len(parent.stages)
    made.network.stages = made.network.stages[:compared]
    _require_equal_maps(parent, made.network.double(), 0)


def _require_equal_maps(parent: PoseNet, child: PoseNet, seed: int) -> None:
    pixels = torch.randint(0, 4, (2, 3, 32, 40), generator=torch.Generator().manual_seed(seed)).double()
    with torch.inference_mode():
        expected, found = parent.all_stages(pixels), child.all_stages(pixels)
    compared = 0
    for theirs, ours in zip(expected, found, strict=False):
        for before, after in zip(theirs, ours, strict=True):
            assert 0 < float(before.abs().max()) < 2**50
            assert torch.equal(before, after)
            compared += 1
    assert compared >= 4


def test_what_is_fresh_is_kaiming_normal_and_heads_begin_near_zero() -> None:
    spec = tiny_spec(1)
    network = fresh_network(spec, 3)
    first = torch.empty(4, 3, 3, 3)
    nn.init.kaiming_normal_(first, mode="fan_in", generator=torch.Generator().manual_seed(3))
    seen = input_rms(spec.input)
    assert seen == pytest.approx((1 / 12) ** 0.5, rel=0.01), "pixels of 0 to 255 become -0.5 to 0.5"
    torch.testing.assert_close(network.backbone.layers[0].conv.weight.detach(), first / seen)
    wide = lightweight(spec, 1, 128)
    network = fresh_network(PoseNetSpec(**{**dict(spec), "stages": wide}), 3)
    head = network.stages[0].paf[-1].conv
    expected = 0.01 / head.in_channels**0.5
    assert 0.95 * expected < float(head.weight.detach().std()) < 1.05 * expected
    assert all(not bool(bias.any()) for name, bias in network.named_parameters() if name.endswith("bias"))


def test_a_depthwise_filter_begins_as_strong_as_its_nine_weights_ask() -> None:
    """He et al.'s variance is that of one output channel's own fan; dividing by all channels would silence it."""
    layers = (Conv(channels=512, kernel=1, pad=(0, 0)), DepthwiseConv(), MaxPool())
    spec = tiny_spec(1)
    backbone = BackboneSpec(name="wide", layers=layers, taps=(Tap(layer=2, pool=4),))
    network = fresh_network(PoseNetSpec(**{**dict(spec), "backbone": backbone}), 0)
    found = float(network.backbone.layers[1].conv.weight.detach().std())
    assert abs(found - (2 / 9) ** 0.5) < 0.02


def test_fresh_weights_come_from_the_seed_alone(tiny: PoseNet) -> None:
    spec = PoseNetSpec(**{**dict(tiny.spec), "backbone": adapted(BACKBONES["repvgg"], 0.25, 14)})
    state = torch.random.get_rng_state()
    first = inherit(tiny, spec, seed=5).network
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    assert content_id(first) == content_id(inherit(tiny, spec, seed=5).network)
    assert content_id(first) != content_id(inherit(tiny, spec, seed=6).network)


def test_another_backbone_keeps_the_stages_whole(tiny: PoseNet) -> None:
    spec = PoseNetSpec(**{**dict(tiny.spec), "backbone": adapted(BACKBONES["mobilenet-v1"], 0.25, 14)})
    made = inherit(tiny, spec, seed=0)
    kept = {name: tensor for name, tensor in tiny.state_dict().items() if name.startswith("stages.")}
    assert kept and all(torch.equal(made.network.state_dict()[name], tensor) for name, tensor in kept.items())
    assert kept.keys() <= set(made.names)
    fresh = {name for name, _ in made.network.named_parameters()} - set(made.names)
    assert "backbone.layers.23.conv.weight" in fresh  # the adapter
    counted = sum(tensor.numel() for tensor in kept.values())
    assert counted <= made.share * sum(p.numel() for p in made.network.parameters()) < counted + 4 * 28 + 1


def test_fewer_features_of_another_backbone_stand_for_the_strongest(tiny: PoseNet) -> None:
    with torch.no_grad():
        for channel in (0, 3, 4):
            tiny.backbone.layers[2].conv.weight[channel] *= 100
        tiny.backbone.layers[3].conv.weight[5] *= 100
    spec = PoseNetSpec(**{**dict(tiny.spec), "backbone": adapted(BACKBONES["repvgg"], 0.25, 4)})
    made = inherit(tiny, spec, seed=0).network
    chosen = [0, 3, 4, 6 + 5]  # the first tap has 6 channels
    maps = 38 + 19
    assert torch.equal(made.stages[0].paf[0].conv.weight, tiny.stages[0].paf[0].conv.weight[:, chosen])
    later = [*range(maps), *(maps + channel for channel in chosen)]
    assert torch.equal(made.stages[1].paf[0].conv.weight, tiny.stages[1].paf[0].conv.weight[:, later])


def test_another_kernel_kind_or_length_is_fresh_and_so_is_what_follows(tiny: PoseNet) -> None:
    (stage, *_) = tiny.spec.stages
    others = {
        "kernel": (Conv(channels=8, kernel=5, pad=(2, 2)), stage.paf[-1]),
        "kind": (SeparableConv(channels=8), stage.paf[-1]),
        "length": (stage.paf[0], stage.paf[0], stage.paf[-1]),
    }
    for what, paf in others.items():
        changed = StageSpec(paf=paf, heatmap=stage.heatmap)
        made = inherit(tiny, PoseNetSpec(**{**dict(tiny.spec), "stages": (changed,)}), seed=0)
        inherited = {name for name in made.names if name.startswith("stages.0.paf.")}
        assert inherited == ({"stages.0.paf.0.conv.weight", "stages.0.paf.0.conv.bias"} if what == "length" else set())
        assert {"stages.0.heatmap.0.conv.weight", "stages.0.heatmap.1.conv.weight"} <= set(made.names)


def test_the_strongest_channels_are_chosen_in_the_parents_order() -> None:
    strength = torch.tensor([1.0, 3.0, 2.0, 3.0, 0.0])
    assert choose(strength, 3).tolist() == [1, 2, 3]
    assert choose(strength, 1).tolist() == [1]
    assert choose(strength, 6).tolist() == [0, 1, 2, 3, 4, -1]


def test_a_residual_over_a_concatenation_takes_what_each_branch_has() -> None:
    """Channels that are to come from another branch are fresh, the others are the parent's."""

    def spec(channels: int) -> PoseNetSpec:
        half = channels // 2
        sides = Concat(branches=((Conv(channels=half),), (Conv(channels=channels - half),)))
        layers = (Conv(channels=channels, stride=2), Residual(layers=(sides,)), MaxPool(kernel=4, stride=4))
        backbone = BackboneSpec(name="sides", layers=layers, taps=(Tap(layer=2),))
        return PoseNetSpec(**{**dict(tiny_spec(1)), "backbone": backbone})

    parent = fresh_network(spec(8), 0)
    with torch.no_grad():
        parent.backbone.layers[0].conv.weight[[0, 1, 2, 5]] *= 100  # three of the first branch, one of the second
    made = inherit(parent, spec(4), seed=0)
    branches = made.network.backbone.layers[1].body[0].branches
    theirs = parent.backbone.layers[1].body[0].branches
    kept = [0, 1, 2, 5]
    assert torch.equal(branches[0][0].conv.weight, theirs[0][0].conv.weight[[0, 1]][:, kept])
    assert torch.equal(branches[1][0].conv.weight[1], theirs[1][0].conv.weight[1][kept])  # channel 5 of the whole
    assert not any(torch.equal(branches[1][0].conv.weight[0], theirs[0][0].conv.weight[n][kept]) for n in range(4))


def test_another_skeleton_is_refused(tiny: PoseNet) -> None:
    heads = [Conv(channels=n, kernel=1, pad=(0, 0), relu=False) for n in (MPI_15.paf_channels, MPI_15.heatmap_channels)]
    stage = StageSpec(paf=(heads[0],), heatmap=(heads[1],))
    spec = PoseNetSpec(**{**dict(tiny.spec), "skeleton": MPI_15, "stages": (stage,)})
    with pytest.raises(ValueError, match=r"mpi.* cannot inherit from one of coco-18"):
        inherit(tiny, spec, seed=0)
