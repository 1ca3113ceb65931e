"""prune_weights: the weights that matter least become zero, wherever they stand (Han, Mao and Dally 2015, section 2).

The network runs no faster for it: runtimes compute with zeros as with other numbers. `compress pack` leaves them out.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from compress.pruning.obs import obs_scores, zero_and_reconstruct
from compress.pruning.weight_importance import Scores, magnitude_scores, wanda_scores
from compress.steps.base import SettingError, Step
from compress.steps.distill import Distill
from compress.steps.iterative import Between, RoundCount, Rounds, share_after
from compress.training.calibration import images_of, probe_samples
from compress.training.reparameterization import Reparameterization
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

if TYPE_CHECKING:
    from compress.core.candidate import Candidate
    from compress.steps.context import StepContext

Sparsity = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class PruneWeights(Step):
    """Sets single weights to zero; a later `distill` with `reparameterization.preserve: sparsity` trains the others."""

    step: Literal["prune_weights"] = "prune_weights"
    sparsity: Annotated[
        Sparsity, Field(description="Of all weights that may go; more: smaller, further from the teacher.")
    ]
    depthwise_sparsity: Annotated[
        float,
        Field(ge=0, lt=1, allow_inf_nan=False, description="Of depthwise weights: they are few and sensitive."),
    ] = 0.0
    importance: Annotated[
        Literal["magnitude", "wanda", "obs"],
        Field(
            description="What decides which stay: their size (magnitude), as in the paper; what they pass on, their "
            "size times that of the signal they read over that of the one they make (wanda), seen on training frames; "
            "or what would be lost if the layer's other weights made up for them (obs), which goes with reconstruct."
        ),
    ] = "magnitude"
    scope: Annotated[
        Literal["layer", "network"],
        Field(description="Every layer loses the share; or all together do, and layers that matter more lose less."),
    ] = "layer"
    calibration_frames: Annotated[
        int, Field(ge=1, le=10_000, description="How many are looked at for wanda, obs and reconstruct.")
    ] = 16
    reconstruct: Annotated[
        bool,
        Field(
            description="Weights that stay are fitted, layer by layer, to what the whole network gives on training "
            "frames. Much closer at once, and a better place to train from; takes a minute."
        ),
    ] = False
    iterative_steps: RoundCount = 1
    finetune: Between = None

    @model_validator(mode="after")
    def _zeros_can_stay(self) -> "PruneWeights":
        if self.finetune is not None and self.finetune.reparameterization.branches:
            raise ValueError("finetune.reparameterization.branches: what they fold into has no zeros")
        return self

    @property
    def learns(self) -> bool:
        """See `Step`."""
        return self.importance != "magnitude" or self.reconstruct or self.finetune is not None

    def check(self, spec: PoseNetSpec) -> PoseNetSpec:
        """The same spec: only values change."""
        if self.finetune is not None:
            try:
                self.finetune.check(spec)
            except SettingError as error:
                raise SettingError(f"finetune.{error.field}", error.message) from error
        return spec

    def apply(self, candidate: "Candidate", context: "StepContext") -> "Candidate":
        """A copy with zeros; shares none of the given one's memory."""

        def once(now: "Candidate", done: float) -> PoseNet:
            kernels = {n: m for n, m in now.network.named_modules() if isinstance(m, nn.Conv2d)}
            looked = self._seen(now, context) if self.reconstruct or self.importance == "obs" else ()
            scores = self._scores(now.network, context, looked)
            gone: dict[str, Tensor] = {}
            for share, depthwise in ((self.sparsity, False), (self.depthwise_sparsity, True)):
                chosen = {name: scores[name] for name, kernel in kernels.items() if (kernel.groups > 1) == depthwise}
                gone |= least(chosen, share_after(share, done), self.scope == "network")
            return zero_and_reconstruct(now.network, gone, looked) if self.reconstruct else without(now.network, gone)

        network, notes = Rounds(self.iterative_steps, _keeping_zeros(self.finetune)).run(candidate, context, once)
        return candidate.followed_by(self.model_dump(mode="json"), network, *notes)

    def _seen(self, now: "Candidate", context: "StepContext") -> tuple[Tensor, ...]:
        return context.targets.calibration(self.calibration_frames, now.spec.stride)

    def _scores(self, network: PoseNet, context: "StepContext", looked: Sequence[Tensor]) -> Scores:
        if self.importance == "magnitude":
            return magnitude_scores(network)
        if self.importance == "obs":
            return obs_scores(network, looked)
        return wanda_scores(network, images_of(probe_samples(context.targets, self.calibration_frames)))


@torch.no_grad()
def without(network: PoseNet, gone: Mapping[str, Tensor]) -> PoseNet:
    """A copy in which these weights of each convolution are zero; shares none of the given one's memory."""
    made: PoseNet = copy.deepcopy(network)
    for name, where in gone.items():
        made.get_submodule(name).weight[where] = 0.0  # type: ignore[operator]
    return made


def least(scores: Scores, share: float, together: bool) -> dict[str, Tensor]:
    """Which weights go: by layer, where this share of the scores, the smallest, lies.

    Exactly the share, rounded down: of equal scores those that come first go first.
    """
    if not together:
        return {name: _smallest(score, share) for name, score in scores.items()}
    if not scores:
        return {}
    gone = _smallest(torch.cat([score.reshape(-1) for score in scores.values()]), share)
    parts = torch.split(gone, [score.numel() for score in scores.values()])
    return {name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)}


def _smallest(score: Tensor, share: float) -> Tensor:
    order = torch.argsort(score.reshape(-1), stable=True)
    gone = torch.zeros(score.numel(), dtype=torch.bool)
    gone[order[: int(share * score.numel())]] = True
    return gone.view_as(score)


def _keeping_zeros(distill: Distill | None) -> Distill | None:
    """What went in one round does not come back in the training before the next."""
    if distill is None:
        return None
    form = Reparameterization.model_validate(
        distill.reparameterization.model_dump() | {"preserve": distill.reparameterization.preserve or "sparsity"}
    )
    return distill.model_copy(update={"reparameterization": form})
