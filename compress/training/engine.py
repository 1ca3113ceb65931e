"""The device, its precision and the other processes. accelerate is imported here only; under torchrun it finds them."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

_PATIENCE = timedelta(days=7)
"""How long processes wait for each other: the first may ask the teacher, or export and compare, for hours."""


def is_follower() -> bool:
    """Whether torchrun started this process beside a first one, which alone writes and reports."""
    return int(os.environ.get("RANK", "0")) > 0


def processes() -> tuple[int, int]:
    """This process's rank and how many there are; (0, 1) without torchrun."""
    return int(os.environ.get("RANK", "0")), _processes()


def wait_for_all() -> None:
    """Until all processes that torchrun started have come here; a process that is alone goes on."""
    if _processes() > 1:
        Engine().wait()


@contextmanager
def main_process_first() -> Iterator[None]:
    """The first process goes through the block while the others wait before it, then they follow."""
    if is_follower():
        wait_for_all()
    try:
        yield
    finally:  # also where it fails, for they would wait for ever
        if not is_follower():
            wait_for_all()


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _precision() -> str:
    """The narrower one that the device computes well in; no: single precision."""
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"


class Engine:
    """One process of a training: alone, or one of several that torchrun started."""

    def __init__(self, accumulate: int = 1, narrow: bool = True) -> None:
        """narrow: bf16 where a GPU has it; a CPU computes in fp32."""
        # Takes a second, and most commands never train.
        from accelerate import Accelerator  # noqa: PLC0415
        from accelerate.utils import InitProcessGroupKwargs  # noqa: PLC0415

        self.precision = _precision() if narrow else "no"
        # On CPUs accelerate overlooks torchrun unless it is told: each process would train all by itself.
        self._accelerator = Accelerator(
            cpu=_processes() > 1 and not torch.cuda.is_available(),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_PATIENCE)],
            mixed_precision="no",  # else all trainings of a process would have to share one
            gradient_accumulation_steps=accumulate,
        )

    @property
    def device(self) -> torch.device:
        found: torch.device = self._accelerator.device
        return found

    @property
    def rank(self) -> int:
        return int(self._accelerator.process_index)

    @property
    def world(self) -> int:
        """How many processes there are."""
        return int(self._accelerator.num_processes)

    def prepare(self, module: nn.Module, optimiser: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Both, moved to the device and tied to the other processes."""
        found: tuple[nn.Module, torch.optim.Optimizer] = self._accelerator.prepare(module, optimiser)
        return found

    def autocast(self) -> AbstractContextManager[None]:
        """Within it, convolutions compute in the engine's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def accumulate(self, module: nn.Module) -> Any:
        """Within it, gradients are added up; the optimiser acts in the last part of a batch."""
        return self._accelerator.accumulate(module)

    def accumulate_in(self, parts: int) -> None:
        """From now on a batch has so many parts; counting begins anew, for one that was broken off."""
        self._accelerator.gradient_accumulation_steps = parts
        self._accelerator.step = 0

    def backward(self, loss: Tensor) -> None:
        self._accelerator.backward(loss)

    def clip(self, module: nn.Module, longest: float) -> None:
        """Shortens the gradient where the optimiser is about to act."""
        if self._accelerator.sync_gradients:
            self._accelerator.clip_grad_norm_(module.parameters(), longest)

    def mean(self, value: Tensor) -> Tensor:
        """Over all processes."""
        found: Tensor = self._accelerator.reduce(value, reduction="mean")
        return found

    def from_first(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The first process's, in all of them."""
        from accelerate.utils import broadcast  # noqa: PLC0415

        found: dict[str, Tensor] = broadcast(tensors)
        return found

    def wait(self) -> None:
        """Until all processes have come here."""
        self._accelerator.wait_for_everyone()
