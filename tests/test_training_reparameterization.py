"""The training form computes what the network did, learns, and folds back into a network that computes what it does."""

import pytest
import torch
from conftest import tiny_spec

from compress.reconstruction.cross_layer_equalization import scalable, scale_channels
from compress.training.reparameterization import NormedConv, Reparameterization, ReparameterizedNetwork
from compress.training.whitening import WhitenedConv, precondition
from teachers.posenet import Maps, PoseNet
from teachers.spec import BackboneSpec, Conv, Layer, Tap

FORMS = [
    Reparameterization(),
    Reparameterization(branches=True),
    Reparameterization(batch_norm=False),
    Reparameterization(batch_norm=False, whiten=False),
]


def _images(seed: int = 0) -> torch.Tensor:
    return torch.rand(4, 3, 64, 80, generator=torch.Generator().manual_seed(seed)) * 255


def _apart(ours: Maps, theirs: Maps) -> float:
    return max(float((one - other).abs().max()) for one, other in zip(ours, theirs, strict=True))


@pytest.fixture(params=FORMS, ids=["batch norm", "branches", "balanced", "plain"])
def form(request: pytest.FixtureRequest, tiny: PoseNet) -> ReparameterizedNetwork:
    form = ReparameterizedNetwork(tiny, request.param)
    form.calibrate(_images())
    return form.eval()


@torch.no_grad()
def test_it_computes_what_the_network_did(form: ReparameterizedNetwork, tiny: PoseNet) -> None:
    found, wanted = form(_images(1)).stages, tiny.all_stages(_images(1))
    assert len(found) == len(wanted) == 3
    for ours, theirs in zip(found, wanted, strict=True):
        assert _apart(ours, theirs) < 1e-4


@torch.no_grad()
def test_in_training_it_computes_the_same_of_what_it_was_calibrated_on(
    form: ReparameterizedNetwork, tiny: PoseNet
) -> None:
    found = form.train()(_images()).stages[-1]
    assert _apart(found, tiny(_images())) < 1e-3


def test_after_training_it_folds_into_what_it_computes(form: ReparameterizedNetwork, tiny: PoseNet) -> None:
    optimiser = torch.optim.Adam(form.train().parameters(), 0.01)
    before = form.folded()(_images(1))
    for seed in range(5):
        optimiser.zero_grad()
        last = form(_images(seed)).stages[-1]
        (last.heatmaps.square().mean() + (last.pafs - 1).square().mean()).backward()
        optimiser.step()
    form.eval()
    folded = form.folded()
    assert folded.state_dict().keys() == tiny.state_dict().keys()
    assert not folded.training
    with torch.no_grad():
        assert _apart(before, folded(_images(1))) > 0.01, "nothing was learnt"
        assert _apart(form(_images(1)).stages[-1], folded(_images(1))) < 1e-4


def test_branches_learn() -> None:
    form = ReparameterizedNetwork(PoseNet(tiny_spec()), Reparameterization(branches=True))
    form.calibrate(_images())
    form.train()
    optimiser = torch.optim.Adam(form.parameters(), 0.01)
    for _ in range(3):
        optimiser.zero_grad()
        sum(maps.square().mean() for maps in form(_images()).stages[-1]).backward()
        optimiser.step()
    sides = [module for module in form.modules() if isinstance(module, NormedConv) and module.small_norm is not None]
    moved = [float(side.small_norm.weight.detach().abs().max()) for side in sides if side.small_norm is not None]
    assert len(moved) > 3
    assert min(moved) > 0


def test_tiny_kernels_are_brought_to_size_and_back() -> None:
    """A first convolution on raw pixels has tiny weights; an optimiser must not see them so."""
    torch.manual_seed(0)
    network = PoseNet(tiny_spec()).eval()
    first = network.backbone.layers[0].conv
    with torch.no_grad():
        first.weight *= 1e-3
    form = ReparameterizedNetwork(network, Reparameterization())
    trained = form.network.backbone.layers[0].conv
    assert isinstance(trained, NormedConv)
    size = float(trained.conv.weight.detach().square().mean().sqrt())
    assert size == pytest.approx((2 / 27) ** 0.5, rel=1e-4)
    form.calibrate(_images())
    assert _apart(form.folded()(_images(1)), network(_images(1))) < 1e-4


def test_the_given_network_stays_as_it_was(tiny: PoseNet) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    form = ReparameterizedNetwork(tiny, Reparameterization(branches=True))
    form.calibrate(_images())
    with torch.no_grad():
        for parameter in form.parameters():
            parameter.add_(1)
    assert before.keys() == tiny.state_dict().keys()
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_branch_beside_a_strided_first_convolution_learns_in_channels_last_memory() -> None:
    """A strided 1x1 convolution there corrupts the heap in torch 2.13, so it must not be made as one."""
    torch.manual_seed(0)
    layers: tuple[Layer, ...] = (
        Conv(channels=4, stride=2, pad=(1, 1)),
        Conv(channels=4, stride=2),
        Conv(channels=8, stride=2),
    )
    spec = tiny_spec().model_copy(
        update={"backbone": BackboneSpec(name="strided", layers=layers, taps=(Tap(layer=2),))}
    )
    form = ReparameterizedNetwork(PoseNet(spec), Reparameterization(branches=True))
    form.calibrate(_images())
    before = form.folded()
    form.to(memory_format=torch.channels_last)
    images = _images().to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert _apart(form.eval()(images).stages[-1], before(_images())) < 1e-4
    form.train()(images).stages[-1].pafs.square().mean().backward()
    small = form.network.backbone.layers[0].conv
    assert isinstance(small, NormedConv)
    assert small.small is not None
    assert small.small.stride == (1, 1)


def test_balanced_weights_are_of_one_size_whatever_the_channels_were() -> None:
    torch.manual_seed(0)
    plain = PoseNet(tiny_spec())
    modules = dict(plain.named_modules())
    scales = {name: 10.0 ** (2 * torch.rand(modules[name].weight.shape[0]) - 1) for name in scalable(plain)}
    spreads = []
    for network in (plain, scale_channels(plain, scales)):
        form = ReparameterizedNetwork(network, Reparameterization(batch_norm=False))
        form.calibrate(_images())
        found = [module for module in form.modules() if isinstance(module, WhitenedConv)]
        assert len(found) > 6
        # Equalised channels are the same signals in other units, so the numbers that are learnt are the same ones.
        spreads.append(torch.cat([module.weight.detach().flatten() for module in found]))
    # All but what reads a channel that is silent in these images: how loud it counts depends on the others.
    same = torch.isclose(spreads[0], spreads[1], rtol=1e-2, atol=1e-3)
    assert float(same.float().mean()) > 0.95


def test_whitened_inputs_say_different_things() -> None:
    """What the weights are multiplied with has no correlations left, whatever the network was."""
    torch.manual_seed(0)
    form = ReparameterizedNetwork(PoseNet(tiny_spec()), Reparameterization(batch_norm=False))
    first = form.network.backbone.layers[2].conv
    assert isinstance(first, WhitenedConv)
    seen: list[torch.Tensor] = []
    first.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    form.calibrate(_images())
    form(_images())
    flat = seen[-1].transpose(0, 1).flatten(1)
    whitened = first.whitening * 4**0.5 @ (flat - first.mean[:, None])
    assert torch.allclose(whitened @ whitened.T / flat.shape[1], torch.eye(4), atol=0.02)


def test_tempered_weights_compute_the_same_and_are_equally_steep() -> None:
    torch.manual_seed(0)
    network = PoseNet(tiny_spec())
    form = ReparameterizedNetwork(network, Reparameterization(batch_norm=False))
    form.calibrate(_images())
    convolutions = form.preconditioned()
    assert len(convolutions) > 6
    steepness = [(torch.rand_like(one) + 0.5) * 3.0 ** (index % 3) for index, one in enumerate(form.parameters())]
    squares = dict(zip(form.parameters(), steepness, strict=True))
    before = {parameter: parameter.detach().clone() for parameter in squares}
    precondition(convolutions, squares)
    assert _apart(form.folded()(_images(1)), network.eval()(_images(1))) < 1e-4
    # A weight that became f times smaller is f times steeper.
    factors = {one: (before[one] / one.detach()).nan_to_num(1.0) for one in squares}
    lengths = [float((square * factors[parameter].square()).sum().sqrt()) for parameter, square in squares.items()]
    assert max(lengths) < 1.5 * min(lengths)
    weights = torch.cat([factor.flatten() for factor in factors.values()])
    assert float(weights.log().mean()) == pytest.approx(0, abs=0.2)


def test_where_the_loss_is_flat_nothing_is_tempered() -> None:
    form = ReparameterizedNetwork(PoseNet(tiny_spec()), Reparameterization(batch_norm=False))
    form.calibrate(_images())
    before = [parameter.detach().clone() for parameter in form.parameters()]
    precondition(form.preconditioned(), {parameter: torch.zeros_like(parameter) for parameter in form.parameters()})
    assert len(before) > 6
    assert all(torch.equal(one, other) for one, other in zip(before, form.parameters(), strict=True))
