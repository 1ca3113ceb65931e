"""The device, its precision and the other processes. accelerate is imported here only; under torchrun it finds them."""

from typing import Any

import torch
from torch import Tensor, nn


class Engine:
    """One process of a training: alone, or one of several that torchrun started."""

    def __init__(self, accumulate: int = 1) -> None:
        """bf16 where a GPU has it; a CPU computes in fp32."""
        from accelerate import Accelerator  # noqa: PLC0415 - takes a second, and most commands never train

        self.precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
        self._accelerator = Accelerator(mixed_precision=self.precision, gradient_accumulation_steps=accumulate)

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

    def accumulate(self, module: nn.Module) -> Any:
        """Within it, gradients are added up; the optimiser acts in the last part of a batch."""
        return self._accelerator.accumulate(module)

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

    def wait(self) -> None:
        """Until all processes have come here."""
        self._accelerator.wait_for_everyone()
