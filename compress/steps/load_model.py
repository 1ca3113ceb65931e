"""load_model: another finished network in the candidate's place, to be measured beside those that are made here.

A model that was trained or quantized elsewhere stands on the same front, run in the same ways. It must find the same
keypoints as the teacher, for its maps are compared with the teacher's.
"""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from compress.quantization.artefact_reader import artefact_facts, read_artefact
from compress.quantization.quantization_file import QUANTIZATION, load_quantization
from compress.steps.base import SettingError, Step
from teachers.checkpoint import SPEC, WEIGHTS, is_model, load_model, load_spec
from teachers.common.errors import UserError
from teachers.common.files import user_path
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext


class LoadModel(Step):
    """Takes `model` as the candidate's network."""

    step: Literal["load_model"] = "load_model"
    model: Annotated[
        str,
        Field(
            min_length=1,
            max_length=4096,
            description="A candidate's folder, or an int8 model.onnx of ours, for instance zoo/thin-3-int8/model.onnx.",
        ),
    ]

    @property
    def ends(self) -> bool:
        """Whether the model is quantised: no step knows its grids."""
        return not self._is_folder or (self._path / QUANTIZATION).is_file()

    @property
    def files(self) -> tuple[str, ...]:
        """Everything that the network is made of."""
        if not self._is_folder:
            return (self.model,)
        names = (SPEC, WEIGHTS, QUANTIZATION)
        return tuple(str(self._path / name) for name in names if (self._path / name).is_file())

    @property
    def _path(self) -> Path:
        return user_path(self.model)

    @property
    def _is_folder(self) -> bool:
        return is_model(self._path)

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec of the model, which has to find the same keypoints."""
        try:
            found = load_spec(self._path) if self._is_folder else _spec_of(self._path, _stamp(self._path))
        except UserError as error:
            raise SettingError("model", str(error)) from error
        if found.skeleton != spec.skeleton:
            raise SettingError(
                "model",
                f"{self.model} finds the keypoints of {found.skeleton.name}, the teacher's {spec.skeleton.name}",
            )
        if found.stride != spec.stride:
            raise SettingError(
                "model", f"{self.model} makes maps at stride {found.stride}, the teacher at {spec.stride}"
            )
        return found

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """The model, as a candidate after the given one; its licence is its own."""
        if self._is_folder:
            network, licence = load_model(self._path)
            quantization = load_quantization(self._path, network)
        else:
            network, licence, quantization = read_artefact(self._path)
        made = candidate.followed_by(self.model_dump(mode="json"), network, quantization=quantization)
        return replace(made, licence=licence)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        facts = path.stat()
    except OSError as error:
        raise UserError(f"there is no model {str(path)!r}") from error
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=8)
def _spec_of(path: Path, stamp: tuple[int, int]) -> PoseNetSpec:
    """Read once for each `stamp`: a search asks for each of its options."""
    return artefact_facts(path)[0]
