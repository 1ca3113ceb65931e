"""swap_backbone: another backbone under the same stages, its features adapted to them by a 1x1 convolution.

The stages keep their trained weights, so what has to be learned is the features that they know. Until that is done the
maps mean nothing.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from compress.steps.base import SettingError, Step
from compress.steps.respec import changed
from students.backbones import BACKBONES, STRIDE, adapted
from students.inherit import inherit
from students.pretrained import read_pretrained
from teachers.common.errors import UserError
from teachers.common.files import user_path
from teachers.layers import Layer
from teachers.licence import Licence
from teachers.spec import InputSpec, PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext

    BackboneName = str
else:
    BackboneName = Literal[tuple(BACKBONES)]

FileName = Annotated[str, Field(min_length=1, max_length=4096)]


class SwapBackbone(Step):
    """Puts `backbone` in the backbone's place."""

    step: Literal["swap_backbone"] = "swap_backbone"
    backbone: Annotated[BackboneName, Field(description="The new backbone; docs/recipes.md lists what each costs.")]
    width: Annotated[
        float,
        Field(ge=0.05, le=4, allow_inf_nan=False, description="Times its channels; time falls with about the square."),
    ] = 1.0
    feature_channels: Annotated[
        int | None,
        Field(ge=8, le=4096, description="Channels that the stages see; fewer is faster. null: as many as now."),
    ] = None
    pretrained: Annotated[
        FileName | None,
        Field(
            description="A .pth or .safetensors of ImageNet weights of `backbone`. null: the parent's where they fit."
        ),
    ] = None

    @property
    def files(self) -> tuple[str, ...]:
        """The weights, if a file is given."""
        return () if self.pretrained is None else (self.pretrained,)

    @property
    def _pretrained_path(self) -> Path | None:
        try:
            return None if self.pretrained is None else user_path(self.pretrained)
        except UserError as error:
            raise SettingError("pretrained", str(error)) from error

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec with the new backbone, an adapter as its last layer and only tap."""
        if spec.stride != STRIDE:
            raise SettingError(
                "backbone", f"every backbone here makes maps at stride {STRIDE}, the network's is {spec.stride}"
            )
        backbone = BACKBONES[self.backbone]
        if not backbone.widths and self.width != 1:
            raise SettingError("width", f"{self.backbone} has one width only, 1, got {self.width:g}")
        path = self._pretrained_path
        if path is not None and not path.is_file():
            raise SettingError("pretrained", f"no file is called {self.pretrained!r}")
        features = spec.feature_channels if self.feature_channels is None else self.feature_channels
        made = changed(spec, "feature_channels", backbone=adapted(backbone, self.width, features))
        if path is not None:
            facts = path.stat()
            # All but the adapter, which is not in the file.
            wrong = _misfit(path, (facts.st_mtime_ns, facts.st_size), made.backbone.layers[:-1], spec.input)
            if wrong is not None:
                raise SettingError("pretrained", wrong)
        return made

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """The stages' weights are the parent's; the backbone's those of the file, else the parent's where they fit."""
        spec = self.check(candidate.spec)
        network = inherit(candidate.network, spec, context.seed).network
        if self.pretrained is None:
            return candidate.followed_by(self.model_dump(mode="json"), network)
        tensors = read_pretrained(spec.backbone.layers[:-1], spec.input, user_path(self.pretrained))
        network.backbone.layers.load_state_dict(
            tensors, strict=False
        )  # the adapter, the last layer, is not in the file
        made = candidate.followed_by(self.model_dump(mode="json"), network)
        return replace(made, licence=_with_file(made.licence, self.pretrained))


@lru_cache(maxsize=32)
def _misfit(path: Path, stamp: tuple[int, int], layers: tuple[Layer, ...], convention: InputSpec) -> str | None:
    """Why a file's weights are not those of a backbone; asked for every candidate, read once for each `stamp`."""
    try:
        read_pretrained(layers, convention, path)
    except UserError as error:
        return " ".join(str(error).split())
    return None


def _with_file(licence: Licence, path: str) -> Licence:
    note = f"The backbone's weights come from {Path(path).name}, under terms of their own."
    return licence.model_copy(update={"note": f"{licence.note} {note}".strip()})
