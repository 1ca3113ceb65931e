"""Channels that go: what stays gives the same maps, what is counted is what there is, and heads are left alone."""

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LICENCE, tiny_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.pruning.channel_graph import Layout, read_layout, with_widths
from compress.pruning.dependency_graph import remove_channels
from compress.pruning.importance import Batch, gauss_newton, magnitude, product, random, taylor
from eval.size import count_macs
from teachers.checkpoint import load_model, save_model
from teachers.openpose_vgg import spec as vgg_spec
from teachers.posenet import PoseNet
from teachers.skeleton import MPI_15
from teachers.spec import (
    BackboneSpec,
    Concat,
    Conv,
    DepthwiseConv,
    InputSpec,
    Layer,
    MaxPool,
    PoseNetSpec,
    Residual,
    SeparableConv,
    StageSpec,
    Tap,
)

HW = (32, 40)
POINT = {"kernel": 1, "pad": (0, 0)}


def rich_spec() -> PoseNetSpec:
    """Whatever a spec can say: residuals around depthwise layers, a fire module, a trunk, two taps, 15 keypoints."""
    inverted = Residual(
        layers=(Conv(channels=12, **POINT), DepthwiseConv(relu_max=6.0), Conv(channels=8, relu=False, **POINT))
    )
    fire = Concat(branches=((Conv(channels=6, **POINT),), (Conv(channels=4, **POINT), DepthwiseConv())))
    layers: tuple[Layer, ...] = (
        Conv(channels=8, stride=2, pad=(0, 1)),
        inverted,
        inverted,
        MaxPool(),
        fire,
        SeparableConv(channels=10, stride=2, pad=(0, 1)),
        Residual(layers=(DepthwiseConv(),)),
    )

    def stage() -> StageSpec:
        def branch(head: int) -> tuple[Layer, ...]:
            return (SeparableConv(channels=6), Conv(channels=head, relu=False, **POINT))

        trunk = (Conv(channels=8, **POINT), Residual(layers=(Conv(channels=8), Conv(channels=8))))
        return StageSpec(trunk=trunk, paf=branch(MPI_15.paf_channels), heatmap=branch(MPI_15.heatmap_channels))

    return PoseNetSpec(
        skeleton=MPI_15,
        stride=8,
        input=InputSpec(scale=1 / 256, offset=-0.5),
        backbone=BackboneSpec(name="rich", layers=layers, taps=(Tap(layer=4, pool=2), Tap(layer=6))),
        stages=(stage(), stage(), stage()),
    )


SPECS = {"tiny": tiny_spec, "rich": rich_spec}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks are slower with more, and far slower on a machine that does something else."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=SPECS.values(), ids=SPECS.keys())
def network(request: pytest.FixtureRequest) -> PoseNet:
    torch.manual_seed(0)
    spec: PoseNetSpec = request.param()
    return PoseNet(spec).eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 3, *HW, generator=torch.Generator().manual_seed(1)) * 255


def layout_of(network: PoseNet) -> Layout:
    return read_layout(network.spec, HW)


def silenced(network: PoseNet, removed: dict[str, list[int]]) -> PoseNet:
    """A copy in which these channels are zero, made so by every layer that makes them.

    A depthwise layer's bias would make something of nothing, so there is none.
    """
    copied = copy.deepcopy(network)
    with torch.no_grad():
        for convolution in layout_of(network).convolutions:
            bias = copied.get_submodule(convolution.name).bias
            if convolution.makes is None and bias is not None:
                bias.zero_()  # type: ignore[operator]
        for group in layout_of(network).groups:
            for maker in group.makers:
                convolution = copied.get_submodule(f"{maker}.conv")
                for parameter in convolution.parameters():
                    parameter[removed[group.name]] = 0.0
    return copied


def some_of_each(layout: Layout, seed: int = 0) -> dict[str, list[int]]:
    """From every group at least one channel, and never all."""
    draw = np.random.default_rng(seed)
    return {
        group.name: draw.choice(group.width, size=draw.integers(1, group.width), replace=False).tolist()
        for group in layout.groups
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_channels_that_are_zero_go_without_a_trace(network: PoseNet, image: torch.Tensor, seed: int) -> None:
    removed = some_of_each(layout_of(network), seed)
    parent = silenced(network, removed)
    pruned = remove_channels(parent, removed)
    compared = 0
    with torch.no_grad():
        for ours, theirs in zip(pruned.all_stages(image), parent.all_stages(image), strict=True):
            for mine, yours in zip(ours, theirs, strict=True):
                assert mine.shape == yours.shape  # heads are whole
                assert yours.std() > 1e-3  # maps that say something
                torch.testing.assert_close(mine, yours, rtol=1e-5, atol=1e-5)
                compared += 1
    assert compared == 6


def test_other_channels_leave_a_trace(tiny: PoseNet, image: torch.Tensor) -> None:
    """The test above could not fail if nothing depended on these channels."""
    removed = some_of_each(layout_of(tiny))
    parent = silenced(tiny, removed)
    for group in layout_of(tiny).groups[::3]:
        others = {**removed, group.name: [i for i in range(group.width) if i not in removed[group.name]]}
        with torch.no_grad():
            pairs = list(zip(remove_channels(parent, others)(image), parent(image), strict=True))
        assert max(float((ours - theirs).abs().max()) for ours, theirs in pairs) > 1e-6, group.name


def test_the_parent_stays_as_it_was(network: PoseNet) -> None:
    before = copy.deepcopy(network.state_dict())
    remove_channels(network, some_of_each(layout_of(network)))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_pruned_network_reloads_bit_for_bit(network: PoseNet, image: torch.Tensor, tmp_path: Path) -> None:
    pruned = remove_channels(network, some_of_each(layout_of(network)))
    save_model(tmp_path / "model", pruned, LICENCE)
    again, _ = load_model(tmp_path / "model")
    assert again.spec == pruned.spec != network.spec
    with torch.no_grad():
        for ours, theirs in zip(again(image), pruned(image), strict=True):
            assert torch.equal(ours, theirs)


def test_pruning_works_where_gradients_are_off(tiny: PoseNet) -> None:
    with torch.no_grad():
        assert remove_channels(tiny, {"backbone.layers.0": [1]}).spec.backbone.layers[0].channels == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("removed", "says"),
    [
        ({"stages.0.paf.1": [0]}, "no group of channels that may be pruned"),
        ({"image": [0]}, "no group"),
        ({"backbone.layers.0": [4]}, "0 to 3"),
        ({"backbone.layers.0": [1, 1]}, "once"),
        ({"backbone.layers.0": [0, 1, 2, 3]}, "none of its 4 channels would stay"),
    ],
)
def test_what_cannot_go_is_refused(tiny: PoseNet, removed: dict[str, list[int]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        remove_channels(tiny, removed)


def test_residuals_tie_and_heads_are_left_out() -> None:
    groups = {group.name: group for group in read_layout(rich_spec(), HW).groups}
    # Two inverted residuals in a row, both added to what the first layer made.
    tied = ("backbone.layers.0", "backbone.layers.1.body.2", "backbone.layers.2.body.2")
    assert groups["backbone.layers.0"].makers == tied
    assert groups["stages.1.trunk.0"].makers == ("stages.1.trunk.0", "stages.1.trunk.1.body.1")
    makers = {maker for group in groups.values() for maker in group.makers}
    assert "stages.0.paf.0" in makers and not makers & {"image", "stages.0.paf.1", "stages.2.heatmap.1"}


def test_a_residual_whose_halves_do_not_match_is_left_alone() -> None:
    fire = Concat(branches=((Conv(channels=4, **POINT),), (Conv(channels=4, **POINT),)))
    layers = (Conv(channels=8, stride=8, kernel=9, pad=(4, 4)), Residual(layers=(fire,)), Conv(channels=8))
    backbone = BackboneSpec(name="odd", layers=layers, taps=(Tap(layer=2),))
    spec = PoseNetSpec.model_validate({**dict(tiny_spec()), "backbone": backbone})
    names = [group.name for group in read_layout(spec, HW).groups]
    assert [name for name in names if name.startswith("backbone")] == ["backbone.layers.2"]
    network = PoseNet(spec).eval()
    assert remove_channels(network, {"backbone.layers.2": [0, 5]}).spec.feature_channels == 6


@pytest.mark.parametrize("make", [tiny_spec, rich_spec, vgg_spec])
def test_costs_are_those_of_the_modules(make: type[PoseNetSpec]) -> None:
    spec: PoseNetSpec = make()
    layout = read_layout(spec, HW)
    assert layout.macs(layout.widths) == count_macs(spec, HW)
    narrow = layout.narrowed({group.name: max(1, group.width // 3) for group in layout.groups})
    narrower = with_widths(spec, narrow)
    assert read_layout(narrower, HW).widths == narrow
    assert layout.macs(narrow) == count_macs(narrower, HW) < layout.macs(layout.widths)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=3, deadline=None)
def test_any_choice_of_channels_fits_its_spec(seed: int) -> None:
    network = PoseNet(rich_spec())
    removed = some_of_each(layout_of(network), seed)
    made = remove_channels(network, removed)
    kept = {group.name: group.width - len(removed[group.name]) for group in layout_of(network).groups}
    assert made.spec == with_widths(network.spec, layout_of(network).narrowed(kept))


@pytest.mark.parametrize("score", [magnitude, product])
def test_silent_channels_matter_least(network: PoseNet, score: type[dict[str, torch.Tensor]]) -> None:
    removed = some_of_each(layout_of(network))
    scores = score(silenced(network, removed), layout_of(network))
    assert scores
    for name, values in scores.items():
        assert sorted(torch.nonzero(values == 0).flatten().tolist()) == sorted(removed[name])


def test_the_product_does_not_see_a_change_of_scale(network: PoseNet) -> None:
    """Doubling what makes a channel and halving what reads it, as far as ReLU alone lies between."""
    layout, scaled = layout_of(network), copy.deepcopy(network)
    with torch.no_grad():
        scaled.get_submodule("stages.0.paf.0.conv").weight.mul_(2)  # type: ignore[operator, union-attr]
        scaled.get_submodule("stages.0.paf.0.conv").bias.mul_(2)  # type: ignore[operator, union-attr]
        scaled.get_submodule("stages.0.paf.1.conv").weight.mul_(0.5)  # type: ignore[operator, union-attr]
    name = "stages.0.paf.0"
    torch.testing.assert_close(product(scaled, layout)[name], product(network, layout)[name])
    torch.testing.assert_close(magnitude(scaled, layout)[name], 2 * magnitude(network, layout)[name])


def test_random_scores_come_from_the_seed(tiny: PoseNet) -> None:
    layout = layout_of(tiny)
    assert torch.equal(random(layout, 3)["backbone.layers.0"], random(layout, 3)["backbone.layers.0"])
    assert not torch.equal(random(layout, 3)["backbone.layers.0"], random(layout, 4)["backbone.layers.0"])


def test_taylor_is_the_gradient_along_the_weights(network: PoseNet, image: torch.Tensor) -> None:
    """Molchanov's equation 8, against a finite difference: the loss when a channel's weights shrink a little."""
    layout = layout_of(network)
    with torch.no_grad():
        targets = network(image)
        targets = type(targets)(targets.heatmaps * 0.7 + 0.1, targets.pafs * 1.2 - 0.05)
    double = copy.deepcopy(network).double()
    batch = Batch(image.double(), type(targets)(*(values.double() for values in targets)))
    scores = taylor(double, layout, [batch])

    def loss(of: PoseNet) -> float:
        pairs = zip(of(batch.images), batch.targets, strict=True)
        return sum(float(((ours - theirs) ** 2).sum() / (theirs**2).sum()) for ours, theirs in pairs)

    step = 1e-5
    for group in layout.groups[::4]:
        shrunk = {}
        for sign in (1, -1):
            other = copy.deepcopy(double)
            with torch.no_grad():
                for maker in group.makers:
                    for parameter in other.get_submodule(f"{maker}.conv").parameters():
                        parameter[0] *= 1 + sign * step
                shrunk[sign] = loss(other)
        expected = ((shrunk[1] - shrunk[-1]) / (2 * step)) ** 2
        assert float(scores[group.name][0]) == pytest.approx(expected, rel=1e-2, abs=1e-9), group.name


def test_taylor_says_nothing_at_the_targets(tiny: PoseNet, image: torch.Tensor) -> None:
    with torch.no_grad():
        targets = tiny(image)
    with pytest.raises(ValueError, match="the network's maps are the targets"):
        taylor(tiny, layout_of(tiny), [Batch(image, targets)])
    with pytest.raises(ValueError, match="at least one batch"):
        taylor(tiny, layout_of(tiny), [])
    found = gauss_newton(tiny, layout_of(tiny), [image], seed=0)
    assert all(bool(values.any()) for values in found.values())
    assert all(parameter.grad is None for parameter in tiny.parameters())


def test_map_change_finds_what_the_maps_do_not_need(tiny: PoseNet, image: torch.Tensor) -> None:
    removed = some_of_each(layout_of(tiny))
    scores = gauss_newton(silenced(tiny, removed), layout_of(tiny), [image], seed=0)
    for name, indices in removed.items():
        assert not scores[name][indices].any()
    assert torch.equal(
        scores["backbone.layers.3"],
        gauss_newton(silenced(tiny, removed), layout_of(tiny), [image], 0)["backbone.layers.3"],
    )
