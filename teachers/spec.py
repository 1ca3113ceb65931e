"""PoseNetSpec: everything needed to rebuild a pose network without its weights, pruned widths included."""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from teachers.layers import (
    Concat,
    Conv,
    DepthwiseConv,
    Frozen,
    Layer,
    MaxPool,
    Positive,
    Residual,
    SeparableConv,
    channels_after,
    rows_after,
)
from teachers.skeleton import Skeleton

__all__ = [
    "BackboneSpec",
    "Concat",
    "Conv",
    "DepthwiseConv",
    "Frozen",
    "InputSpec",
    "Layer",
    "MaxPool",
    "PoseNetSpec",
    "Residual",
    "SeparableConv",
    "StageSpec",
    "Tap",
]

IMAGE_CHANNELS = 3


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

    trunk: tuple[Layer, ...] = ()
    """What both branches share; empty in Cao et al.'s stages, most of the stage in Osokin's lightweight ones (2018)."""
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

    @property
    def feature_channels(self) -> int:
        """What the backbone hands to every stage."""
        given = channels_after(self.backbone.layers, IMAGE_CHANNELS)
        return sum(given[tap.layer] for tap in self.backbone.taps)

    def stage_channels(self, stage: int) -> int:
        """What the stage with this index, from 0, sees: the features, and from the second on the maps before them."""
        maps = self.skeleton.paf_channels + self.skeleton.heatmap_channels
        return self.feature_channels + (maps if stage else 0)

    @model_validator(mode="after")
    def _channels_fit(self) -> "PoseNetSpec":
        """Residuals keep their channels; found here, so that a spec that passes can be built."""
        for number, stage in enumerate(self.stages):
            seen = self.stage_channels(number)
            within = channels_after(stage.trunk, seen)[-1] if stage.trunk else seen
            for branch in (stage.paf, stage.heatmap):
                channels_after(branch, within)
        return self

    @model_validator(mode="after")
    def _maps_lie_at_the_stride(self) -> "PoseNetSpec":
        """Nothing would fail on a wrong stride or padding: the maps would be cropped in the wrong place."""
        for tap in self.backbone.taps:
            _require_cells(self.backbone.layers[: tap.layer + 1], tap.pool, self.stride, f"tap at layer {tap.layer}")
        for number, stage in enumerate(self.stages, start=1):
            for branch, layers in (("paf", stage.paf), ("heatmap", stage.heatmap)):
                _require_cells((*stage.trunk, *layers), 1, 1, f"stage {number}: the {branch} branch")
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
        cells = rows_after(layers, expected * stride)
        if cells // pool != expected:
            raise ValueError(f"{where}: of {expected * stride} rows it makes {cells // pool}, it must make {expected}")
