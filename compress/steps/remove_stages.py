"""remove_stages: keep the first stages with their trained weights, drop the rest (Jones; Cao et al. section 2.1).

Every stage is trained against the same targets, so the output of stage t is already a usable answer.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from compress.steps.base import SettingError, Step
from teachers.posenet import first_stages
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext


class RemoveStages(Step):
    """Keeps stages 1 to `stages`."""

    step: Literal["remove_stages"] = "remove_stages"
    stages: Annotated[int, Field(ge=1, description="How many stay; fewer is faster and further from the teacher.")]

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The spec with its first `stages` stages."""
        if self.stages > len(spec.stages):
            raise SettingError("stages", f"must lie in 1..{len(spec.stages)}, the stages there are, got {self.stages}")
        return spec.model_copy(update={"stages": spec.stages[: self.stages]})

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """A new network whose kept layers have equal weights and share none of the given one's memory."""
        self.check(candidate.spec)
        return candidate.followed_by(self.model_dump(mode="json"), first_stages(candidate.network, self.stages))
