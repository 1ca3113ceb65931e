"""The training loop: one update after the other, the weights averaged, looked at now and then, and never lost.

Killed at any moment and called again it goes on from its last checkpoint to the same result: the order of the data and
every random number follow from the seed and the number of the sample, and the checkpoint holds all else.
"""

import copy
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from compress.common.environment import usable_cores
from compress.common.progress import Reporter
from compress.common.time_limit import TimeIsUp
from compress.quantization.fake_quant import FakeQuantized
from compress.training.batches import Batch, BatchMaker, BatchSampler, Order, stack
from compress.training.checkpoint import TrainingState, load_state, optimiser_tensors, restore_optimiser
from compress.training.curve import Diverged, Follow, TrainingCurve, unfollowed
from compress.training.engine import Engine
from compress.training.job import Trained, TrainingJob
from compress.training.reparameterization import Reparameterization, TrainingNetwork
from compress.training.schedule import Schedule
from compress.training.student import AveragedWeights, groups, make_student
from compress.training.update import Updater
from compress.training.validation import validate
from compress.training.whitening import precondition
from teachers.checkpoint import save_model
from teachers.common.errors import UserError
from teachers.posenet import PoseNet, first_stages

CHECKPOINT, BEST = "checkpoint.safetensors", "best"
_SECONDS_BETWEEN_CHECKPOINTS = 60.0
_CALIBRATION = 32
"""Samples from which batch norms take their first statistics."""
_SLOPES = 8
"""Batches over which the slopes of the loss are averaged."""


class Trainer:
    """One training in one folder, by this process or by several."""

    def __init__(self, job: TrainingJob, folder: Path, reporter: Reporter, follow: Follow = unfollowed) -> None:
        """follow: told every point of the curves as it comes."""
        self._job, self._folder, self._reporter, self._follow = job, folder, reporter, follow
        _use_all_cores()
        torch.manual_seed(job.seed)  # the only numbers drawn from torch are those of new branches and hints
        self._engine = engine = Engine(job.schedule.gradient_accumulation, _bears_bf16(job.reparameterization))
        require_even(job.schedule, engine.world)
        self._order = Order(
            job.samples,
            job.schedule.batch_size,
            job.seed,
            engine.rank,
            engine.world,
            job.schedule.gradient_accumulation,
        )
        # A copy, too: deciding the first units of the weights it works on the CPU, then beside the student.
        self._answers = None if job.answers is None else copy.deepcopy(job.answers)
        self._student = make_student(job.network, job.reparameterization, job.loss, job.energies, job.teacher)
        state = load_state(folder / CHECKPOINT)
        if state is None:
            self._student.network.calibrate(self._first_images())
            self._precondition()
        self._student.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
        optimiser = torch.optim.AdamW(groups(self._student, job.schedule.weight_decay), job.schedule.learning_rate)
        self._updater = Updater(engine, self._student, optimiser, job.schedule, reporter)
        # A copy: the run's own teacher stays where it is, other steps compare with it there.
        self._updater.teacher = None if job.teacher is None else copy.deepcopy(job.teacher).to(engine.device)
        self._updater.answers = None if self._answers is None else self._answers.to(engine.device)
        self._average = AveragedWeights(self._student)
        self._best = dict(self._average.tensors)
        self._curve = TrainingCurve(job.schedule, follow=follow)
        self._step = 0
        if state is not None:
            self._restore(state)

    def run(self) -> Trained:
        """All steps that are still to be done. UserError where the loss is no longer a number, or memory is short."""
        schedule, first = self._job.schedule, self._step
        if not self._curve.facts["validations"]:
            self._look()
        started = saved = time.monotonic()
        steps = first if self._has_stalled() else schedule.steps
        batches = self._order.from_step(first, steps, _threads(self._engine))
        with self._keeping_the_best():
            for parts in self._reporter.track(batches, "training", schedule.steps, first, self._curve.words):
                self._curve.add(self._step, self._update(parts))
                self._step += 1
                last = self._step == schedule.steps
                if last or self._step % schedule.validate_every == 0:
                    self._look()
                    last |= self._has_stalled()
                now = time.monotonic()
                late = not last and self._is_late()
                if last or late or now - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                    self._curve.facts["seconds"] += now - saved
                    saved = now
                    self._save()
                if late:
                    raise TimeIsUp(f"training stopped at step {self._step} of {schedule.steps}, and is kept")
                if last:
                    break
        self._engine.wait()
        return self._finished((self._step - first) * schedule.batch_size / max(1e-9, time.monotonic() - started))

    def losses_at(self, rates: Sequence[float]) -> Iterator[float]:
        """The losses of steps at these learning rates, in place of a training: nothing is validated or kept."""
        batches = self._order.from_step(0, len(rates), _threads(self._engine))
        for step, (rate, parts) in enumerate(zip(rates, batches, strict=True)):
            yield float(self._engine.mean(self._updater(parts, step, rate)))

    def _update(self, parts: Sequence[Batch]) -> Tensor:
        """One step; the mean loss of its parts."""
        loss = self._updater(parts, self._step, self._job.schedule.rate(self._step))
        self._average.update(self._student, self._job.schedule.memory(self._step))
        return self._engine.mean(loss)  # the same in all processes, so that all of them stop where it is no number

    def _answered(self, batch: Batch) -> Batch:
        return batch if self._answers is None else self._answers(batch)

    def _look(self) -> None:
        """Validates the averaged weights, and keeps them if they are the best."""
        self._curve.flush()
        network = self._shipped(self._average)
        if self._curve.look(self._step, validate(network, self._job.held_out, self._engine.device)):
            self._best = {name: tensor.clone() for name, tensor in self._average.tensors.items()}

    @contextmanager
    def _keeping_the_best(self) -> Iterator[None]:
        """Where the training diverges, the best weights so far stay as a model's folder, and the error says so."""
        try:
            yield
        except Diverged as error:
            best, folder = self._curve.best(), self._folder / BEST
            shipped = self._shipped(self._best_average())
            if not best or not best["step"] or self._job.licence is None or isinstance(shipped, FakeQuantized):
                raise
            if self._engine.rank == 0:
                save_model(folder, shipped, self._job.licence)
            raise UserError(f"{error}. The best weights, of step {best['step']:.0f}, are kept in {folder}") from error

    def _has_stalled(self) -> bool:
        """As the first process finds: batch norms make held-out maps differ a little from one to the other."""
        if self._job.schedule.patience is None:
            return False
        found = torch.tensor(float(self._curve.has_stalled()), device=self._engine.device)
        return bool(self._engine.from_first({"stalled": found})["stalled"])

    def _is_late(self) -> bool:
        """Several processes have clocks of their own: they agree whenever they validate."""
        limit = self._job.limit
        if limit.seconds is None or self._engine.world == 1:
            return limit.over()
        if self._step % self._job.schedule.validate_every:
            return False
        found = torch.tensor(float(limit.over()), device=self._engine.device)
        return bool(self._engine.from_first({"late": found})["late"])

    def _save(self) -> None:
        """By the first process alone; the others do not wait, as each looks at a clock of its own."""
        self._curve.flush()
        if self._engine.rank == 0:
            tensors = {
                "student": self._student.state_dict(),
                "average": self._average.tensors,
                "best": self._best,
                "optimiser": optimiser_tensors(self._updater.optimiser),
            }
            TrainingState(self._step, tensors, self._curve.facts).save(self._folder / CHECKPOINT)

    def _restore(self, state: TrainingState) -> None:
        try:
            self._student.load_state_dict(state.tensors["student"])
            restore_optimiser(self._updater.optimiser, state.tensors["optimiser"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise UserError(
                f"{self._folder / CHECKPOINT}: is of another network ({str(error).splitlines()[0]}); remove it"
            ) from error
        # Into tensors that lie in memory as the student's do: mixed layouts would slow every further step.
        self._best = _as_laid_out(state.tensors["best"], self._average.tensors)
        self._average.tensors = _as_laid_out(state.tensors["average"], self._average.tensors)
        self._curve = TrainingCurve(self._job.schedule, state.facts, self._follow)
        self._step = state.step

    def _finished(self, images_per_s: float) -> Trained:
        looks = self._curve.facts["validations"]
        best = self._curve.best()
        assert best is not None, "a training begins with a look at the held-out frames"
        average = self._best_average()
        facts = {
            "steps": self._step,
            "best_step": int(best["step"]),
            "before": looks[0],
            "best": best,
            "losses": self._curve.facts["losses"],
            "validations": looks,
            "seconds": self._curve.facts["seconds"],
            "images_per_s": images_per_s or None,
            "device": str(self._engine.device),
            "precision": self._engine.precision,
            "processes": self._engine.world,
        }
        shipped = self._shipped(average)
        if isinstance(shipped, FakeQuantized):
            return Trained(shipped.network, facts, shipped.quantization)
        return Trained(shipped, facts)

    def _best_average(self) -> AveragedWeights:
        average = AveragedWeights(self._student)
        # Batch norms' statistics are each process's own; only the first one's are in the checkpoint.
        average.tensors = self._engine.from_first(self._best)
        return average

    def _shipped(self, average: AveragedWeights) -> PoseNet | FakeQuantized:
        network = average.network(self._student)
        return network if isinstance(network, FakeQuantized) else first_stages(network, self._job.ship_stages)

    def _precondition(self) -> None:
        """Units of the weights by the slopes of the loss, where they have units."""
        convolutions = self._student.network.preconditioned()
        if not convolutions:
            return
        order = Order(self._job.samples, self._job.schedule.batch_size, self._job.seed)
        learnt = [parameter for conv in convolutions for parameter in conv.parameters()]
        squares = {parameter: torch.zeros_like(parameter) for parameter in learnt}
        for step in range(_SLOPES):
            self._student.zero_grad()
            self._student(self._answered(order.batch_of(step, 0).to(torch.device("cpu")))).backward()
            for parameter in learnt:
                if parameter.grad is not None:  # the loss may not ask for all of them
                    squares[parameter] += parameter.grad.square() / _SLOPES
        self._student.zero_grad()
        precondition(convolutions, squares)

    def _first_images(self) -> Tensor:
        job = self._job
        if isinstance(job.samples, BatchSampler | BatchMaker):
            return Order(job.samples, _CALIBRATION, job.seed).batch_of(0, 0).images.cpu().float()
        rng = np.random.default_rng([job.seed, 0])
        chosen = [job.samples.sample(int(rng.integers(len(job.samples))), rng) for _ in range(_CALIBRATION)]
        return stack(chosen).images.float()


def _bears_bf16(given: Reparameterization | TrainingNetwork) -> bool:
    """With batch norm. Weights that come trained nearly cancel: eight bits of them are too few (docs/training.md)."""
    return isinstance(given, Reparameterization) and given.batch_norm


def require_even(schedule: Schedule, processes: int) -> None:
    """UserError where a batch cannot be dealt out: shares of different sizes would weigh samples differently."""
    if schedule.batch_size % (schedule.gradient_accumulation * processes):
        raise UserError(
            f"schedule.batch_size: must be a multiple of gradient_accumulation times the processes, "
            f"{schedule.gradient_accumulation} x {processes}, got {schedule.batch_size}"
        )


def _as_laid_out(tensors: dict[str, Tensor], examples: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.empty_like(examples[name]).copy_(tensor) for name, tensor in tensors.items()}


def _use_all_cores() -> None:
    """torch counts a core with two threads once; the second thread is worth having (docs/training.md)."""
    wanted = max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    # Only where it differs: the threads are made anew at every call.
    if not torch.cuda.is_available() and torch.get_num_threads() != wanted:
        torch.set_num_threads(wanted)


def _threads(engine: Engine) -> int:
    """On a GPU the CPU has nothing better to do; on a CPU the network needs it."""
    return 1 if engine.device.type == "cpu" else max(1, min(16, (os.cpu_count() or 1) // engine.world))
