"""A teacher of one's own: a network learns from labelled people, and its folder becomes a MODEL.

Several processes that torchrun started train together. Each reads its own images; the first alone writes and speaks.
"""

import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.common.environment import environment
from compress.common.fact_cache import fact_key
from compress.common.progress import Reporter
from compress.common.run_folder import JOURNAL, RECIPE, RECORDS, WORK, Leaves, run_folder
from compress.core.built import LICENCE
from compress.core.candidate import content_id
from compress.teacher_training.checks import architecture_spec
from compress.teacher_training.recipe import TeacherRecipe
from compress.training.engine import Engine
from compress.training.job import Trained, TrainingJob
from compress.training.labelled_data import LabelledCrops, LabelledData, WholeImages, open_labelled
from compress.training.loop import Trainer, require_even
from students.init import fresh_network
from teachers.checkpoint import SPEC, WEIGHTS, is_model, save_model
from teachers.common.errors import UserError
from teachers.common.files import write_text
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.registry import load_teacher

TRAINING = "training.json"
_LEAVES = Leaves((TRAINING, SPEC, WEIGHTS, LICENCE, WORK, RECIPE), foreign=(RECORDS, JOURNAL))
_BEGUN = "begun.json"


@dataclass(frozen=True)
class TeacherCall:
    """What is asked for."""

    recipe: TeacherRecipe
    out: Path
    fresh: bool


@dataclass(frozen=True)
class TrainedTeacher:
    """What lies in the folder."""

    facts: dict[str, Any]
    """Of `Trained`, and `images`: how many were learnt from, held out and left out."""
    already: bool
    """An earlier call had finished it."""
    speaks: bool
    """Whether this is the process that reports."""


def train_teacher(call: TeacherCall, reporter: Reporter) -> TrainedTeacher:
    """Trains until the schedule's end, from the folder's checkpoint if there is one, and writes the model.

    UserError where the folder is another recipe's, the data are not those that the training began with, or nothing can
    be learnt from them.
    """
    engine, out = Engine(), call.out
    first = engine.rank == 0
    if not first:
        reporter = Reporter(quiet=True)
    require_even(call.recipe.schedule, engine.world)  # before a large label file is read
    with ExitStack() as stack:
        # One lock for all processes; the others wait for it below.
        claim = (
            stack.enter_context(run_folder(out, call.recipe.to_yaml(), call.fresh, _LEAVES)) if first else lambda: None
        )
        if not call.fresh and is_model(out) and (out / TRAINING).is_file():
            facts = json.loads((out / TRAINING).read_text(encoding="utf-8"))
            return TrainedTeacher(facts, True, first)
        network, licence = _beginning(call.recipe, reporter)
        data = _opened(call.recipe, network, reporter)
        begun = _begun(call, network, data)
        claim()
        if first:
            write_text(out / WORK / _BEGUN, begun)
        engine.wait()
        trained = Trainer(_job(call.recipe, network, data), out / WORK, reporter).run()
        counts = {"train": len(data.train), "held_out": len(data.held_out), "left_out": data.skipped}
        facts = {**trained.facts, "images": counts, "environment": environment()}
        if first:
            _write(out, trained, licence, facts)
        engine.wait()
    if trained.facts["best_step"] == 0:
        reporter.warn("training made nothing better on the held-out images; another learning_rate or more steps may")
    return TrainedTeacher(facts, False, first)


def _beginning(recipe: TeacherRecipe, reporter: Reporter) -> tuple[PoseNet, Licence]:
    """The network before its first step, and the terms of what will become of it."""
    plan = recipe.network
    names = ", ".join(Path(name).name for name in recipe.labels)
    if plan.begin_with is None:
        assert plan.architecture is not None, "a recipe names one of them"
        network = fresh_network(architecture_spec(plan.architecture, plan.stages), recipe.seed)
        return network, Licence(name=recipe.licence, source=f"trained from scratch on {names}")
    with reporter.download(f"weights of {plan.begin_with}") as on_bytes:
        network, given = load_teacher(plan.begin_with, on_bytes)
    # What is made from weights is under their terms too, whatever the images ask for.
    return network, Licence(
        name=f"{given.name}; for the images it was trained on: {recipe.licence}",
        source=f"{given.source or 'a source that was not stated'}; trained further on {names}",
        note=given.note,
    )


def _opened(recipe: TeacherRecipe, network: PoseNet, reporter: Reporter) -> LabelledData:
    data = reporter.wait(
        "reading labels",
        lambda: open_labelled(recipe.labels, recipe.images, recipe.validation, network.spec, recipe.seed),
    )
    reporter.say(
        f"{len(data.train)} images to learn from, {len(data.held_out)} held out; {data.skipped} left out, which show "
        "no labelled person, or are not there"
    )
    return data


def _begun(call: TeacherCall, network: PoseNet, data: LabelledData) -> str:
    """What a training depends on besides its recipe; UserError if the one in the folder began with something else."""
    text = json.dumps({"key": fact_key("teacher training", 1, data.digest, content_id(network))}) + "\n"
    path = call.out / WORK / _BEGUN
    if not call.fresh and path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UserError(
            f"{call.out}: the training here began with other labels, images or weights than lie there now; put them "
            "back, or --fresh to start over here"
        )
    return text


def _job(recipe: TeacherRecipe, network: PoseNet, data: LabelledData) -> TrainingJob:
    crops = LabelledCrops(data.train, network.spec, recipe.augmentation, recipe.schedule.crop)
    return TrainingJob(
        network=network,
        samples=crops,
        held_out=WholeImages(data.held_out, network.spec),
        energies=crops.energies(recipe.seed),
        schedule=recipe.schedule,
        loss=recipe.loss,
        reparameterization=recipe.reparameterization,
        seed=recipe.seed,
        ship_stages=len(network.spec.stages),
    )


def _write(out: Path, trained: Trained, licence: Licence, facts: dict[str, Any]) -> None:
    """The model; its spec comes last, so that a folder with one is finished. Then the checkpoint is of no more use."""
    write_text(out / TRAINING, json.dumps(facts, indent=1) + "\n")
    save_model(out, trained.network.eval(), licence)
    shutil.rmtree(out / WORK)
