"""fit_heads: the last stage's heads by least squares on the teacher's maps. One pass over the frames, no learning rate.

The cheapest thing that can be learnt: after `remove_stages`, the stage that is last now was made to be followed by
others; after `prune_channels`, `cluster_weights` or `distill`, its features have moved.
"""

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field

from compress.core.notes import BranchesL2, HeadsNote
from compress.steps.base import SettingError, Step
from compress.steps.distill import FrameBalanceExponent
from compress.training.engine import main_process_first
from compress.training.heads import fit_heads, head_convolutions
from compress.training.validation import validate
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext


class FitHeads(Step):
    """Fits what turns the last features into maps; every other weight stays."""

    step: Literal["fit_heads"] = "fit_heads"
    calibration_frames: Annotated[
        int, Field(ge=1, le=100_000, description="Training frames that are looked at, at most; more is surer, slower.")
    ] = 2000
    frame_balance: FrameBalanceExponent = 0.5

    @property
    def learns(self) -> bool:
        """See `Step`."""
        return True

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The same spec: only weights change."""
        with torch.device("meta"):
            network = PoseNet(spec)
        try:
            head_convolutions(network)
        except ValueError as error:
            raise SettingError("step", str(error)) from error
        return spec

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """The candidate with fitted heads, or with the given ones where those were better on the held-out frames.

        Its note holds L2 there, before and after.
        """
        self.check(candidate.spec)
        targets, reporter = context.targets, context.reporter
        targets.require_fit(candidate.spec)
        with main_process_first():
            targets.prepare()
        count, samples = targets.spread(self.calibration_frames, self.frame_balance)
        network, cpu = (
            fit_heads(candidate.network, reporter.track(samples, "fitting heads", count)),
            torch.device("cpu"),
        )
        held_out = targets.balanced_held_out(self.frame_balance)
        looks = [validate(one, held_out, cpu) for one in (candidate.network, network)]
        better = looks[1].score < looks[0].score
        if not better:
            network = candidate.network
            reporter.warn("fit_heads made nothing better on the held-out frames: the heads stay; more frames may help")
        before, after = (BranchesL2(joint_rel_l2=look.joint_rel_l2, paf_rel_l2=look.paf_rel_l2) for look in looks)
        note = HeadsNote(place=f"{len(candidate.steps)}", frames=count, held_out=(before, after), better=better)
        return candidate.followed_by(self.model_dump(mode="json"), network, note)
