"""swap_backbone: another backbone under the same stages, its features adapted to them by a 1x1 convolution.

The stages keep their trained weights, so what has to be learned is the features that they know. Until that is done the
maps mean nothing.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from compress.steps.base import SettingError, Step
from compress.steps.respec import changed
from students.backbones import BACKBONES, STRIDE, adapted
from students.inherit import inherit
from students.pretrained import read_pretrained
from teachers.licence import Licence
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import Workshop

    BackboneName = str
else:
    BackboneName = Literal[tuple(BACKBONES)]

FileName = Annotated[str, Field(min_length=1, max_length=4096)]


class SwapBackbone(Step):
    """Puts `to` in the backbone's place."""

    step: Literal["swap_backbone"] = "swap_backbone"
    to: Annotated[BackboneName, Field(description="The new backbone; docs/recipes.md says what each costs.")]
    width: Annotated[
        float,
        Field(ge=0.05, le=4, allow_inf_nan=False, description="Times its channels; time falls with about the square."),
    ] = 1.0
    features: Annotated[
        int | None,
        Field(ge=8, le=4096, description="Channels that the stages see; fewer is faster. null: as many as now."),
    ] = None
    weights: Annotated[
        FileName | None,
        Field(description="A .pth or .safetensors of ImageNet weights of `to`. null: the parent's where they fit."),
    ] = None

    @property
    def files(self) -> tuple[str, ...]:
        """The weights, if a file is given."""
        return () if self.weights is None else (self.weights,)

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec with the new backbone, an adapter as its last layer and only tap."""
        if spec.stride != STRIDE:
            raise SettingError(
                "to", f"every backbone here makes maps at stride {STRIDE}, the network's is {spec.stride}"
            )
        backbone = BACKBONES[self.to]
        if not backbone.widths and self.width != 1:
            raise SettingError("width", f"{self.to} has one width only, 1, got {self.width:g}")
        if self.weights is not None and not Path(self.weights).expanduser().is_file():
            raise SettingError("weights", f"no file is called {self.weights!r}")
        features = spec.feature_channels if self.features is None else self.features
        return changed(spec, "features", backbone=adapted(backbone, self.width, features))

    def apply(self, candidate: "Candidate", workshop: "Workshop") -> "Candidate":
        """The stages' weights are the parent's; the backbone's those of the file, else the parent's where they fit."""
        spec = self.check(candidate.spec)
        network = inherit(candidate.network, spec, workshop.seed).network
        if self.weights is None:
            return candidate.followed_by(self.model_dump(mode="json"), network)
        tensors = read_pretrained(spec.backbone.layers[:-1], spec.input, Path(self.weights).expanduser())
        network.backbone.layers.load_state_dict(
            tensors, strict=False
        )  # the adapter, the last layer, is not in the file
        made = candidate.followed_by(self.model_dump(mode="json"), network)
        return replace(made, licence=_with_file(made.licence, self.weights))


def _with_file(licence: Licence, weights: str) -> Licence:
    note = f"The backbone's weights come from {Path(weights).name}, under terms of their own."
    return licence.model_copy(update={"note": f"{licence.note} {note}".strip()})
