"""distill: the network learns the teacher's last-stage maps, at every one of its stages (Cao et al., eqs. (1), (2)).

Hinton et al. (2015) call such targets soft: they carry more information than labels, and need none.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from compress.clustering.kmeans import shared_layers
from compress.common.fact_cache import fact_key
from compress.core.notes import TrainingNote
from compress.steps.base import SettingError, Step
from compress.steps.student_training import StudentTraining, train_student
from compress.training.augmentation import Augmentation
from compress.training.losses import LossSettings
from compress.training.masks import zero_share
from compress.training.reparameterization import Reparameterization
from compress.training.schedule import Schedule
from students.init import fresh_network
from teachers.common.errors import UserError
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext


_MANY_ZEROS = 0.05
FrameBalanceExponent = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="How alike frames count that show much and little: 0 by summed squares, 1 all alike, as where "
        "L2 is relative to each frame's own.",
    ),
]


class Distill(Step):
    """Trains the candidate on the frames of the recipe's `training`."""

    step: Literal["distill"] = "distill"
    schedule: Annotated[Schedule, Field(description="How long and how fast it learns.")]
    loss: Annotated[LossSettings, Field(description="What counts how much.")] = LossSettings()
    reparameterization: Annotated[Reparameterization, Field(description="What is added for the time of training.")] = (
        Reparameterization()
    )
    augmentation: Annotated[
        Augmentation, Field(description="Random changes of the crops; each moves them off what the teacher said.")
    ] = Augmentation.none()
    ignore_border: Annotated[
        int,
        Field(
            ge=0, le=64, description="Cells beside a cut edge that nothing is learnt from: what lies beyond is unseen."
        ),
    ] = 4
    full_frames: Annotated[
        bool,
        Field(
            description="Frames as they are, in batches of one shape and of about `batch_size` crops' pixels; nothing "
            "is cut or augmented. False: random crops."
        ),
    ] = False
    frame_balance: FrameBalanceExponent = 0.0
    auxiliary_stages: Annotated[
        int, Field(ge=0, le=5, description="Further stages during training, discarded after; they help the kept ones.")
    ] = 0

    @property
    def learns(self) -> bool:
        """See `Step`."""
        return True

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The same spec: only weights change."""
        for side in self.schedule.crop:
            if side % spec.multiple:
                raise SettingError(
                    "schedule.crop", f"must be multiples of {spec.multiple}, got {list(self.schedule.crop)}"
                )
        if 2 * self.ignore_border * spec.stride >= min(self.schedule.crop):
            raise SettingError(
                "ignore_border", f"leaves nothing of a crop of {list(self.schedule.crop)}, got {self.ignore_border}"
            )
        if self.full_frames and self.augmentation != Augmentation.none():
            raise SettingError("full_frames", "nothing is augmented there; leave one of the two out")
        if self.augmentation.flip:
            raise SettingError(
                "augmentation.flip",
                "must be false: a mirrored answer is not the teacher's answer to the mirrored frame; "
                "training.flip asks the teacher about mirrored frames",
            )
        if self.schedule.batch_size % self.schedule.gradient_accumulation:
            raise SettingError("schedule.gradient_accumulation", f"must divide the batch, {self.schedule.batch_size}")
        return spec

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """The candidate with the weights that were best on the held-out frames, those it came with among them."""
        network, note = self.train(candidate, context, f"{len(candidate.steps)}")
        return candidate.followed_by(self.model_dump(mode="json"), network, note)

    def train(self, candidate: "Candidate", context: "StepContext", place: str) -> tuple[PoseNet, TrainingNote]:
        """The trained network and the note of its training; `place` is the step's path below the recipe's `steps`."""
        trained, note = train_student(self.training(candidate, context, place), context)
        lost = zero_share(candidate.network) - zero_share(trained.network)
        if lost > _MANY_ZEROS:
            context.reporter.warn(
                f"training filled {lost:.0%} of all weights that were zero; reparameterization.preserve holds them"
            )
        return trained.network, note

    def training(self, candidate: "Candidate", context: "StepContext", place: str) -> StudentTraining:
        """What is trained, before anything is. UserError where the candidate cannot learn the teacher's maps."""
        targets = context.targets
        targets.require_fit(candidate.spec)
        _require_kept(candidate.network, self.reparameterization.preserve)
        teacher = targets.teacher.network
        return StudentTraining(
            settings=self,
            network=deepened(candidate.network, self.auxiliary_stages, teacher, context.seed),
            reparameterization=self.reparameterization,
            ship_stages=len(candidate.spec.stages),
            start=candidate.id,
            key=fact_key("distill", 5, self.model_dump(mode="json"), candidate.id, targets.key, context.seed),
            place=place,
            augmentation=self.augmentation,
            teacher=teacher if self.loss.feature_weights else None,
        )


def _require_kept(network: PoseNet, preserve: Literal["sparsity", "clusters"] | None) -> None:
    """UserError where there is nothing of the kind, so that a plain network is not taken for a small one."""
    if preserve == "sparsity" and not zero_share(network):
        raise UserError(
            "reparameterization.preserve: no weight is zero; a step prune_weights before this one makes some so"
        )
    if preserve == "clusters" and not shared_layers(network):
        raise UserError(
            "reparameterization.preserve: no layer shares its weights; a step cluster_weights before this makes them"
        )


def deepened(network: PoseNet, extra: int, teacher: PoseNet, seed: int) -> PoseNet:
    """The network with further stages like its last one; their weights are the teacher's where these fit.

    What fits nowhere begins near silence, as all fresh layers do.
    """
    if not extra:
        return network
    stages = network.spec.stages
    spec = network.spec.model_copy(update={"stages": (*stages, *[stages[-1]] * extra)})
    deep = fresh_network(spec, seed)
    fresh = deep.state_dict()
    given = {**teacher.state_dict(), **network.state_dict()}
    fits = {name: given[name] for name, tensor in fresh.items() if name in given and given[name].shape == tensor.shape}
    deep.load_state_dict({**fresh, **fits})
    return deep
