"""A recipe's candidates: built, measured and recorded. `compress run` and `compress search` both go through here.

Whatever is computed goes to the cache at once, so a killed run leaves the tables of an undisturbed one.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from compress.common.environment import usable_cores
from compress.common.fact_cache import FactCache, fact_key
from compress.common.progress import Reporter
from compress.common.run_folder import CANDIDATES, WORK
from compress.common.time_limit import TimeLimit
from compress.core.built import Built
from compress.export.parity import ParityError
from compress.measure.base import MeasureContext
from compress.measure.evaluator import Evaluation, Evaluator
from compress.measure.runtime_artefacts import RuntimeArtefacts
from compress.recipe.models import TEACHER_ROW, Recipe
from compress.results.records import Record
from compress.run.builder import Builder, content_of_files
from compress.run.inputs import RunInputs
from compress.run.record_builder import Identity, Role, failed_record, finished_record
from compress.steps.base import Step
from compress.steps.context import StepContext, TellsCurves, Untracked
from eval.inference import Inference
from teachers.common.errors import UserError

CANDIDATE_ERRORS = (UserError, ParityError, ValueError, RuntimeError, ArithmeticError, MemoryError)
"""What may go wrong with one candidate without ending the run of the others."""


@dataclass(frozen=True)
class Planned:
    """One row of the table: what a candidate is called, and how it is made."""

    name: str
    steps: tuple[Step, ...]
    inference: Inference | None
    """How it is run; None: at the scales of the reference."""
    recipe: str
    """The text of a recipe of this candidate alone."""

    @property
    def is_teacher(self) -> bool:
        """Whether it is the reference."""
        return self.name == TEACHER_ROW


def planned(recipe: Recipe) -> tuple[Planned, ...]:
    """The rows of a recipe, the teacher first."""
    candidates = (
        Planned(plan.name, plan.steps, recipe.inference_of(plan), recipe.only(plan.name).to_yaml())
        for plan in recipe.candidates
    )
    return (Planned(TEACHER_ROW, (), None, recipe.to_yaml()), *candidates)


@dataclass(frozen=True)
class RunOptions:
    """Where a runner writes, what it reports to, and what it shares with other runners of the same search."""

    out: Path
    """The run's folder: candidates are built below it."""
    reporter: Reporter
    tracking: TellsCurves = field(default_factory=Untracked)
    timing_lock: Callable[[], AbstractContextManager[object]] = nullcontext
    """Held while something is timed."""
    timed_as: Callable[[Built], Built] = lambda built: built
    """What a candidate's cost depends on: its content, if nothing else is said."""
    limit: TimeLimit = TimeLimit()  # noqa: RUF009 - frozen
    """After which a training stops, to be continued by a later call."""
    teacher_maps: Path | None = None
    """Where the teacher's averaged maps are kept for later candidates; None keeps none."""


class CandidateRunner:
    """Builds, measures and records candidates of the same inputs."""

    def __init__(self, inputs: RunInputs, cache: FactCache, options: RunOptions) -> None:
        self._inputs, self._cache, self._options = inputs, cache, options
        self._conditions = inputs.conditions
        context = StepContext(
            inputs.recipe.data.seed,
            inputs.targets,
            options.out / WORK,
            options.reporter,
            options.tracking,
            limit=options.limit,
        )
        self._builder = Builder(inputs.stages, context, options.out / CANDIDATES, cache, inputs.parity_inputs())

    def build(self, plan: Planned) -> Built:
        """The candidate and its artefact; from its folder if an earlier call finished it there, else made now."""
        return self._builder.build(plan.name, plan.steps, plan.recipe, plan.inference)

    def follow(self, plan: Planned) -> None:
        """A further process's part in building a candidate: it trains along, and writes nothing."""
        self._builder.follow(plan.name, plan.steps)

    def measure(self, built: Sequence[Built]) -> Mapping[str, Evaluation]:
        """All that the recipe asks for, by name; the teacher is the first of them."""
        return Evaluator(self._measure_context()).measure(built)

    def compare_frames(self, built: Sequence[Built]) -> None:
        """Compares all of them frame by frame in one pass: what is found then, `measure` finds in the cache."""
        Evaluator(self._measure_context()).compare_frames(built)

    def record(self, plan: Planned, built: Built, measured: Evaluation) -> Record:
        """The record of a finished candidate."""
        return finished_record(self.identity(plan), built, measured)

    def failed_record(self, plan: Planned, error: str) -> Record:
        """The record of a candidate that could not be made."""
        return failed_record(self.identity(plan), error)

    def identity(self, plan: Planned) -> Identity:
        """What a record holds in any case; its key stands for all that the measurements depend on."""
        inputs = self._inputs
        recipe, steps = inputs.recipe, tuple(step.model_dump(mode="json") for step in plan.steps)
        learns = inputs.targets is not None and any(step.learns for step in plan.steps)
        key = fact_key(
            "record",
            3,
            inputs.teacher.id,
            steps,
            inputs.sample.digest,
            {name: opened.digest for name, opened in inputs.opened.items()},
            recipe.scales,
            recipe.measure.model_dump(mode="json"),
            inputs.targets.key if learns and inputs.targets is not None else None,
            content_of_files(plan.steps),
            None if plan.inference is None else plan.inference.model_dump(mode="json"),
        )
        role: Role = "teacher" if plan.is_teacher else "candidate"
        return Identity(
            plan.name, role, key, recipe.teacher, steps, plan.inference, self._conditions, inputs.teacher.licence
        )

    def _measure_context(self) -> MeasureContext:
        inputs = self._inputs
        return MeasureContext(
            asked=inputs.recipe.measure.asked,
            opened=inputs.opened,
            data=inputs.recipe.data,
            sample=inputs.sample,
            frame=inputs.frame,
            scales=inputs.recipe.scales,
            all_stages=inputs.stages.file(),
            artefacts=RuntimeArtefacts(self._options.reporter),
            cache=self._cache,
            reporter=self._options.reporter,
            threads=usable_cores(),
            timing_lock=self._options.timing_lock,
            timed_as=self._options.timed_as,
            teacher_maps=self._options.teacher_maps,
        )
