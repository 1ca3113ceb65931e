"""What a student is asked to make small. Each loss is a module of its own.

All are squared L2 distances between maps (equations (1) and (2) of Cao et al. 2016), summed over the stages as there.
A distance is divided by the mean energy of the targets, so a loss of 0.01 means a relative L2 of about 0.1 whatever
the number of channels, and the weights of joints and PAFs can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor, nn

from teachers.common.frozen import Frozen
from teachers.posenet import Maps

Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class LossSettings(Frozen):
    """How much each part of the maps counts; a higher weight pulls the student towards that part."""

    joints: Annotated[
        Weight, Field(description="Heatmaps without the background; higher favours where joints are.")
    ] = 1.0
    background: Annotated[Weight, Field(description="The background channel, which is almost the joints' sum.")] = 0.2
    pafs: Annotated[Weight, Field(description="Part affinity fields; higher favours grouping into people.")] = 1.0
    foreground: Annotated[
        Weight, Field(description="How much more a cell counts where the teacher sees something; 0 treats all alike.")
    ] = 1.0
    hints: Annotated[
        Weight, Field(description="The backbone's features against the teacher's (FitNets); 0 leaves them free.")
    ] = 0.0
    cwd: Annotated[
        Weight, Field(description="Where each channel of the features is active (CWD), not how much; 0 leaves it out.")
    ] = 0.0
    pkd: Annotated[
        Weight, Field(description="Correlation of the features with the teacher's (PKD); 0 leaves it out.")
    ] = 0.0

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Recipes without the newer losses keep their text and keys, so that unfinished trainings go on."""
        found: dict[str, Any] = dump(self)
        return {name: weight for name, weight in found.items() if weight or name not in ("cwd", "pkd")}

    @property
    def feature_weights(self) -> dict[str, float]:
        """The losses that need a teacher's features, by the name of their setting; those above 0."""
        weights = {"hints": self.hints, "cwd": self.cwd, "pkd": self.pkd}
        return {name: weight for name, weight in weights.items() if weight > 0}


@dataclass(frozen=True)
class Energies:
    """Mean squares of the training targets per image and cell, summed over the channels; the unit of each loss."""

    joints: float
    background: float
    pafs: float


@dataclass(frozen=True)
class Targets:
    """What a batch should give."""

    maps: Maps
    mask: Tensor
    """(N, h, w): 1 where the maps may be learnt from, 0 where they are unknown."""


class MapsLoss(nn.Module):
    """Masked, weighted squared L2 of one part of the maps, over the mean energy of that part."""

    def __init__(self, weight: float, energy: float) -> None:
        super().__init__()
        self.factor = weight / max(energy, 1e-12)

    def forward(self, found: Tensor, wanted: Tensor, cells: Tensor) -> Tensor:
        """found, wanted (N, C, h, w), cells (N, h, w): how much each cell counts -> a scalar."""
        apart = (found.float() - wanted).square().sum(dim=1)
        loss: Tensor = self.factor * (apart * cells).mean()
        return loss


class StagesLoss(nn.Module):
    """Every stage against the same targets, joints, background and PAFs apart, summed over the stages."""

    def __init__(self, settings: LossSettings, energies: Energies) -> None:
        super().__init__()
        self.joints = MapsLoss(settings.joints, energies.joints)
        self.background = MapsLoss(settings.background, energies.background)
        self.pafs = MapsLoss(settings.pafs, energies.pafs)
        self.foreground = settings.foreground

    def forward(self, stages: Sequence[Maps], targets: Targets) -> Tensor:
        """stages: Maps (N, K+1, h, w) and (N, 2L, h, w) of each -> the scalar to be made small."""
        wanted = targets.maps
        cells = targets.mask * (1.0 + self.foreground * presence(wanted))
        total = torch.zeros((), device=targets.mask.device)
        for maps in stages:
            total = total + self.joints(maps.heatmaps[:, :-1], wanted.heatmaps[:, :-1], cells)
            total = total + self.background(maps.heatmaps[:, -1:], wanted.heatmaps[:, -1:], cells)
            total = total + self.pafs(maps.pafs, wanted.pafs, cells)
        return total


def presence(maps: Maps) -> Tensor:
    """(N, h, w) in 0..1: how surely a keypoint or a limb lies in a cell."""
    joints = maps.heatmaps[:, :-1].amax(dim=1)
    x, y = maps.pafs[:, 0::2], maps.pafs[:, 1::2]
    limbs = (x.square() + y.square()).amax(dim=1).sqrt()
    return torch.maximum(joints, limbs).clamp(0.0, 1.0)
