"""A candidate is the same network with whatever threads its process came."""

import os
from collections.abc import Iterator
from typing import cast

import pytest
import torch
from conftest import LICENCE
from training_targets import tiny_teacher

from compress.core.candidate import Candidate
from compress.run.applied_steps import apply_steps
from compress.steps.base import Step
from compress.steps.context import StepContext


class _Adds:
    """Notes with how many threads torch adds up."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def apply(self, candidate: Candidate, context: StepContext) -> Candidate:
        self.threads.append(torch.get_num_threads())
        torch.set_num_threads(1)  # as a training does, which has its own
        return candidate


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("given", [1, 3])
@pytest.mark.usefixtures("threads")
def test_steps_have_the_machines_threads_whatever_the_process_has(given: int) -> None:
    torch.set_num_threads(given)
    step, teacher = _Adds(), Candidate.of(tiny_teacher(), LICENCE)
    apply_steps(teacher, cast(list[Step], [step, step]), StepContext(seed=0))
    assert step.threads == [min(8, os.cpu_count() or 1)] * 2
    assert torch.get_num_threads() == given
