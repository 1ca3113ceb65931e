"""PoseNetSpec: everything needed to rebuild a pose network without its weights, pruned widths included.

Layers are named by kind and carry their own numbers, so a pruned or swapped network is just another spec.
Padding is written out, never derived from the input: input heights and widths are multiples of the stride, hence
padding is constant, and exporters that fail on shape-dependent padding have nothing to fail on.
"""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from teachers.skeleton import Skeleton

Positive = Annotated[int, Field(ge=1)]
Padding = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
"""Rows above and below, and likewise columns left and right."""


class Frozen(BaseModel):
    """A record that checks itself when it is made, refuses unknown fields and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Conv(Frozen):
    """A convolution with bias, then ReLU unless it is a head."""

    kind: Literal["conv"] = "conv"
    channels: Positive
    kernel: Positive = 3
    stride: Positive = 1
    pad: Padding = (1, 1)
    relu: bool = True


class SeparableConv(Frozen):
    """Depthwise (no bias, no activation), then pointwise with bias, then ReLU unless it is a head."""

    kind: Literal["separable_conv"] = "separable_conv"
    channels: Positive
    kernel: Positive = 3
    stride: Positive = 1
    pad: Padding = (1, 1)
    relu: bool = True


class MaxPool(Frozen):
    kind: Literal["max_pool"] = "max_pool"
    kernel: Positive = 2
    stride: Positive = 2


Layer = Annotated[Conv | SeparableConv | MaxPool, Field(discriminator="kind")]


class Tap(Frozen):
    """Where the backbone's features are taken: after `layer`, max-pooled by `pool` to reach the common stride."""

    layer: Annotated[int, Field(ge=0)]
    pool: Positive = 1


class BackboneSpec(Frozen):
    """A chain of layers; its features are the concatenation of the taps, in order."""

    name: str
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]
    taps: Annotated[tuple[Tap, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _taps_exist(self) -> "BackboneSpec":
        for tap in self.taps:
            if tap.layer >= len(self.layers):
                raise ValueError(f"tap at layer {tap.layer}, but there are only {len(self.layers)} layers")
        return self


class StageSpec(Frozen):
    """The two branches of one stage (Cao et al. 2016, figure 3); the last layer of each is its head."""

    paf: Annotated[tuple[Layer, ...], Field(min_length=1)]
    heatmap: Annotated[tuple[Layer, ...], Field(min_length=1)]


class InputSpec(Frozen):
    """How raw pixels 0..255 become the network's input: `pixel * scale + offset`, done inside the network."""

    channels: Literal["bgr", "rgb"] = "bgr"
    """The order that the caller supplies. The network never reorders."""
    scale: float = 1.0
    offset: float = 0.0


class PoseNetSpec(Frozen):
    """A whole pose network: input convention, backbone, stages and what the maps' channels mean."""

    format: Literal[1] = 1
    skeleton: Skeleton
    stride: Positive
    input: InputSpec
    backbone: BackboneSpec
    stages: Annotated[tuple[StageSpec, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _heads_fit(self) -> "PoseNetSpec":
        for number, stage in enumerate(self.stages, start=1):
            for branch, layers, expected in (
                ("paf", stage.paf, self.skeleton.paf_channels),
                ("heatmap", stage.heatmap, self.skeleton.heatmap_channels),
            ):
                found = getattr(layers[-1], "channels", None)
                if found != expected:
                    raise ValueError(
                        f"stage {number}: the {branch} head gives {found} channels, "
                        f"{self.skeleton.name} needs {expected}"
                    )
        return self

    @model_validator(mode="after")
    def _maps_lie_at_the_stride(self) -> "PoseNetSpec":
        """Nothing would fail on a wrong stride or padding: the maps would be cropped in the wrong place."""
        for tap in self.backbone.taps:
            _require_cells(self.backbone.layers[: tap.layer + 1], tap.pool, self.stride, f"tap at layer {tap.layer}")
        for number, stage in enumerate(self.stages, start=1):
            for branch, layers in (("paf", stage.paf), ("heatmap", stage.heatmap)):
                _require_cells(layers, 1, 1, f"stage {number}: the {branch} branch")
        return self

    def to_json(self) -> str:
        """Canonical JSON: equal specs give equal text."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"

    def digest(self) -> str:
        """sha256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _require_cells(layers: tuple[Layer, ...], pool: int, stride: int, where: str) -> None:
    """ValueError unless these layers, then max pooling, turn n * stride rows into n."""
    for expected in (8, 9):
        cells = expected * stride
        for layer in layers:
            around = 0 if isinstance(layer, MaxPool) else sum(layer.pad)
            cells = max(0, (cells + around - layer.kernel) // layer.stride + 1)
        if cells // pool != expected:
            raise ValueError(f"{where}: of {expected * stride} rows it makes {cells // pool}, it must make {expected}")
