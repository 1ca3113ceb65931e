"""Layers of a spec: what each does to rows and channels is what its module does."""

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from teachers.layers import (
    Concat,
    Conv,
    DepthwiseConv,
    InstanceNorm,
    Layer,
    MaxPool,
    Residual,
    SeparableConv,
    Upsample2x,
    channels_after,
    holds,
    rows_after,
)
from teachers.posenet import Chain

CHAINS: dict[str, tuple[Layer, ...]] = {
    "conv": (Conv(channels=5), Conv(channels=4, stride=2, pad=(0, 1)), Conv(channels=3, kernel=1, pad=(0, 0))),
    "dilated": (Conv(channels=4, pad=(2, 2), dilation=2), DepthwiseConv(pad=(3, 3), dilation=3)),
    "depthwise": (DepthwiseConv(stride=2, relu_max=6.0), DepthwiseConv(kernel=5, pad=(2, 2), relu=False)),
    "separable": (SeparableConv(channels=7), SeparableConv(channels=2, stride=2)),
    "pools": (MaxPool(), MaxPool(kernel=3, stride=2, pad=1)),
    "inverted residual": (
        Residual(
            layers=(
                Conv(channels=18, kernel=1, pad=(0, 0), relu_max=6.0),
                DepthwiseConv(relu_max=6.0),
                Conv(channels=3, kernel=1, pad=(0, 0), relu=False),
            )
        ),
    ),
    "fire": (
        Conv(channels=2, kernel=1, pad=(0, 0)),
        Concat(branches=((Conv(channels=4, kernel=1, pad=(0, 0)),), (Conv(channels=5),))),
    ),
    "normed by image": (Conv(channels=4, relu=False), InstanceNorm(epsilon=0.001, relu_max=6.0), Upsample2x()),
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


def test_relu_max_cuts_off() -> None:
    layer = Conv(channels=1, kernel=1, pad=(0, 0), relu_max=6.0)
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


def test_a_norm_by_image_is_a_batch_norm_in_training_mode_that_is_shown_one_image() -> None:
    """TensorFlow's fused batch norm: population variance, epsilon inside the root; one channel hardly varies."""
    norm = Chain((InstanceNorm(epsilon=0.001, relu=False),), 3)
    images = torch.randn(2, 3, 6, 8) * torch.tensor([0.01, 1.0, 50.0])[:, None, None] + 7.0
    torch.nn.init.normal_(norm[0].norm.weight)
    torch.nn.init.normal_(norm[0].norm.bias)
    found = norm(images).detach().numpy()
    for image, ours in zip(images.numpy().astype(np.float64), found, strict=True):
        mean, variance = (part(axis=(1, 2), keepdims=True) for part in (image.mean, image.var))
        scale, shift = (part.detach().numpy()[:, None, None] for part in (norm[0].norm.weight, norm[0].norm.bias))
        np.testing.assert_allclose(ours, scale * (image - mean) / np.sqrt(variance + 0.001) + shift, atol=1e-4)


def test_enlarging_is_tensorflows_old_rule() -> None:
    """resize_bilinear with align_corners=False: result row i lies at row i / 2, beyond the last row is the last row."""
    values = np.random.default_rng(0).random((5, 4)).astype(np.float32)
    found = Chain((Upsample2x(),), 1)(torch.from_numpy(values)[None, None])[0, 0].numpy()
    expected = np.zeros((10, 8))
    for row in range(10):
        for column in range(8):
            (y, dy), (x, dx) = divmod(row / 2, 1), divmod(column / 2, 1)
            below, right = min(int(y) + 1, 4), min(int(x) + 1, 3)
            upper = (1 - dx) * values[int(y), int(x)] + dx * values[int(y), right]
            lower = (1 - dx) * values[below, int(x)] + dx * values[below, right]
            expected[row, column] = (1 - dy) * upper + dy * lower
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_a_chain_holds_is_found_inside_residuals_and_branches() -> None:
    norm = InstanceNorm(epsilon=1e-5)
    assert holds((Residual(layers=(norm,)),), InstanceNorm)
    assert holds((Concat(branches=((Conv(channels=1),), (Residual(layers=(norm,)),))),), InstanceNorm)
    assert not holds(CHAINS["fire"], InstanceNorm) and holds(CHAINS["fire"], Conv)


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
