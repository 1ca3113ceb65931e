"""The straight line: recipe -> steps -> candidates -> artefacts -> measurements -> records -> report.

Whatever is measured goes to the journal at once, so a killed run leaves the tables of an undisturbed one.
"""

import copy
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from compress.common.environment import usable_cores
from compress.common.fact_cache import Journal, fact_key
from compress.common.progress import Reporter
from compress.common.run_folder import CANDIDATES, JOURNAL, RECORDS, WORK, write_environment
from compress.core.built import Built
from compress.core.candidate import Candidate
from compress.export.onnx_export import stage_outputs
from compress.export.parity import ParityError
from compress.measure.clip import open_clip
from compress.measure.coco_ap import open_labelled
from compress.measure.evaluator import Measuring, Sharing
from compress.measure.example_frame import keep_people, wanted
from compress.measure.runtime_artefacts import require_runtimes
from compress.recipe.loader import Recipe
from compress.recipe.models import TEACHER_ROW
from compress.results.records import Record, append_record, read_records
from compress.run.builder import Builder, content_of_files
from compress.run.conditions import conditions, draw_frames
from compress.run.record_builder import Identity, failed_record, finished_record
from compress.steps.base import Step
from compress.steps.context import Workshop
from compress.tracking.session import Tracking
from compress.training.target_cache import Array, TeacherFn
from compress.training.teacher_targets import TeacherTargets
from eval.maps import prepare
from eval.runtimes import RUNTIMES
from teachers.assets import cache_folder
from teachers.common.errors import UserError
from teachers.registry import load_teacher

_PARITY_FRAMES = 2
CANDIDATE_ERRORS = (UserError, ParityError, ValueError, RuntimeError, ArithmeticError, MemoryError)
"""What may go wrong with one candidate without ending the run of the others."""


@dataclass(frozen=True)
class RunCall:
    """One call: which recipe, into which folder, and what the user typed."""

    recipe: Recipe
    out: Path
    command: str
    fresh: bool = False


class Prepared:
    """A run whose teacher is loaded and whose frames are drawn; nothing is written before `finish_candidates`."""

    def __init__(self, call: RunCall, reporter: Reporter, sharing: Sharing | None = None) -> None:
        self._sharing = sharing
        if sharing is not None:
            self._journal = sharing.journal
        self._call, self._reporter = call, reporter
        recipe = call.recipe
        with reporter.download(f"teacher {recipe.teacher}") as on_bytes:
            network, licence = load_teacher(recipe.teacher, on_bytes)
        self._teacher = Candidate.of(network, licence)
        self._sample = draw_frames(recipe.data, reporter)
        self._image = next(iter(self._sample.frames())).image
        if recipe.measure.latency:
            require_runtimes(recipe.measure.latency.runtimes)
        # Before anything is computed: a video that cannot be used is a mistake of the recipe.
        self._clip = open_clip(recipe)
        self._labelled = open_labelled(recipe)
        self._workshop = self._open_workshop()
        self._conditions = conditions(recipe, self._sample, self._image.shape[:2], self._teacher.id)
        self._plan: dict[str, Sequence[Step]] = {TEACHER_ROW: ()} | {c.name: c.steps for c in recipe.candidates}

    def finish_candidates(self, tracking: Tracking) -> None:
        """Builds, measures and records whatever is not recorded yet."""
        path = self._call.out / RECORDS
        self._journal = Journal(self._call.out / JOURNAL)
        self._workshop = replace(self._workshop, tracking=tracking)
        call = {"command": self._call.command}
        write_environment(self._call.out, self._conditions | call)
        recipe = self._call.recipe.model_dump(mode="json")
        tracking.config({"recipe": recipe, "conditions": self._conditions, **call})
        known = {record.name: record for record in read_records(path)}
        identities = {name: self._identity(name) for name in self._plan}
        finished = {
            name
            for name, identity in identities.items()
            if name in known and known[name].key == identity.key and known[name].error is None
        }
        # Also where all are finished: an artefact that was damaged or deleted since is made again.
        built, errors = self._build()
        for name, error in errors.items():
            append_record(path, failed_record(identities[name], error))
        if not errors and len(finished) == len(identities):
            self._keep_people(built)
            self._reporter.say("every candidate was finished by an earlier call; the report is drawn again")
            return
        measured = self._measuring().measure(built)
        for one in built:
            if one.name not in finished:
                append_record(path, finished_record(identities[one.name], one, measured))
        self._keep_people(built)

    def _keep_people(self, built: list[Built]) -> None:
        """One frame with everybody's people for the report; the teacher is the first of the built ones."""
        keep_people(self._call.out, self._call.recipe.data, self._sample, wanted(built), usable_cores())

    def trial(self, recipe: Recipe, tracking: Tracking) -> Record:
        """The record of a recipe's only candidate, or the teacher's; but for its steps the recipe is this run's.

        What the candidate itself may raise is raised: whoever searches notes it and goes on.
        """
        one = copy.copy(self)
        one._call = replace(self._call, recipe=recipe)
        one._plan = {TEACHER_ROW: ()} | {plan.name: plan.steps for plan in recipe.candidates}
        one._workshop = replace(self._workshop, tracking=tracking)
        *_, name = one._plan
        made = one._builder().build(name, one._plan[name], recipe.to_yaml())
        built = [made] if name == TEACHER_ROW else [self._shared[0], made]
        return finished_record(one._identity(name), made, one._measuring().measure(built))

    def follow_trial(self, recipe: Recipe) -> None:
        """A further process's part in making a recipe's only candidate."""
        self._journal.refresh()
        self._builder().follow(recipe.candidates[0].name, recipe.candidates[0].steps)

    def failed_trial(self, recipe: Recipe, error: str) -> Record:
        """The record of a recipe's only candidate that could not be made."""
        one = copy.copy(self)
        one._plan = {plan.name: plan.steps for plan in recipe.candidates}
        return failed_record(one._identity(recipe.candidates[0].name), error)

    @cached_property
    def _shared(self) -> list[Built]:
        """Every candidate of this recipe, the teacher first, beside those of the trials."""
        return self._build()[0]

    def maps_of_all(self) -> None:
        """Compares maps and people of every candidate in one pass: what trials find of it, they need not do."""
        self._measuring().maps(self._shared)

    def train_along(self) -> None:
        """Goes through the candidates in the first process's order."""
        self._journal = Journal(self._call.out / JOURNAL)
        builder = self._builder()
        for name, steps in self._plan.items():
            # The first process fails alike, and records it.
            with suppress(*CANDIDATE_ERRORS):
                builder.follow(name, steps)

    def _identity(self, name: str) -> Identity:
        recipe = self._call.recipe
        steps = tuple(step.model_dump(mode="json") for step in self._plan[name])
        frames = (
            self._sample.digest,
            None if self._clip is None else self._clip.digest,
            None if self._labelled is None else self._labelled.digest,
        )
        learnt = self._workshop.targets.key if any(step.learns for step in self._plan[name]) else None
        asked: list[Any] = [
            self._teacher.id,
            steps,
            frames,
            recipe.scales,
            recipe.measure.model_dump(mode="json"),
            learnt,
        ]
        asked.append(content_of_files(self._plan[name]))
        return Identity(
            name=name,
            role="teacher" if name == TEACHER_ROW else "candidate",
            key=fact_key("record", 1, *asked),
            teacher=recipe.teacher,
            steps=steps,
            conditions=self._conditions,
            licence=self._teacher.licence,
        )

    def _open_workshop(self) -> Workshop:
        recipe, seed = self._call.recipe, self._call.recipe.data.seed
        work = self._call.out / WORK
        if recipe.training is None or not (recipe.learns or self._sharing):
            return Workshop(seed, folder=work, reporter=self._reporter)
        targets = TeacherTargets(
            self._teacher, recipe.training, self._load_teacher, cache_folder() / "targets", seed, self._reporter
        )
        assert targets.frames  # opened before anything is computed: a source that cannot be used is a mistake
        return Workshop(seed, targets, work, self._reporter)

    def _load_teacher(self) -> TeacherFn:
        session = RUNTIMES["onnxruntime"].load(self._builder().all_stages_file(), usable_cores())
        last = stage_outputs(len(self._teacher.spec.stages))
        return lambda image: cast(tuple[Array, Array], tuple(session.outputs(image, last)))

    def _build(self) -> tuple[list[Built], dict[str, str]]:
        builder = self._builder(None if self._sharing is None else self._sharing.folder)
        built: list[Built] = []
        errors: dict[str, str] = {}
        for name in self._reporter.track(self._plan, "candidates", len(self._plan)):
            recipe = self._call.recipe if name == TEACHER_ROW else self._call.recipe.only(name)
            try:
                built.append(builder.build(name, self._plan[name], recipe.to_yaml()))
            except CANDIDATE_ERRORS as error:
                if name == TEACHER_ROW:
                    raise  # without the teacher there is nothing to compare with
                errors[name] = f"{type(error).__name__}: {error}"
        return built, errors

    @cached_property
    def _inputs(self) -> list[Array]:
        multiple, scale = self._teacher.spec.multiple, min(1.0, *self._call.recipe.scales)
        frames = zip(self._sample.frames(), range(_PARITY_FRAMES), strict=False)
        return [prepare(frame.image, scale, multiple) for frame, _ in frames]

    def _builder(self, folder: Path | None = None) -> Builder:
        out = self._call.out
        return Builder(
            teacher=self._teacher,
            workshop=self._workshop,
            folder=folder or out / CANDIDATES,
            all_stages=out / WORK / f"all-stages-{self._teacher.id}.onnx",
            journal=self._journal,
            inputs=self._inputs,
        )

    def _measuring(self) -> Measuring:
        return Measuring(
            recipe=self._call.recipe,
            sample=self._sample,
            image=self._image,
            clip=self._clip,
            labelled=self._labelled,
            journal=self._journal,
            reporter=self._reporter,
            all_stages=self._builder().all_stages_file(),
            sharing=self._sharing,
        )
