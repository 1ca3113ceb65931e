"""The layers that a network's spec is written in, and what each does to rows and channels.

Layers are named by kind and carry their own numbers, so a pruned or swapped network is just another spec. Padding is
written out, never derived from the input: input heights and widths are multiples of `PoseNetSpec.multiple`, hence
padding is constant, and exporters that fail on shape-dependent padding have nothing to fail on.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from teachers.common.frozen import Frozen

Positive = Annotated[int, Field(ge=1)]
Padding = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
"""Rows above and below, and likewise columns left and right."""
ReluMax = Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
"""Upper limit of the ReLU: 6 in the MobileNets of the papers; None is no limit."""


class Conv(Frozen):
    """A convolution with bias, then ReLU unless it is a head."""

    kind: Literal["conv"] = "conv"
    channels: Positive
    kernel: Positive = 3
    stride: Positive = 1
    pad: Padding = (1, 1)
    dilation: Positive = 1
    relu: bool = True
    relu_max: ReluMax = None


class DepthwiseConv(Frozen):
    """A convolution of each channel by itself, with bias, then ReLU if asked for."""

    kind: Literal["depthwise_conv"] = "depthwise_conv"
    kernel: Positive = 3
    stride: Positive = 1
    pad: Padding = (1, 1)
    dilation: Positive = 1
    relu: bool = True
    relu_max: ReluMax = None


class SeparableConv(Frozen):
    """Depthwise (no bias, no activation), then pointwise with bias, then ReLU unless it is a head."""

    kind: Literal["separable_conv"] = "separable_conv"
    channels: Positive
    kernel: Positive = 3
    stride: Positive = 1
    pad: Padding = (1, 1)
    relu: bool = True


class MaxPool(Frozen):
    """The largest of each window; what is padded never wins."""

    kind: Literal["max_pool"] = "max_pool"
    kernel: Positive = 2
    stride: Positive = 2
    pad: Annotated[int, Field(ge=0)] = 0
    """Rows above and as many below, and likewise columns."""


class Residual(Frozen):
    """The input plus what these layers make of it; they keep its rows and channels (He et al. 2016)."""

    kind: Literal["residual"] = "residual"
    layers: Annotated[tuple["Layer", ...], Field(min_length=1)]


class Concat(Frozen):
    """Several chains that see the same input; their outputs one after the other (a Fire module's two expansions)."""

    kind: Literal["concat"] = "concat"
    branches: Annotated[tuple[Annotated[tuple["Layer", ...], Field(min_length=1)], ...], Field(min_length=2)]


class InstanceNorm(Frozen):
    """Each channel brought to mean 0 and deviation 1 over the image at hand, scaled and shifted; then ReLU if wanted.

    What a batch norm computes that was left in training mode and is shown one image (Ulyanov et al. 2016, "Instance
    Normalization"). It cannot be folded into a convolution, and each cell then depends on the whole image.
    """

    kind: Literal["instance_norm"] = "instance_norm"
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Added to the variance, which is the mean square (not over n - 1)."""
    relu: bool = True
    relu_max: ReluMax = None


class Upsample2x(Frozen):
    """Twice the rows and columns, as TensorFlow's `resize_bilinear` did it before half-pixel centres.

    Row 2i is row i, row 2i + 1 the mean of rows i and i + 1, the last row repeated; columns likewise.
    """

    kind: Literal["upsample2x"] = "upsample2x"


Layer = Annotated[
    Conv | DepthwiseConv | SeparableConv | MaxPool | Residual | Concat | InstanceNorm | Upsample2x,
    Field(discriminator="kind"),
]
Residual.model_rebuild()
Concat.model_rebuild()


def rows_after(layers: Sequence[Layer], rows: int) -> int:
    """Rows (or columns) after these layers; ValueError where a residual or a concatenation does not fit itself."""
    for layer in layers:
        rows = _rows_after(layer, rows)
    return rows


def _rows_after(layer: Layer, rows: int) -> int:
    if isinstance(layer, Residual):
        found = rows_after(layer.layers, rows)
        if found != rows:
            raise ValueError(f"a residual of {rows} rows whose layers make {found}; they must keep them")
        return rows
    if isinstance(layer, Concat):
        each = [rows_after(branch, rows) for branch in layer.branches]
        if len(set(each)) > 1:
            raise ValueError(f"a concatenation whose branches make {' and '.join(map(str, each))} of {rows} rows")
        return each[0]
    if isinstance(layer, InstanceNorm):
        return rows
    if isinstance(layer, Upsample2x):
        return 2 * rows
    if isinstance(layer, MaxPool):
        around, reach = 2 * layer.pad, layer.kernel
    else:
        dilation = 1 if isinstance(layer, SeparableConv) else layer.dilation
        around, reach = sum(layer.pad), dilation * (layer.kernel - 1) + 1
    return max(0, (rows + around - reach) // layer.stride + 1)


def holds(layers: Sequence[Layer], kind: type[Frozen]) -> bool:
    """Whether a layer of this kind is among them, or inside one of them."""
    for layer in layers:
        if isinstance(layer, kind):
            return True
        inside = (layer.layers,) if isinstance(layer, Residual) else getattr(layer, "branches", ())
        if any(holds(chain, kind) for chain in inside):
            return True
    return False


def channels_after(layers: Sequence[Layer], channels: int) -> list[int]:
    """The channels that each layer gives; ValueError where a residual's layers change them."""
    found: list[int] = []
    for layer in layers:
        channels = _channels_after(layer, channels)
        found.append(channels)
    return found


def _channels_after(layer: Layer, channels: int) -> int:
    if isinstance(layer, Conv | SeparableConv):
        return layer.channels
    if isinstance(layer, Residual):
        found = channels_after(layer.layers, channels)[-1]
        if found != channels:
            raise ValueError(f"a residual of {channels} channels whose layers make {found}; they must keep them")
    if isinstance(layer, Concat):
        return sum(channels_after(branch, channels)[-1] for branch in layer.branches)
    return channels
