"""How a step trains a candidate on the teacher's maps: distillation in float, and of the rounded network."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from compress.core.notes import TrainingNote
from compress.steps.training_folder import open_training_folder
from compress.training.augmentation import Augmentation
from compress.training.batches import Samples
from compress.training.engine import main_process_first
from compress.training.job import Trained, TrainingJob
from compress.training.loop import Trainer
from compress.training.losses import LossSettings
from compress.training.reparameterization import Reparameterization, TrainingNetwork
from compress.training.schedule import Schedule
from compress.training.teacher_targets import TeacherTargets
from teachers.posenet import PoseNet

if TYPE_CHECKING:
    from compress.steps.context import StepContext


class TrainingSettings(Protocol):
    """What `distill` and `quantize.qat` have in common; their fields describe what each means."""

    @property
    def schedule(self) -> Schedule: ...
    @property
    def loss(self) -> LossSettings: ...
    @property
    def ignore_border(self) -> int: ...
    @property
    def full_frames(self) -> bool: ...
    @property
    def frame_balance(self) -> float: ...


@dataclass(frozen=True)
class StudentTraining:
    """One training of one candidate."""

    settings: TrainingSettings
    network: PoseNet
    reparameterization: Reparameterization | TrainingNetwork
    ship_stages: int
    """The first stages are kept; further ones only help them learn."""
    start: str
    """The content of the network that it begins with."""
    key: str
    """Of everything that decides the result: under it unfinished work is kept."""
    place: str
    """The step's path below the recipe's `steps`."""
    augmentation: Augmentation = Augmentation.none()  # noqa: RUF009 - frozen
    teacher: PoseNet | None = None
    """Whose features `loss.hints`, `cwd` and `pkd` ask for; int8 networks have none to compare with."""


def train_student(training: StudentTraining, context: "StepContext") -> tuple[Trained, TrainingNote]:
    """The network that was best on the held-out frames, which may be the one it began with, and the training's note."""
    job = training_job(training, context)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) if context.folder is None else _kept_in(context.folder, training, context)
        trained = Trainer(job, folder, context.reporter, context.following(training.place)).run()
    if trained.facts["best_step"] == 0:
        context.reporter.warn(
            "training made nothing better on the held-out frames; a lower learning_rate or more steps may"
        )
    return trained, TrainingNote(place=training.place, **trained.facts)


def training_job(training: StudentTraining, context: "StepContext") -> TrainingJob:
    """What the loop is given; the teacher's answers are computed here where they are missing."""
    targets, settings = context.targets, training.settings
    with main_process_first():
        targets.prepare()
    return TrainingJob(
        network=training.network,
        samples=_samples(training, targets),
        held_out=targets.balanced_held_out(settings.frame_balance),
        energies=targets.energies,
        schedule=settings.schedule,
        loss=settings.loss,
        reparameterization=training.reparameterization,
        seed=context.seed,
        ship_stages=training.ship_stages,
        teacher=training.teacher,
        answers=targets.answers(settings.frame_balance),
        licence=targets.teacher.licence,
        limit=context.limit,
    )


def _kept_in(work: Path, training: StudentTraining, context: "StepContext") -> Path:
    teacher, frames, plan = context.targets.key
    settings = {"schedule": training.settings.schedule.model_dump(mode="json"), "training": plan, "seed": context.seed}
    begun = {
        "candidate": context.building,
        "place": training.place,
        "settings": settings,
        "teacher": teacher,
        "frames": frames,
        "network": training.start,
    }
    with main_process_first():
        return open_training_folder(work, training.key, begun)


def _samples(training: StudentTraining, targets: TeacherTargets) -> Samples:
    settings = training.settings
    crop_hw = settings.schedule.crop
    if targets.views is not None:
        return targets.views.samples(settings.schedule.batch_size, targets.frame_balance(settings.frame_balance))
    if settings.full_frames:
        return targets.full_frames(crop_hw[0] * crop_hw[1], settings.frame_balance)
    return targets.samples(crop_hw, training.augmentation, settings.ignore_border, settings.frame_balance)
