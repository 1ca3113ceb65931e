"""round_weights: fewer bits in the mantissa of every weight, as bfloat16 has them; the network stays float32.

It makes weights that a compressor of files finds more alike. Time and memory stay as they are.
"""

import copy
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from compress.steps.base import Step
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext


class RoundWeights(Step):
    """Rounds every weight and bias."""

    step: Literal["round_weights"] = "round_weights"
    mantissa_bits: Annotated[
        int, Field(ge=1, le=23, description="Of 23; fewer pack better and are further from the teacher.")
    ] = 7

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """Any network; its spec stays."""
        return spec

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """A new network; the given one keeps its weights."""
        network = copy.deepcopy(candidate.network)
        with torch.no_grad():
            for tensor in network.parameters():
                mantissa, exponent = torch.frexp(tensor)
                steps = 2.0 ** (self.mantissa_bits + 1)
                tensor.copy_(torch.ldexp((mantissa * steps).round() / steps, exponent))
        return candidate.followed_by(self.model_dump(mode="json"), network)
