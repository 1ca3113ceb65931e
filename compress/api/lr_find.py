"""The learning-rate range test of a recipe's training: curve, picture and a rate to begin with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from compress.common.progress import Reporter
from compress.recipe.models import Recipe
from compress.report.figures.lr_range import lr_png
from compress.run.applied_steps import apply_steps
from compress.run.inputs import open_inputs
from compress.run.runner import Planned, planned
from compress.steps.base import Step
from compress.steps.context import StepContext
from compress.steps.distill import Distill
from compress.steps.student_training import training_job
from compress.training.loop import Trainer
from compress.training.lr_range import LrCurve, range_test, rates
from teachers.common.errors import UserError
from teachers.common.files import write_bytes, write_text
from teachers.zoo import nearest

TABLE, PICTURE = "learning_rates.csv", "learning_rates.png"


@dataclass(frozen=True)
class LrCall:
    """Which training, and which rates."""

    recipe: Recipe
    out: Path
    candidate: str | None = None
    """Left out, the first that is trained."""
    low: float = 1e-6
    high: float = 1.0
    steps: int = 100


def lr_find(call: LrCall, reporter: Reporter) -> LrCurve:
    """Trains from the lowest rate on; leaves a table and a picture in `out`, and no weights.

    UserError where no candidate is trained, or the rates cannot be.
    """
    if not 0 < call.low < call.high or call.steps < 10:
        raise UserError(
            f"rates: the lowest must be above 0 and below the highest, and 10 steps or more between, got {call.low:g}, "
            f"{call.high:g} and {call.steps}"
        )
    plan = _plan(call)
    before, distill = _until_trained(plan.steps)
    with TemporaryDirectory() as folder:
        inputs = open_inputs(call.recipe, Path(folder), reporter, True)
        context = StepContext(call.recipe.data.seed, inputs.targets, None, reporter, building=plan.name)
        candidate = apply_steps(inputs.teacher, before, context)
        job = training_job(distill.training(candidate, context, f"{len(before)}"), context)
        wanted = rates(call.low, call.high, call.steps)
        losses = Trainer(job, Path(folder) / "training", reporter).losses_at(wanted)
        curve = range_test(wanted, reporter.track(losses, "learning rates", call.steps))
    if not curve.points:
        raise UserError(f"the loss is no number at the first rate, {call.low:g}; a lower one would do")
    rows = [f"{point.rate:.6g},{point.loss:.6g},{point.smoothed:.6g}" for point in curve.points]
    call.out.mkdir(parents=True, exist_ok=True)
    write_text(call.out / TABLE, "\n".join(["learning_rate,loss,smoothed_loss", *rows]) + "\n")
    write_bytes(call.out / PICTURE, lr_png(curve))
    return curve


def _plan(call: LrCall) -> Planned:
    plans = {plan.name: plan for plan in planned(call.recipe) if any(isinstance(one, Distill) for one in plan.steps)}
    if not plans:
        raise UserError("the recipe trains no candidate: none has a step distill")
    if call.candidate is None:
        return next(iter(plans.values()))
    if call.candidate not in plans:
        known = list(plans)
        raise UserError(
            f"--candidate: no candidate that is trained is called {call.candidate!r}"
            f"{nearest(call.candidate, known)}; there are {', '.join(known)}"
        )
    return plans[call.candidate]


def _until_trained(steps: Sequence[Step]) -> tuple[Sequence[Step], Distill]:
    """The steps before the first training, and it."""
    for place, step in enumerate(steps):
        if isinstance(step, Distill):
            return steps[:place], step
    raise AssertionError("chosen among candidates that are trained")
