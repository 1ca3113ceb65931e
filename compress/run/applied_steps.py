"""Steps applied one after the other, so that a candidate is the same network whoever builds it on a machine."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from compress.core.candidate import Candidate
from compress.steps.base import Step
from compress.steps.context import StepContext

_MOST = 8
"""Threads of one step; a search's workers may have fewer cores than that each."""


def apply_steps(candidate: Candidate, steps: Sequence[Step], context: StepContext) -> Candidate:
    """The candidate after all steps.

    torch adds up in another order with another number of threads, and a reconstruction makes the last bits large. A
    worker of a search has some of the cores, a run alone has all. So the number of threads is the machine's in both.
    Steps that learn set their own.
    """
    for step in steps:
        with _as_many_threads_everywhere():
            candidate = step.apply(candidate, context)
    return candidate


@contextmanager
def _as_many_threads_everywhere() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(min(_MOST, os.cpu_count() or 1))
    try:
        yield
    finally:
        torch.set_num_threads(before)
