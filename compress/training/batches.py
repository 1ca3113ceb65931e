"""The order in which samples are seen, and the threads that cut them out while the network computes.

Sample number p of a training is frame `order(epoch)[p mod n]`, changed by a generator of its own, seeded with p. So
any step can be begun at without what came before, and processes share a batch without talking.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from compress.training.samples import TrainingSample

_AHEAD = 3


class Samples(Protocol):
    """What can be learnt from."""

    def __len__(self) -> int: ...

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """A crop; the same one for the same state of the generator."""


class BatchSpec(NamedTuple):
    """How a batch is shared out."""

    batch: int
    share: int
    """Processes times parts: a batch's size is a multiple of it."""
    seed: int


@runtime_checkable
class BatchSampler(Protocol):
    """Samples that decide themselves which of them go together."""

    def dealt(self, step: int, dealing: BatchSpec) -> list[int]:
        """The samples of a step's batch, over all processes and parts."""


@runtime_checkable
class BatchMaker(Protocol):
    """Samples that are made a batch at a time, on the device."""

    def batch(self, step: int) -> "Batch":
        """The whole batch of a step, the same one for the same step."""


class Batch(NamedTuple):
    """Samples side by side."""

    images: Tensor
    """(N, 3, H, W) uint8, channels last."""
    heatmaps: Tensor
    pafs: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "Batch":
        """On that device, the images as floating point."""
        images, *rest = (tensor.to(device, non_blocking=True) for tensor in self)
        return Batch(images.float(), *rest)


@dataclass(frozen=True)
class Order:
    """Which samples a process sees."""

    samples: Samples
    batch: int
    """Over all processes and parts."""
    seed: int
    rank: int = 0
    world: int = 1
    parts: int = 1

    def batch_of(self, step: int, part: int) -> Batch:
        """This process's share of one part of a step's batch."""
        if isinstance(self.samples, BatchMaker):
            return Batch(*(whole[self.rank :: self.world][part :: self.parts] for whole in self.samples.batch(step)))
        if isinstance(self.samples, BatchSampler):
            whole = self.samples.dealt(step, BatchSpec(self.batch, self.world * self.parts, self.seed))
            mine = list(enumerate(whole))[self.rank :: self.world][part :: self.parts]
            generators = [np.random.default_rng([self.seed, 2, step, place]) for place, _ in mine]
            return stack([self.samples.sample(index, rng) for (_, index), rng in zip(mine, generators, strict=True)])
        positions = range(step * self.batch, (step + 1) * self.batch)[self.rank :: self.world][part :: self.parts]
        return stack([self._sample(position) for position in positions])

    def _sample(self, position: int) -> TrainingSample:
        count = len(self.samples)
        epoch, place = divmod(position, count)
        order = np.random.default_rng([self.seed, 1, epoch]).permutation(count)
        return self.samples.sample(int(order[place]), np.random.default_rng([self.seed, 2, position]))

    def from_step(self, first: int, steps: int, threads: int) -> Iterator[list[Batch]]:
        """Each step's parts, a few steps ahead of the training."""
        waiting: deque[list[Future[Batch]]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            try:
                for step in range(first, steps):
                    waiting.append([pool.submit(self.batch_of, step, part) for part in range(self.parts)])
                    if len(waiting) > _AHEAD:
                        yield [found.result() for found in waiting.popleft()]
                while waiting:
                    yield [found.result() for found in waiting.popleft()]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def stack(samples: list[TrainingSample]) -> Batch:
    """Samples of one crop size as tensors."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)
    heatmaps, pafs, mask = (torch.from_numpy(np.stack([sample[part] for sample in samples])) for part in (1, 2, 3))
    return Batch(images, heatmaps, pafs, mask)
