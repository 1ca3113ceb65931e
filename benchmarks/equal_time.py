"""What an ensemble of the teacher's answers is worth, and fresh views against stored ones, after equal time.

    python benchmarks/equal_time.py recipes/students_stages.yaml [--set PATH=VALUE]... [--minutes 20] [--stages 3]
                                    [--stored 6000] [--work equal-time] [--out equal_time.json]

Four trainings of the same student from the same seed, by the recipe's views and its first step `distill`: the teacher's
single answer and the recipe's ensemble, each asked online and stored for --stored views. Each has so many minutes in
all: the time for storing answers counts, then some steps are timed, and the cosine schedule gets as many as fit. All
are validated on the same held-out views, answered by the ensemble. Looking for people is done before and not counted.
"""

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from compress.common.display import shown
from compress.common.progress import Reporter
from compress.recipe.loader import load_recipe
from compress.run.inputs import RunInputs, open_inputs
from compress.steps.context import StepContext
from compress.steps.distill import Distill
from compress.steps.remove_stages import RemoveStages
from compress.steps.student_training import training_job
from compress.training.loop import Trainer
from compress.training.lr_range import rates
from compress.training.teacher_targets import TeacherTargets
from compress.training.validation import validate
from compress.training.view_settings import Ensemble
from teachers.common.files import write_text

VARIANTS = (("single", "online"), ("ensemble", "online"), ("single", "cached"), ("ensemble", "cached"))
_TIMED = 12


def variant(targets: TeacherTargets, options: argparse.Namespace, answer: str, mode: str) -> TeacherTargets:
    """The recipe's targets, answered in another way; stored answers lie in a folder of their own and begin empty."""
    changes: dict[str, Any] = {"teacher": mode, "stored_views": options.stored}
    if answer == "single":
        changes["ensemble"] = Ensemble()
    return replace(targets, plan=targets.plan.model_copy(update=changes))


def train(inputs: RunInputs, targets: TeacherTargets, distill: Distill, options: argparse.Namespace) -> dict[str, Any]:
    """One variant's facts: how many steps fitted, and the held-out L2 against the ensemble."""
    context = StepContext(inputs.recipe.data.seed, targets, None, Reporter())
    candidate = RemoveStages(stages=options.stages).apply(inputs.teacher, context)
    targets.prepare()
    started = time.monotonic()
    work = options.work / "training"
    shutil.rmtree(work, ignore_errors=True)
    job = training_job(distill.training(candidate, context, "0"), context)
    stored_s = time.monotonic() - started
    losses = Trainer(job, work / "timed", Reporter(quiet=True)).losses_at(rates(1e-7, 1e-6, _TIMED))
    next(losses)
    timed = time.monotonic()
    count = sum(1 for _ in losses)
    step_s = (time.monotonic() - timed) / count
    left = 60 * options.minutes - stored_s
    if left < 20 * step_s:
        return {"steps": 0, "note": f"storing took {stored_s / 60:.1f} minutes: no time is left to train"}
    steps = int(left / step_s)
    schedule = distill.schedule.model_copy(update={"steps": steps, "validate_every": max(1, steps // 8)})
    trained = Trainer(replace(job, schedule=schedule), work / "run", Reporter()).run()
    found = validate(trained.network, options.reference, torch.device("cpu"))
    return {
        "steps": steps,
        "views": steps * schedule.batch_size,
        "storing_minutes": stored_s / 60,
        "minutes": (time.monotonic() - started) / 60,
        "joint_rel_l2": found.joint_rel_l2,
        "paf_rel_l2": found.paf_rel_l2,
        "oks": found.people.oks,
        "people_recall": found.people.people_recall,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--stages", type=int, default=3)
    parser.add_argument("--stored", type=int, default=6000)
    parser.add_argument("--work", type=Path, default=Path("equal-time"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, options.set)
    distill = next(step for plan in recipe.candidates for step in plan.steps if isinstance(step, Distill))
    facts: dict[str, Any] = {}
    with shown():
        inputs = open_inputs(recipe, options.work, Reporter(), True)
        assert inputs.targets is not None and inputs.targets.views is not None, "a recipe with training.views is needed"
        shared = replace(inputs.targets, store=options.work / "answers")
        options.reference = shared.held_out
        for answer, mode in VARIANTS:
            facts[f"{answer} {mode}"] = train(inputs, variant(shared, options, answer, mode), distill, options)
            print(json.dumps({f"{answer} {mode}": facts[f"{answer} {mode}"]}), flush=True)
            if options.out:
                write_text(options.out, json.dumps(facts, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
