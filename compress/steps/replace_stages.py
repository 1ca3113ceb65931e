"""replace_stages: other stages on the same backbone, as one of the stage plans lays them out.

Layers whose path, kind and kernel are the parent's begin with its weights, the strongest channels where they are
narrower. The others are fresh, and until they are trained the maps mean nothing.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from compress.steps.base import SettingError, Step
from compress.steps.respec import changed
from students.inherit import inherit
from students.stages import MOST_STAGES, PLANS
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext

    PlanName = str
else:
    PlanName = Literal[tuple(PLANS)]


class ReplaceStages(Step):
    """Puts stages of `plan` in the stages' place."""

    step: Literal["replace_stages"] = "replace_stages"
    plan: Annotated[
        PlanName, Field(description="two_branch: the teacher's kind of stage; lightweight: one trunk of 3x3 blocks.")
    ]
    stages: Annotated[
        int | None,
        Field(ge=1, le=MOST_STAGES, description="How many; fewer is faster. null: as many as now."),
    ] = None
    width: Annotated[
        int | None,
        Field(ge=8, le=1024, description="Channels within a stage; fewer is faster. null: the teacher's, or 128."),
    ] = None

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec with its stages laid out anew."""
        count = len(spec.stages) if self.stages is None else self.stages
        if count > MOST_STAGES:
            raise SettingError("stages", f"must be given, in 1..{MOST_STAGES}: the network has {count}")
        try:
            stages = PLANS[self.plan](spec, count, self.width)
        except ValueError as error:
            raise SettingError("width", str(error)) from error
        return changed(spec, "width", stages=stages)

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """The backbone's weights are the parent's, the stages' where they fit."""
        network = inherit(candidate.network, self.check(candidate.spec), context.seed).network
        return candidate.followed_by(self.model_dump(mode="json"), network)
