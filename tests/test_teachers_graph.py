"""The graph of a network is its forward pass: checked against what torch runs."""

import pytest
import torch
from conftest import tiny_spec
from teachers_normed import normed_spec
from torch import Tensor, nn

from compress.quantization.fake_quant import FakeQuant
from compress.reconstruction.layer_ops import seen
from compress.reconstruction.visitor import walk
from students.backbones import BACKBONES, adapted
from students.stages import lightweight
from teachers.graph import FEATURES, IMAGE, Add, Join, read_graph, stage_input
from teachers.layers import Concat, Conv, InstanceNorm, MaxPool, Residual
from teachers.openpose_thin import spec as thin_spec
from teachers.posenet import PoseNet
from teachers.spec import BackboneSpec, PoseNetSpec, Tap

SPECS = {
    "tiny": tiny_spec(2),
    "normed": normed_spec(),
    "thin": thin_spec(),
    "lightweight stages": PoseNetSpec(**{**dict(tiny_spec(2)), "stages": lightweight(tiny_spec(2), 2, 16)}),
    **{
        name: PoseNetSpec(**{**dict(tiny_spec(2)), "backbone": adapted(backbone, 0.25, 16)})
        for name, backbone in BACKBONES.items()
    },
}


@pytest.fixture(params=SPECS.values(), ids=SPECS.keys())
def network(request: pytest.FixtureRequest) -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(request.param).eval()


def image_for(network: PoseNet) -> Tensor:
    rows = 4 * network.spec.multiple
    return 255 * torch.rand(1, 3, rows, rows, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_convolutions_stand_in_the_order_in_which_torch_runs_them(network: PoseNet) -> None:
    ran: list[tuple[str, int]] = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _m, _x, y, name=name: ran.append((name, y.shape[1])))
    network(image_for(network))
    found = [(node.name, node.channels) for node in read_graph(network.spec).convolutions]
    # Of two branches that do not read each other either may come first.
    assert ran and sorted(found) == sorted(ran)
    for branch in ("heatmap", "paf", "trunk", "backbone"):
        assert [one for one in found if branch in one[0]] == [one for one in ran if branch in one[0]]


@torch.no_grad()
def test_computing_the_nodes_gives_the_maps_of_every_stage(network: PoseNet) -> None:
    image = image_for(network)
    expected = network.all_stages(image)
    found = walk(network, FakeQuant({}), seen(network, image))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours[0], theirs.heatmaps) and torch.equal(ours[1], theirs.pafs)


def test_every_node_stands_after_what_it_reads_and_is_known_to_it(network: PoseNet) -> None:
    graph = read_graph(network.spec)
    before = {IMAGE}
    for node in graph.nodes:
        assert before.issuperset(node.inputs) and node.name not in before
        assert all(node in graph.consumers[name] for name in node.inputs)
        before.add(node.name)
    unread = {name for name, readers in graph.consumers.items() if not readers}
    assert unread >= {graph.stages[-1].heatmaps, graph.stages[-1].pafs}
    assert graph.features in before and len(graph.maps) == 2 * len(network.spec.stages)


def test_taps_stages_residuals_and_concatenations_are_laid_out() -> None:
    bodies = (
        Residual(layers=(Conv(channels=4),)),
        Concat(branches=((Conv(channels=2),), (MaxPool(stride=1, kernel=1),))),
    )
    layers = (Conv(channels=4, stride=4, pad=(0, 1)), *bodies, Conv(channels=6, stride=2, pad=(0, 1)))
    backbone = BackboneSpec(name="made up", layers=layers, taps=(Tap(layer=1, pool=2), Tap(layer=3)))
    graph = read_graph(PoseNetSpec(**{**dict(tiny_spec(2)), "backbone": backbone}))
    read = {node.name: node.inputs for node in graph.nodes}
    at = "backbone.layers"
    assert read[f"{at}.1"] == (f"{at}.0.conv", f"{at}.1.body.0.conv")
    assert read[f"{at}.1.body.0.conv"] == (f"{at}.0.conv",)
    assert read[f"{at}.2"] == (f"{at}.2.branches.0.0.conv", f"{at}.2.branches.1.0")
    assert read[FEATURES] == (f"{FEATURES}.0", f"{at}.3.conv") and read[f"{FEATURES}.0"] == (f"{at}.1",)
    first = graph.stages[0]
    assert read[stage_input(1)] == (first.pafs, first.heatmaps, FEATURES)
    kinds = {name: type(graph.by_name[name].operation) for name in read}
    assert kinds[f"{at}.1"] is Add and kinds[f"{at}.2"] is kinds[FEATURES] is kinds[stage_input(1)] is Join
    assert graph.by_name[FEATURES].channels == 4 + 6 and graph.by_name[f"{at}.2"].channels == 2 + 4


def test_tensors_that_nobody_reads_any_more_are_let_go() -> None:
    """A pass with frames of a six-stage teacher would not fit into memory otherwise."""

    class Counting(FakeQuant):
        alive = most = 0

        def on_grid(self, name: str, x: Tensor) -> Tensor:
            import weakref

            made = x.clone()
            self.alive += 1
            self.most = max(self.most, self.alive)
            weakref.finalize(made, self.gone)
            return made

        def gone(self) -> None:
            self.alive -= 1

    network = PoseNet(SPECS["vgg19"]).eval()
    counting = Counting({})
    with torch.no_grad():
        walk(network, counting, seen(network, image_for(network)))
    nodes = len(read_graph(network.spec).nodes)
    assert counting.most < 10 < nodes


def test_norms_read_what_stands_before_them() -> None:
    graph = read_graph(normed_spec())
    norms = [node for node in graph.nodes if isinstance(node.operation, InstanceNorm)]
    assert norms and all(graph.by_name[node.inputs[0]].channels == node.channels for node in norms)
