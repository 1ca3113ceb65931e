"""Whole frames to learn from, in batches of one shape: nothing is cut, so the student sees what the teacher saw.

A crop lacks what lies beyond its edges, and stages that look far learn to make up for it: on crops they get better
while they get worse on the whole frames that they are for (docs/training.md has the numbers).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from compress.training.batches import BatchSpec
from compress.training.crops import FrameBalance, full_frame
from compress.training.samples import TrainingSample
from compress.training.target_cache import CachedTarget, TargetIndex
from teachers.spec import PoseNetSpec

_Batches = list[list[int]]


@dataclass(frozen=True)
class FullFrames:
    """The cached frames, each at each of its scales."""

    filled: TargetIndex
    spec: PoseNetSpec
    pixels: int
    """Of one frame of the batch that is asked for: of larger frames a batch has fewer, of smaller ones more."""
    balance: FrameBalance | None = None
    _dealt: dict[tuple[int, int], _Batches] = field(default_factory=dict, compare=False)

    @cached_property
    def entries(self) -> Sequence[CachedTarget]:
        """Every frame at every scale."""
        return [entry for entries in self.filled.entries for entry in entries]

    @cached_property
    def shapes(self) -> dict[tuple[int, int], list[int]]:
        """Rows and columns of cells -> which entries have as many."""
        found: dict[tuple[int, int], list[int]] = {}
        for index, entry in enumerate(self.entries):
            rows, columns = entry.load()[1].shape[1:]
            found.setdefault((rows, columns), []).append(index)
        return found

    def __len__(self) -> int:
        return len(self.entries)

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """The frame as it is; there is nothing to draw."""
        return full_frame(self.entries[index], self.spec, self.balance)

    def dealt(self, step: int, dealing: BatchSpec) -> list[int]:
        """The entries of a step's batch, all of one shape, over all processes and parts."""
        epoch = 0
        while step >= len(batches := self._batches(epoch, dealing)):
            step, epoch = step - len(batches), epoch + 1
        return batches[step]

    def _batches(self, epoch: int, dealing: BatchSpec) -> _Batches:
        """One epoch's, in their order; an entry that finds no place in a full share waits for another epoch."""
        key = (dealing.seed, epoch)
        if key not in self._dealt:
            rng = np.random.default_rng([dealing.seed, 3, epoch])
            batches: _Batches = []
            for (rows, columns), members in sorted(self.shapes.items()):
                fitting = dealing.batch * self.pixels / (rows * columns * self.spec.stride**2)
                size = max(1, round(fitting / dealing.share)) * dealing.share
                order = rng.permutation(members).tolist()
                order = order[: len(order) // dealing.share * dealing.share]
                batches += [order[first : first + size] for first in range(0, len(order), size)]
            if not batches:
                raise ValueError("fewer frames of every shape than processes and parts")
            self._dealt[key] = [batches[place] for place in rng.permutation(len(batches))]
        return self._dealt[key]
