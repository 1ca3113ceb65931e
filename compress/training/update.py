"""One update of the weights: forward, loss, backward, clipping, optimiser; in smaller parts where memory is short."""

from collections.abc import Sequence

import torch
from torch import Tensor

from compress.common.progress import Reporter
from compress.training.batches import Batch
from compress.training.engine import Engine
from compress.training.schedule import Schedule
from compress.training.student import Student
from compress.training.view_answers import TeacherAnswers
from teachers.common.errors import UserError
from teachers.posenet import PoseNet


class Updater:
    """Student and optimiser on the device. Where it runs out of memory, a part of a batch is halved, once.

    Gradients of both halves are added up, so the optimiser sees the same batch. Batch norms see half of it.
    """

    def __init__(
        self, engine: Engine, student: Student, optimiser: torch.optim.Optimizer, schedule: Schedule, reporter: Reporter
    ) -> None:
        self.student, self._engine, self._schedule, self._reporter = student, engine, schedule, reporter
        self.module, self.optimiser = engine.prepare(student, optimiser)
        self.answers: TeacherAnswers | None = None
        """What gives the samples their maps, on the device."""
        self.teacher: PoseNet | None = None
        """Whose features are hinted at, on the device."""
        self._pieces = 1

    def __call__(self, parts: Sequence[Batch], step: int, rate: float) -> Tensor:
        """Step `step`, from 0, at a learning rate; the mean loss of its parts."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.module.train()
        while True:
            try:
                return self._summed(parts)
            except (RuntimeError, MemoryError) as error:
                if not _is_short_of_memory(error):
                    raise
                self._halve(len(parts[0].images), step, error)
            # Out of the handler: its traceback holds the tensors of the attempt.
            self._forget()

    def _summed(self, parts: Sequence[Batch]) -> Tensor:
        pieces = [piece for part in parts for piece in split(part, self._pieces)]
        total = torch.zeros((), device=self._engine.device)
        for piece in pieces:
            total += self._backward(piece) / len(pieces)
        return total

    def _backward(self, piece: Batch) -> Tensor:
        engine = self._engine
        batch = piece.to(engine.device)
        if self.answers is not None:
            batch = self.answers(batch)
        with engine.accumulate(self.module):
            hints = self._hints(batch)
            with engine.autocast():
                loss: Tensor = self.module(batch, hints)
            engine.backward(loss)
            engine.clip(self.module, self._schedule.max_grad_norm)
            self.optimiser.step()
            self.optimiser.zero_grad()
        return loss.detach()

    @torch.no_grad()
    def _hints(self, batch: Batch) -> Tensor | None:
        return None if self.teacher is None else self.teacher.features(batch.images)

    def _halve(self, views: int, step: int, error: BaseException) -> None:
        """UserError where that was done before, or there is nothing to halve."""
        where, short = self._engine.device, "a smaller batch_size or a larger schedule.gradient_accumulation would do"
        if self._pieces > 1 or views == 1:
            raise UserError(
                f"training: step {step}: {where} has not enough memory for {views // self._pieces} images at a time; "
                f"smaller images would do, or {short}; the last checkpoint is kept"
            ) from error
        if self._engine.world > 1:  # the others are in the middle of an exchange, and cannot halve with it
            raise UserError(
                f"training: step {step}: {where} ran out of memory; {short}; the last checkpoint is kept"
            ) from error
        self._pieces = next(count for count in range(2, views + 1) if views % count == 0)
        self._reporter.warn(
            f"training: step {step}: {where} ran out of memory; batches go through in parts of {views // self._pieces} "
            f"from now on, gradients are added up, so that the optimiser sees the same batch"
        )

    def _forget(self) -> None:
        """What a broken-off attempt left behind."""
        self.student.zero_grad(set_to_none=True)
        if self._engine.device.type == "cuda":
            torch.cuda.empty_cache()  # memory that is cut into pieces of the old size
        self._engine.accumulate_in(self._schedule.gradient_accumulation * self._pieces)


def split(batch: Batch, pieces: int) -> list[Batch]:
    """Every n-th sample together; all pieces are of one size."""
    return [batch] if pieces == 1 else [Batch(*(tensor[piece::pieces] for tensor in batch)) for piece in range(pieces)]


def _is_short_of_memory(error: BaseException) -> bool:
    """torch has a type for devices; on a CPU it is a RuntimeError that names its allocator."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)
