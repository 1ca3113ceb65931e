"""What a recipe is: frozen records that know nothing of files, lines or `each`. Unknown keys are refused."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from compress.common.fields import Scale, Text
from compress.common.yaml_source import dump_yaml
from compress.measure.frames import Data
from compress.measure.metrics import Measure
from compress.recipe.search_plan import SearchPlan
from compress.recipe.trackers import TrackerNames
from compress.results.goals import parse_goal
from compress.results.objectives import ObjectiveName
from compress.steps import STEPS
from compress.steps.base import Step
from compress.training.frames import TrainingPlan
from eval.inference import Inference
from teachers.spec import Frozen

MAX_CANDIDATES = 1000
MAX_STEPS = 32
TEACHER_ROW = "teacher"
"""The name of the reference row of every table; no candidate may take it."""


class _ByStepName:
    """Chooses a step's class by its `step`, also while there is only one class, which `Union` cannot."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {kind.model_fields["step"].default: handler(kind) for kind in STEPS}
        return core_schema.tagged_union_schema(choices, discriminator="step")


AnyStep = Annotated[Step, _ByStepName()]


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError("must be 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first")
    if name.lower() == TEACHER_ROW:
        raise ValueError("is kept for the teacher's own row")
    return name


class CandidatePlan(Frozen):
    """The steps that make one candidate from the teacher, and how it is run on a frame."""

    name: Annotated[
        str,
        AfterValidator(_file_name),
        Field(description="Names the row and the folder. {stages} is a setting of the steps or of `inference`."),
    ]
    steps: Annotated[
        tuple[AnyStep, ...],
        Field(
            max_length=MAX_STEPS,
            description="Taken in order, beginning with the teacher; [] where the teacher's network is run otherwise.",
        ),
    ]
    inference: Annotated[
        Inference | None,
        Field(description="How it is run on a frame; left out, as the recipe's `inference` says, else at its scales."),
    ] = None


MAX_GOALS = 32
GOAL_SYNTAX = (
    "What a candidate must keep to be shipped; goals judge, they do not measure. Each is one of: "
    "COLUMN <= NUMBER or COLUMN >= NUMBER, a numeric column of candidates.csv; "
    "kinematic_tier >= TIER, this tier or a better one of transparent, equivalent, usable with care, not for angles; "
    "kinematics.JOINT.FIELD <= NUMBER, the worse of raw and filtered, for instance of knee or right knee; "
    "kinematics.JOINT.SERIES.FIELD <= NUMBER, SERIES being raw, filtered or motion. "
    "bias, rom_error and peak_error are compared by their size."
)


def _canonical(goal: str) -> str:
    return str(parse_goal(goal))


GoalText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        # For editors: the shape alone. A pattern of all names would drown the message in which it is shown.
        json_schema_extra={
            "pattern": "^[^<>=]+[<>]=[^<>=]+$",
            "examples": [
                "kinematic_tier >= usable with care",
                "latency_ratio <= 0.8",
                "angle_p95_deg <= 10",
                "kinematics.knee.p95_abs_error <= 5",
                "kinematics.right knee.filtered.median_abs_error <= 2",
            ],
        },
    ),
    AfterValidator(_canonical),
]


class Recipe(Frozen):
    """A whole experiment, concrete: every candidate is written out and has a name."""

    teacher: Annotated[
        Text, Field(description="A known teacher, or a folder that holds spec.json and weights.safetensors.")
    ]
    data: Data
    scales: Annotated[
        tuple[Scale, ...],
        Field(
            min_length=1,
            max_length=8,
            description="Of the reference: the teacher's maps are averaged over these; each costs a pass of its own.",
        ),
    ] = (0.5, 1.0, 1.5, 2.0)
    candidates: Annotated[
        tuple[CandidatePlan, ...],
        Field(min_length=1, max_length=MAX_CANDIDATES, description="What is made from the teacher and compared."),
    ]
    inference: Annotated[
        Inference | None,
        Field(description="How candidates without an `inference` of their own are run; the teacher runs at `scales`."),
    ] = None
    training: Annotated[
        TrainingPlan | None, Field(description="What steps that train learn from; needed where there is such a step.")
    ] = None
    measure: Measure = Measure()
    objectives: Annotated[
        tuple[ObjectiveName, ...],
        Field(min_length=1, description="Columns of the Pareto front. More of them leave more candidates on it."),
    ] = ("latency_ms", "joint_rel_l2")
    goals: Annotated[tuple[GoalText, ...], Field(max_length=MAX_GOALS, description=GOAL_SYNTAX)] = ()
    tracking: TrackerNames = ()
    search: Annotated[
        SearchPlan | None, Field(description="What `compress search` varies; `compress run` takes the recipe as it is.")
    ] = None

    def inference_of(self, plan: CandidatePlan) -> Inference | None:
        """How a candidate is run; None: at the scales of the reference."""
        return plan.inference or self.inference

    @property
    def learns(self) -> bool:
        """Whether any of its steps trains."""
        return any(step.learns for plan in self.candidates for step in plan.steps)

    def to_yaml(self) -> str:
        """The canonical text: every default and every candidate written out. It can be run alone."""
        # None of these changes a result: a run without them has the text that it had before there were any.
        unsaid: dict[str, Any] = {name: True for name in ("tracking", "search") if not getattr(self, name)}
        unsaid |= {"data": {"show_frames"}} if self.data.show_frames is None else {}
        data = self.model_dump(mode="json", exclude=unsaid)
        for part, inference in ((data, self.inference), *zip(data["candidates"], self._inferences, strict=True)):
            del part["inference"]
            if inference is not None:
                part["inference"] = inference.model_dump(mode="json", exclude_none=True)
        return dump_yaml(data)

    @property
    def _inferences(self) -> list[Inference | None]:
        return [plan.inference for plan in self.candidates]

    def only(self, name: str) -> "Recipe":
        """The recipe of one candidate alone, without trackers and search; KeyError if there is none of that name."""
        found = tuple(plan for plan in self.candidates if plan.name == name)
        if not found:
            raise KeyError(name)
        return self.model_copy(update={"candidates": found, "tracking": (), "search": None})
