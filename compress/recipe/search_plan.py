"""A recipe's `search`: what varies, what counts, how much is tried. Plain records; `space` reads `vary`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from compress.results.goals import parse_goal
from compress.results.objectives import ObjectiveName
from teachers.common.frozen import Frozen

MAX_TRIALS = 100_000
SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random")

if TYPE_CHECKING:
    SamplerName = str
else:
    SamplerName = Literal[SAMPLERS]


class SamplerPlan(Frozen):
    """The sampler, which proposes what is tried next."""

    kind: Annotated[
        SamplerName,
        Field(
            description="tpe copes best with choices inside choices; nsga2 and nsga3 evolve populations and want "
            "hundreds of trials, gp wants few and numbers; random is what the others have to beat."
        ),
    ] = "tpe"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Equal seeds propose equal trials.")] = 0
    startup: Annotated[
        int, Field(ge=1, le=10_000, description="Trials drawn at random before tpe or gp trusts its model.")
    ] = 10
    population: Annotated[int, Field(ge=2, le=10_000, description="Of nsga2 and nsga3: trials of one generation.")] = 20


def _canonical(goal: str) -> str:
    return str(parse_goal(goal))


Constraint = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_canonical)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Scalar = str | int | float | bool | None


class SearchPlan(Frozen):
    """Which paths of the recipe vary, from outside; every trial is a concrete recipe."""

    vary: Annotated[
        dict[str, Any],
        Field(
            min_length=1,
            max_length=64,
            description="Path of the recipe -> what may stand there: {any: [...]}, {any: {label: ...}}, "
            "{int: [low, high]}, {float: [low, high]}, or lists and mappings with such choices inside.",
        ),
    ]
    objectives: Annotated[
        tuple[ObjectiveName, ...] | None,
        Field(min_length=1, max_length=8, description="What is weighed; left out, the recipe's objectives."),
    ] = None
    constraints: Annotated[
        tuple[Constraint, ...],
        Field(max_length=32, description="Written like goals; a trial that misses one is kept and never ranks."),
    ] = ()
    sampler: SamplerPlan = SamplerPlan()
    enqueue: Annotated[
        tuple[dict[str, Scalar], ...],
        Field(
            max_length=1000,
            description="Choices by name that are tried first, after the plain stage table, which always is.",
        ),
    ] = ()
    rungs: Annotated[
        tuple[Fraction, ...],
        Field(
            min_length=1,
            max_length=8,
            description="Shares of the training budget, rising to 1. Only the promising go on to the next.",
        ),
    ] = (0.0, 0.1, 1.0)
    reduction_factor: Annotated[
        float,
        Field(
            ge=1,
            le=1000,
            allow_inf_nan=False,
            description="Of so many trials of a rung one goes on to the next, the best; higher is quicker and bolder.",
        ),
    ] = 3.0
    trials: Annotated[
        int, Field(ge=1, le=MAX_TRIALS, description="How many different trials there are, unless --trials is given.")
    ] = 50

    @model_validator(mode="after")
    def _rise(self) -> "SearchPlan":
        if self.rungs[-1] != 1.0 or any(low >= high for low, high in zip(self.rungs, self.rungs[1:], strict=False)):
            raise ValueError("rungs: must rise and end with 1, the whole budget")
        return self
