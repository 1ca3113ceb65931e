"""PoseNetSpec: everything needed to rebuild a pose network without its weights, pruned widths included."""

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from teachers.common.frozen import Frozen
from teachers.layers import (
    Concat,
    Conv,
    DepthwiseConv,
    InstanceNorm,
    Layer,
    MaxPool,
    Positive,
    Residual,
    SeparableConv,
    Upsample2x,
    channels_after,
    holds,
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
    "InstanceNorm",
    "Layer",
    "MaxPool",
    "PoseNetSpec",
    "Residual",
    "SeparableConv",
    "StageSpec",
    "Tap",
    "Upsample2x",
]

IMAGE_CHANNELS = 3
_TIMES = (1, 2, 4, 8)
"""By how much finer than the features' finest grid the maps may lie."""


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

    @property
    def normalises_images(self) -> bool:
        """Whether each cell depends on the whole image, through an `InstanceNorm`."""
        chains = [self.backbone.layers, *(part for one in self.stages for part in (one.trunk, one.paf, one.heatmap))]
        return any(holds(chain, InstanceNorm) for chain in chains)

    @property
    def multiple(self) -> int:
        """Heights and widths of inputs are multiples of this: the stride, or more where features are enlarged again."""
        for times in _TIMES:
            if all(_cells_fit(self, tap, times) for tap in self.backbone.taps):
                return times * self.stride
        return self.stride

    @model_validator(mode="after")
    def _maps_lie_at_the_stride(self) -> "PoseNetSpec":
        """Nothing would fail on a wrong stride or padding: the maps would be cropped in the wrong place."""
        times = self.multiple // self.stride
        for tap in self.backbone.taps:
            _require_cells(self, tap, times)
        for number, stage in enumerate(self.stages, start=1):
            for branch, layers in (("paf", stage.paf), ("heatmap", stage.heatmap)):
                _require_rows((*stage.trunk, *layers), f"stage {number}: the {branch} branch")
        return self

    def to_json(self) -> str:
        """Canonical JSON: equal specs give equal text."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"

    def digest(self) -> str:
        """sha256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _cells(spec: PoseNetSpec, tap: Tap, times: int) -> list[tuple[int, int, int]]:
    """Rows of an input, cells that this tap makes of them, cells that it must make."""
    layers = spec.backbone.layers[: tap.layer + 1]
    expected = [times * cells for cells in (8, 9)]
    return [(cells * spec.stride, rows_after(layers, cells * spec.stride) // tap.pool, cells) for cells in expected]


def _cells_fit(spec: PoseNetSpec, tap: Tap, times: int) -> bool:
    return all(found == expected for _, found, expected in _cells(spec, tap, times))


def _require_cells(spec: PoseNetSpec, tap: Tap, times: int) -> None:
    """ValueError unless this tap turns n * stride rows into n, n a multiple of `times`."""
    for rows, found, expected in _cells(spec, tap, times):
        if found != expected:
            raise ValueError(f"tap at layer {tap.layer}: of {rows} rows it makes {found}, it must make {expected}")


def _require_rows(layers: tuple[Layer, ...], where: str) -> None:
    """ValueError unless these layers keep the rows."""
    for expected in (8, 9):
        found = rows_after(layers, expected)
        if found != expected:
            raise ValueError(f"{where}: of {expected} rows it makes {found}, it must make {expected}")
