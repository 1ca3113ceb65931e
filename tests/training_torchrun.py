"""What each of two processes does that train together, as torchrun would start them.

One start for several trainings, and forked from a server that has imported torch: importing takes far longer than any
of them. torchrun itself starts those of test_search_torchrun.py.
"""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compress_children import in_two
from safetensors.torch import save_file
from training_jobs import PLAIN, one_thread, tiny_job, tiny_schedule, train, weights

from compress.cli.main import run_command
from compress.export.onnx_export import load_graph
from compress.run import builder, teacher_stages
from compress.training import loop
from compress.training.samples import TrainingSample
from teachers.common.errors import UserError


def patch_run(patch: pytest.MonkeyPatch, export: Path, cache: Path) -> None:
    """A run without torch's exporter, which takes seconds; that its artefact is then another network does not matter.

    The tiny teacher's maps are faint: any are taken for people.
    """
    patch.setattr(teacher_stages, "export_all_stages", lambda network: load_graph(export))
    patch.setattr(builder, "largest_difference", lambda *given: 0.0)
    patch.setattr("compress.training.target_cache._ALIVE", 0.0)
    patch.setenv("COMPRESS_CACHE", str(cache))


class PoisonedInOne:
    """Samples that hold a NaN in one of the processes alone."""

    def __init__(self, samples: Any, rank: int) -> None:
        self._samples, self._rank = samples, rank

    def __len__(self) -> int:
        return len(self._samples)

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        found = self._samples.sample(index, rng)
        return found._replace(pafs=found.pafs * np.float32("nan")) if self._rank == 1 else found


def train_in_two(targets: Path, out: Path, recipe: Path, export: Path) -> None:
    """Leaves in `out` what both came to, and what they said in `said.txt`."""
    codes = in_two(_live, targets, out, recipe, export)
    assert codes == [0, 0], (out / "said.txt").read_text()


def _live(rank: int, targets: Path, out: Path, recipe: Path, export: Path) -> None:
    with (out / "said.txt").open("ab") as said:
        os.dup2(said.fileno(), 2)
    found: dict[str, Any] = {}
    patch = pytest.MonkeyPatch()
    one_thread(patch)
    # Each looks at a clock of its own: here the first wants to keep every step, the other none.
    patch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0 if rank == 0 else 1e9)
    for parts in (1, 2):
        job = tiny_job(targets, tiny_schedule(gradient_accumulation=parts), reparameterization=PLAIN)
        trained = train(job, out / f"folder-{rank}-{parts}")
        save_file(weights(trained), out / f"{rank}-{parts}.safetensors")
        found["processes"] = trained.facts["processes"]
    normed = train(tiny_job(targets), out / f"folder-{rank}-normed")
    save_file(weights(normed), out / f"{rank}-normed.safetensors")
    for name, broken in (
        ("poisoned", replace(job, samples=PoisonedInOne(job.samples, rank))),
        ("odd batch", tiny_job(targets, tiny_schedule(batch_size=3), reparameterization=PLAIN)),
    ):
        try:
            train(broken, out / f"folder-{rank}-{name}")
        except UserError as error:
            found[name] = str(error)
    patch_run(patch, export, out / "cache")
    found["code"] = run_command(["run", str(recipe), "--out", str(out / "run")])
    (out / f"{rank}.json").write_text(json.dumps(found))
