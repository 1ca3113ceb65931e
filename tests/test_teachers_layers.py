"""Layers of a spec: what each does to rows and channels is what its module does."""

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from teachers.layers import (
    Concat,
    Conv,
    DepthwiseConv,
    Layer,
    MaxPool,
    Residual,
    SeparableConv,
    channels_after,
    rows_after,
)
from teachers.posenet import Chain

CHAINS: dict[str, tuple[Layer, ...]] = {
    "conv": (Conv(channels=5), Conv(channels=4, stride=2, pad=(0, 1)), Conv(channels=3, kernel=1, pad=(0, 0))),
    "dilated": (Conv(channels=4, pad=(2, 2), dilation=2), DepthwiseConv(pad=(3, 3), dilation=3)),
    "depthwise": (DepthwiseConv(stride=2, ceiling=6.0), DepthwiseConv(kernel=5, pad=(2, 2), relu=False)),
    "separable": (SeparableConv(channels=7), SeparableConv(channels=2, stride=2)),
    "pools": (MaxPool(), MaxPool(kernel=3, stride=2, pad=1)),
    "inverted residual": (
        Residual(
            layers=(
                Conv(channels=18, kernel=1, pad=(0, 0), ceiling=6.0),
                DepthwiseConv(ceiling=6.0),
                Conv(channels=3, kernel=1, pad=(0, 0), relu=False),
            )
        ),
    ),
    "fire": (
        Conv(channels=2, kernel=1, pad=(0, 0)),
        Concat(branches=((Conv(channels=4, kernel=1, pad=(0, 0)),), (Conv(channels=5),))),
    ),
}


@pytest.mark.parametrize("layers", CHAINS.values(), ids=CHAINS.keys())
@pytest.mark.parametrize("rows", [16, 19, 24])
def test_the_arithmetic_is_what_the_modules_do(layers: tuple[Layer, ...], rows: int) -> None:
    made = Chain(layers, 3)(torch.rand(1, 3, rows, 32))
    assert made.shape[1] == channels_after(layers, 3)[-1]
    assert (made.shape[2], made.shape[3]) == (rows_after(layers, rows), rows_after(layers, 32))


def test_a_residual_is_the_input_and_what_its_layers_make() -> None:
    chain = Chain(CHAINS["inverted residual"], 3)
    image = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(chain(image), image + chain[0].body(image))


def test_a_ceiling_cuts_off() -> None:
    layer = Conv(channels=1, kernel=1, pad=(0, 0), ceiling=6.0)
    chain = Chain((layer,), 1)
    with torch.no_grad():
        chain[0].conv.weight.fill_(1.0)
        chain[0].conv.bias.zero_()
    found = chain(torch.tensor([-1.0, 3.0, 100.0]).reshape(1, 1, 1, 3)).flatten().tolist()
    assert found == [0.0, 3.0, 6.0]


@pytest.mark.parametrize("body", [Conv(channels=4), Conv(channels=3, stride=2)])
def test_a_residual_that_changes_its_input_is_refused(body: Conv) -> None:
    layers = (Residual(layers=(body,)),)
    with pytest.raises(ValueError, match="they must keep them"):
        rows_after(layers, 16), channels_after(layers, 3)


def test_branches_of_different_rows_are_refused() -> None:
    layers = (Concat(branches=((Conv(channels=4),), (Conv(channels=4, stride=2),))),)
    with pytest.raises(ValueError, match="whose branches make 16 and 8 of 16 rows"):
        rows_after(layers, 16)


def test_layers_survive_json() -> None:
    adapter: TypeAdapter[Layer] = TypeAdapter(Layer)
    compared = 0
    for layers in CHAINS.values():
        for layer in layers:
            assert adapter.validate_json(adapter.dump_json(layer)) == layer
            compared += 1
    assert compared > 10


def test_an_empty_branch_is_refused() -> None:
    with pytest.raises(ValidationError):
        Concat(branches=((Conv(channels=4),), ()))
