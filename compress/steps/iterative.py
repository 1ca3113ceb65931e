"""What prunes can do so in rounds: a part of it, training, the next part (Han et al. 2015; Zhu and Gupta 2017).

After each round what matters is judged anew, by the network that has learned to do without what went before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from compress.core.candidate import Candidate
from compress.core.notes import TrainingNote
from compress.steps.distill import Distill
from teachers.posenet import PoseNet

if TYPE_CHECKING:
    from compress.steps.context import StepContext

RoundCount = Annotated[
    int,
    Field(ge=1, le=32, description="In how many rounds; each takes the same share of what is left. More is gentler."),
]
Between = Annotated[
    Distill | None,
    Field(
        description="How it learns between two rounds, as in a step `distill`; after the last round one of its own may "
        "follow. Left out: no training between, but what matters is still judged anew."
    ),
]


@dataclass(frozen=True)
class Rounds:
    """How many, and what is learnt between them."""

    count: int
    between: Distill | None

    def run(
        self, candidate: Candidate, context: "StepContext", once: Callable[[Candidate, float], PoseNet]
    ) -> tuple[PoseNet, list[TrainingNote]]:
        """The network after the last round, and the notes of the trainings between.

        once: from what is there now and the part of all rounds that is then done, 0..1, to the network after a round.
        """
        place, now = len(candidate.steps), candidate
        notes: list[TrainingNote] = []
        for number in range(1, self.count + 1):
            network = once(now, number / self.count)
            pruned = candidate.followed_by({}, network)
            if pruned.id != now.id and self.between is not None and number < self.count:
                network, note = self.between.train(pruned, context, f"{place}.finetune-{number}")
                notes.append(note)
                pruned = candidate.followed_by({}, network)
            now = pruned
        return now.network, notes


def share_after(share: float, done: float) -> float:
    """The share that is gone in all when each of the rounds takes an equal share of what is left."""
    left: float = (1.0 - share) ** done
    return 1.0 - left
