"""What a recipe is: frozen records that know nothing of files, lines or `each`. Unknown keys are refused."""

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, GetCoreSchemaHandler, Tag, model_validator
from pydantic_core import CoreSchema, core_schema

from compress.common.yaml_source import dump_yaml
from compress.recipe.search_plan import SearchPlan
from compress.recipe.trackers import TrackerNames
from compress.results.goals import parse_goal
from compress.results.objectives import ObjectiveName
from compress.steps import STEPS
from compress.steps.base import Step
from compress.training.frames import TrainingPlan
from eval.runtimes import RUNTIMES
from teachers.spec import Frozen

MAX_CANDIDATES = 1000
MAX_STEPS = 32
TEACHER_ROW = "teacher"
"""The name of the reference row of every table; no candidate may take it."""

if TYPE_CHECKING:
    RuntimeName = str
else:
    RuntimeName = Literal[tuple(RUNTIMES)]


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
    """The steps that make one candidate from the teacher."""

    name: Annotated[
        str,
        AfterValidator(_file_name),
        Field(description="Names the row and the folder. {stages} stands for the setting `stages` of the steps."),
    ]
    steps: Annotated[
        tuple[AnyStep, ...],
        Field(min_length=1, max_length=MAX_STEPS, description="Taken in order, beginning with the teacher."),
    ]


Text = Annotated[str, Field(min_length=1, max_length=4096)]


class Data(Frozen):
    """The frames on which candidates are compared."""

    source: Annotated[Text, Field(description="Image folder, video, COCO file or built-in sample (sports2d-demo).")]
    images: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="Frames drawn at random; more is slower, and the means are steadier."),
    ] = 100
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Equal seeds draw equal frames; neither is better.")] = 0
    show_frames: Annotated[
        bool | None,
        Field(
            description="Whether the report may show a frame with the people drawn in; false where nobody's face may "
            "be seen. null: yes, unless the source is a COCO file, whose photographs have owners of their own."
        ),
    ] = None


FEWEST_ROUNDS = 3
FEWEST_FRAMES = 15
"""Half a second of most videos: fewer show neither gaps nor jumps, and no filter settles on them."""


Scale = Annotated[
    float,
    Field(gt=0, le=8, allow_inf_nan=False, description="Network input height over 368; time grows with its square."),
]


class LatencyPlan(Frozen):
    """How network time is measured: batch 1, teacher and candidates in turn within each round."""

    runtime: Annotated[RuntimeName, Field(description="The runtime whose times count.")] = "onnxruntime"
    extra_runtimes: Annotated[
        tuple[RuntimeName, ...],
        Field(max_length=8, description="Further runtimes to measure in; each costs as much time as the first."),
    ] = ()
    threads: Annotated[
        int, Field(ge=1, le=4096, description="More is faster, up to the cores there are; a phone has few.")
    ] = 1
    rounds: Annotated[
        int,
        Field(
            ge=FEWEST_ROUNDS,
            le=1000,
            description="At most, and at most a third of data.images; more give narrower intervals.",
        ),
    ] = 12

    @model_validator(mode="after")
    def _each_once(self) -> "LatencyPlan":
        if len(set(self.runtimes)) < len(self.runtimes):
            raise ValueError("extra_runtimes: names a runtime twice, or the one that counts")
        return self

    @property
    def runtimes(self) -> tuple[str, ...]:
        """All of them, the one that counts first."""
        return (self.runtime, *self.extra_runtimes)


class KinematicsPlan(Frozen):
    """On which consecutive frames of a video joint angles are compared."""

    video: Annotated[
        Text | None, Field(description="A video or a built-in sample; left out, `data.source` if that is a video.")
    ] = None
    start: Annotated[int, Field(ge=0, description="The first frame, counted from 0.")] = 0
    frames: Annotated[
        int,
        Field(
            ge=FEWEST_FRAMES,
            le=100_000,
            description="At most, and at most data.images; more show rare large errors surely.",
        ),
    ] = 75
    scale: Annotated[
        Scale,
        Field(
            description="Network input height over 368, whatever `scales` are; lower: as a phone sees it, and coarser."
        ),
    ] = 1.0


class LabelPlan(Frozen):
    """On which labelled images AP is taken."""

    labels: Annotated[
        Text | None, Field(description="A COCO keypoint file; left out, `data.source` if that is one.")
    ] = None
    images: Annotated[
        int, Field(ge=1, le=1_000_000, description="At most, and at most data.images; more is slower and steadier.")
    ] = 100
    scales: Annotated[
        tuple[Scale, ...], Field(min_length=1, max_length=8, description="More find people of more sizes; slower.")
    ] = (1.0,)


def _on_or_off(value: object) -> str:
    return "off" if value is False else "on"


class Measure(Frozen):
    """What is measured. Parameters, MACs and size always are."""

    fidelity: Annotated[bool, Field(description="Difference of the maps from the teacher's.")] = True
    latency: Annotated[
        Annotated[LatencyPlan, Tag("on")] | Annotated[Literal[False], Tag("off")],
        Discriminator(_on_or_off),
        Field(description="Network time; false leaves it out, which saves most of the time of a run."),
    ] = LatencyPlan()
    memory: Annotated[bool, Field(description="Peak resident memory of a fresh process that runs the artefact.")] = True
    energy: Annotated[
        bool,
        Field(
            description="Energy of one image by the machine's own counter where it has one, an estimate of it, and the "
            "peak of the activations."
        ),
    ] = True
    packed: Annotated[bool, Field(description="What `compress pack` makes of each candidate, stage by stage.")] = False
    kinematics: Annotated[
        Annotated[KinematicsPlan, Tag("on")] | Annotated[Literal[False], Tag("off")],
        Discriminator(_on_or_off),
        Field(description="Keypoints and joint angles on a video, in degrees; false leaves them out."),
    ] = False
    ap: Annotated[
        Annotated[LabelPlan, Tag("on")] | Annotated[Literal[False], Tag("off")],
        Discriminator(_on_or_off),
        Field(description="AP and AR against labelled keypoints; false leaves them out."),
    ] = False


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
        Field(min_length=1, max_length=8, description="Maps are averaged over these; each costs a pass of its own."),
    ] = (0.5, 1.0, 1.5, 2.0)
    candidates: Annotated[
        tuple[CandidatePlan, ...],
        Field(min_length=1, max_length=MAX_CANDIDATES, description="What is made from the teacher and compared."),
    ]
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

    @property
    def rounds(self) -> int:
        """Latency rounds at most. The sample's size bounds them, so that a quick look is quick throughout."""
        return min((self.measure.latency or LatencyPlan()).rounds, max(FEWEST_ROUNDS, self.data.images // 3))

    @property
    def clip_frames(self) -> int:
        """Consecutive frames for the joint angles at most, bounded as the rounds are; 0 where that leaves too few."""
        frames = min((self.measure.kinematics or KinematicsPlan()).frames, self.data.images)
        return frames if frames >= FEWEST_FRAMES else 0

    @property
    def learns(self) -> bool:
        """Whether any of its steps trains."""
        return any(step.learns for plan in self.candidates for step in plan.steps)

    def to_yaml(self) -> str:
        """The canonical text: every default and every candidate written out. It can be run alone."""
        # None of these changes a result: a run without them has the text that it had before there were any.
        unsaid: dict[str, Any] = {name: True for name in ("tracking", "search") if not getattr(self, name)}
        unsaid |= {"data": {"show_frames"}} if self.data.show_frames is None else {}
        return dump_yaml(self.model_dump(mode="json", exclude=unsaid))

    def only(self, name: str) -> "Recipe":
        """The recipe of one candidate alone, without trackers and search; KeyError if there is none of that name."""
        found = tuple(plan for plan in self.candidates if plan.name == name)
        if not found:
            raise KeyError(name)
        return self.model_copy(update={"candidates": found, "tracking": (), "search": None})
