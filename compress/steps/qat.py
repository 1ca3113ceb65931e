"""Quantization-aware training: the rounded network learns the teacher's maps in the loop that all training shares."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from compress.common.fact_cache import fact_key
from compress.core.candidate import Candidate, content_id
from compress.core.notes import TrainingNote
from compress.quantization.calibrate import Fitted
from compress.steps.distill import Distill
from compress.steps.student_training import StudentTraining, train_student
from compress.training.losses import LossSettings
from compress.training.qat_network import QatNetwork
from compress.training.schedule import Schedule
from teachers.common.frozen import Frozen

if TYPE_CHECKING:
    from compress.steps.context import StepContext


class Qat(Frozen):
    """How long and from what; as in `distill`."""

    schedule: Annotated[
        Schedule, Field(description="How long and how fast it learns; a tenth of a distillation's rate is enough.")
    ]
    loss: Annotated[LossSettings, Field(description="What counts how much; hints are not learnt here.")] = (
        LossSettings()
    )
    ignore_border: Annotated[
        int, Field(ge=0, le=64, description="Cells beside a cut edge that nothing is learnt from.")
    ] = 4
    full_frames: Annotated[bool, Field(description="Frames as they are; false: random crops.")] = True
    frame_balance: Annotated[
        float, Field(ge=0, le=1, description="How alike frames count that show much and little, 1 all alike.")
    ] = 0.5

    def as_distill(self) -> Distill:
        """The step that learns the same in float."""
        return Distill(
            schedule=self.schedule,
            loss=self.loss,
            ignore_border=self.ignore_border,
            full_frames=self.full_frames,
            frame_balance=self.frame_balance,
        )


def learn(made: Fitted, settings: Qat, parent: Candidate, context: "StepContext") -> tuple[Fitted, TrainingNote]:
    """The network with the weights and grids that were best on the held-out frames, and the note of its training.

    parent: the float candidate that `made` was fitted from.
    """
    start = content_id(made.network, made.quantization)
    training = StudentTraining(
        settings=settings,
        network=made.network,
        reparameterization=QatNetwork(made),
        ship_stages=len(made.network.spec.stages),
        start=start,
        key=fact_key("quantize", 1, settings.model_dump(mode="json"), start, context.targets.key, context.seed),
        place=f"{len(parent.steps)}",
    )
    trained, note = train_student(training, context)
    assert trained.quantization is not None, "a QAT network folds into a quantised network"
    return Fitted(trained.network, trained.quantization), note
