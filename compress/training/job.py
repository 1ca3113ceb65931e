"""What a training is given, and what it gives back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compress.common.time_limit import TimeLimit
from compress.core.qparams import Int8
from compress.training.batches import Samples
from compress.training.losses import Energies, LossSettings
from compress.training.reparameterization import Reparameterization, TrainingNetwork
from compress.training.samples import TrainingSample
from compress.training.schedule import Schedule
from compress.training.view_answers import TeacherAnswers
from teachers.licence import Licence
from teachers.posenet import PoseNet


@dataclass(frozen=True)
class TrainingJob:
    """Everything that decides the result of a training."""

    network: PoseNet
    samples: Samples
    held_out: Sequence[TrainingSample]
    energies: Energies
    schedule: Schedule
    loss: LossSettings
    reparameterization: Reparameterization | TrainingNetwork
    """What is added for the time of training, or the network dressed already."""
    seed: int
    ship_stages: int
    """The first stages are what is validated and kept; further ones only help them learn."""
    teacher: PoseNet | None = None
    """Where `loss.hints` is above 0, whose features are hinted at."""
    answers: TeacherAnswers | None = None
    """What gives the samples their maps, where they come without."""
    licence: Licence | None = None
    """Of the weights; where it is known, a training that diverges leaves its best network as a model's folder."""
    limit: TimeLimit = TimeLimit()  # noqa: RUF009 - frozen
    """Once it has passed, the training is kept at the step that it is at. It decides no result."""


@dataclass(frozen=True)
class Trained:
    """The network that was best on the held-out frames, and how it came about."""

    network: PoseNet
    facts: dict[str, Any]
    """`steps`, `best_step`, `before` and `best` (held-out L2), `losses` and `validations` on the way, `seconds`,
    `images_per_s` (None where an earlier call had done all the steps), `device`, `precision`, `processes`."""
    quantization: Int8 | None = None
    """The grids that it computes on, where its training network has some."""
