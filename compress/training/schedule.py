"""How long and how fast a student learns."""

import math
from typing import Annotated

from pydantic import Field

from teachers.common.frozen import Frozen


class Schedule(Frozen):
    """Settings of the optimiser and of the time it is given."""

    steps: Annotated[int, Field(ge=1, le=10_000_000, description="Updates of the weights; more is slower and closer.")]
    batch_size: Annotated[int, Field(ge=1, le=4096, description="Crops of one update, over all processes.")] = 8
    crop: Annotated[
        tuple[Annotated[int, Field(ge=16, le=4096)], Annotated[int, Field(ge=16, le=4096)]],
        Field(description="Height and width of a crop, multiples of the stride; larger shows more context, slower."),
    ] = (184, 248)
    learning_rate: Annotated[
        float, Field(gt=0, le=10, description="Its peak; too high diverges, too low wastes the steps.")
    ] = 1e-3
    warmup: Annotated[
        float, Field(ge=0, le=0.5, description="Share of the steps over which the rate rises to its peak.")
    ] = 0.03
    weight_decay: Annotated[float, Field(ge=0, le=1, description="AdamW's; higher keeps weights small.")] = 1e-4
    max_grad_norm: Annotated[
        float,
        Field(
            gt=0,
            le=1e6,
            description="Gradients with a larger norm are scaled down to it; smaller is steadier and may be slower.",
        ),
    ] = 1.0
    ema_decay: Annotated[
        float, Field(ge=0, lt=1, description="Memory of the averaged weights that are kept; 0 keeps the last ones.")
    ] = 0.998
    gradient_accumulation: Annotated[
        int, Field(ge=1, le=1024, description="Parts in which a batch is worked through, where memory is short.")
    ] = 1
    validate_every: Annotated[int, Field(ge=1, description="Steps between two looks at the held-out frames.")] = 500

    patience: Annotated[
        int | None,
        Field(
            ge=1,
            description="Training ends early after so many looks in a row without a better OKS or better maps on the "
            "held-out frames; left out, it runs all steps.",
        ),
    ] = None

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, from 0: a linear rise, then half a cosine down to 1% of the peak."""
        rising = max(1, round(self.warmup * self.steps))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        done = (step - rising) / max(1, self.steps - rising)
        return self.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))

    def memory(self, step: int) -> float:
        """The averaged weights' memory at a step: short at first, so that they are not those of the beginning."""
        return min(self.ema_decay, (1 + step) / (10 + step))
