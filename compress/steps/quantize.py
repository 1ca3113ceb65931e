"""quantize: the network computes in fp16, or in int8 with what int8 spoils left in float. The last step of a candidate.

int8 goes as far as it is asked to: kernels that only scale are folded away, channels are equalized (both exact in
float), weights are refitted and rounded layer by layer against what the layers before really give, what harms most may
stay float, and with `qat` the rounded network is trained on the teacher's maps.
"""

import copy
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from compress.common.formatting import counted
from compress.core.notes import CollapseFacts, Note, QuantizationNote
from compress.core.qparams import Half
from compress.quantization.collapse_check import collapse_facts, collapse_reasons
from compress.quantization.equalization import equalize, folded, without_pointless_layers
from compress.quantization.mixed_precision import PrecisionChoice, PrecisionSettings, choose_and_fit, named
from compress.steps.base import SettingError, Step
from compress.steps.qat import Qat, learn
from compress.training.engine import main_process_first
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec
from teachers.zoo import nearest

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext

COLLAPSE_CHECK = "int8 collapse check"
"""Begins the reason why a candidate is rejected."""
SENSITIVITY_FRAMES = 4
COLLAPSE_FRAMES = 16
FEW_FRAMES = 8
"""Below it the ranges of calibration are told to be doubtful."""
_LARGEST_HALF = 65504.0


class Quantize(Step):
    """Fewer bits for weights and for what is computed with them."""

    step: Literal["quantize"] = "quantize"
    precision: Annotated[
        Literal["fp16", "int8"],
        Field(description="fp16 halves the file and is near exact; int8 quarters it and is faster on most CPUs."),
    ]
    calibration_frames: Annotated[
        int,
        Field(
            ge=1,
            le=4096,
            description="int8: how many frames of `training` set ranges and weights, at most; more: slower, safer.",
        ),
    ] = 16
    keep_float: Annotated[
        tuple[str, ...],
        Field(
            max_length=64,
            description="int8: parts that stay float: backbone, stages, paf, heatmap, trunk, heads, stage_1, "
            "stage_1.paf, or a layer as the report's table names it. More: closer, slower.",
        ),
    ] = ()
    max_rel_l2: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            allow_inf_nan=False,
            description="int8: layers go back to float, those that harm most first, until the mean relative L2 to the "
            "float network on held-out frames is at most this. Lower: closer, slower.",
        ),
    ] = None
    gptq: Annotated[
        bool,
        Field(
            description="int8: weights are fitted to what the layers before give. False: each goes to its nearest "
            "multiple, the baseline."
        ),
    ] = True
    cross_layer_equalization: Annotated[
        bool,
        Field(
            description="int8: scales channels alike across layers first. False is for comparison; the maps collapse."
        ),
    ] = True
    qat: Annotated[
        Qat | None, Field(description="int8: trains the rounded network on the teacher's maps; left out, it is not.")
    ] = None

    @model_validator(mode="after")
    def _fits_the_precision(self) -> "Quantize":
        if self.precision == "fp16":
            given = self.model_fields_set - {"step", "precision"}
            changed = [name for name in sorted(given) if getattr(self, name) != type(self).model_fields[name].default]
            if changed:
                raise ValueError(
                    f"{', '.join(changed)}: is for int8; fp16 needs no calibration and keeps no part float"
                )
        return self

    @property
    def learns(self) -> bool:
        """int8 needs frames: to find ranges on, or to train on."""
        return self.precision == "int8"

    @property
    def ends(self) -> bool:
        """A step after it would take the weights off their grids."""
        return True

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec without kernels that only scale, for int8; the same for fp16."""
        if self.precision == "fp16":
            return spec
        plain = without_pointless_layers(spec)
        with torch.device("meta"):
            network = PoseNet(plain)
        known = named(network)
        for name in self.keep_float:
            if name not in known:
                message = f"no part is called {name!r}{nearest(name, sorted(known))}"
                raise SettingError("keep_float", message)
        if self.qat is not None:
            try:
                self.qat.as_distill().check(spec)
            except SettingError as error:
                raise SettingError(f"qat.{error.field}", error.message) from error
        return plain

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """A candidate whose artefact computes in the precision; the result of the collapse check is among its notes."""
        self.check(candidate.spec)
        settings = self.model_dump(mode="json")
        if self.precision == "fp16":
            return candidate.followed_by(settings, halved(candidate.network), quantization=Half())
        return self._int8(candidate, context, settings)

    def _int8(self, candidate: "Candidate", context: "StepContext", settings: dict[str, Any]) -> "Candidate":
        targets = context.targets
        targets.require_fit(candidate.spec)
        stride = candidate.spec.stride
        if self.qat is not None:
            with main_process_first():
                targets.prepare()
        seen = targets.calibration(self.calibration_frames, stride)
        held_out = targets.held_out_images(COLLAPSE_FRAMES, stride)
        if len(targets.frames.train) < FEW_FRAMES:
            few = counted(len(targets.frames.train), "frame")
            context.reporter.warn(
                f"int8: ranges are found on {few} of training.data; what other frames show beyond "
                f"them is cut off. Give {FEW_FRAMES} or more"
            )
        network = folded(candidate.network)
        if self.cross_layer_equalization:
            network = equalize(network, seen)
        asked = PrecisionSettings(self.keep_float, self.max_rel_l2, self.gptq)
        choice, made = choose_and_fit(network, asked, seen, _few(held_out, SENSITIVITY_FRAMES), context.reporter)
        notes: list[Note] = []
        if self.qat is not None:
            made, note = learn(made, self.qat, candidate, context)
            notes.append(note)
        facts = collapse_facts(candidate.network, made, held_out, stride)
        collapsed = collapse_reasons(facts)
        for reason in collapsed:
            context.reporter.warn(f"{COLLAPSE_CHECK}: {reason}")
        notes.append(_note(choice, facts, collapsed))
        return candidate.followed_by(
            settings,
            made.network,
            *notes,
            quantization=made.quantization,
            rejected_reason=f"{COLLAPSE_CHECK}: {'; '.join(collapsed)}" if collapsed else None,
        )


def _note(choice: PrecisionChoice, facts: CollapseFacts, collapsed: tuple[str, ...]) -> QuantizationNote:
    return QuantizationNote(
        floats=choice.floats,
        int8=len(choice.int8),
        sensitivity=choice.table,
        limit_kept=choice.limit_kept,
        collapse=facts,
        collapsed=collapsed,
    )


def halved(network: PoseNet) -> PoseNet:
    """A copy whose weights are those that half precision has; ValueError for one that it cannot hold."""
    made: PoseNet = copy.deepcopy(network)
    with torch.no_grad():
        for name, tensor in made.state_dict().items():
            if float(tensor.abs().max()) > _LARGEST_HALF:
                raise ValueError(f"{name}: holds {float(tensor.abs().max()):.3g}, half precision ends at 65504")
            tensor.copy_(tensor.half().float())
    return made


def _few(found: tuple[Tensor, ...], most: int) -> tuple[Tensor, ...]:
    """At most so many frames of each size."""
    return tuple(one[:most] for one in found)
