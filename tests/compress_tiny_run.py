"""A tiny twin of recipes/stage_prune.yaml that runs in seconds, and what tests read in the folder that it leaves."""

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import LICENCE, tiny_spec
from onnx import ModelProto
from PIL import Image

from compress.cli.main import run_command
from compress.export.onnx_export import load_graph
from compress.run import teacher_stages
from teachers.checkpoint import save_model
from teachers.posenet import PoseNet

# Three stages of three, too: a candidate that is the teacher under another name.
RECIPE = """\
teacher: {teacher}
data: {{source: {source}, images: 3}}
scales: [0.25, 0.5]
candidates:
  - name: stages-{{stages}}
    steps:
      - {{step: remove_stages, stages: {{each: [3, 2, 1]}}}}
measure:
  latency: {{threads: 1, rounds: 3}}
"""
NAMES = ["teacher", "stages-3", "stages-2", "stages-1"]
FIDELITY = ("heat_l2", "paf_l2", "heat_rel_l2", "joint_rel_l2", "paf_rel_l2")
QUICK = ("measure.latency=false", "measure.memory=false", "objectives=[params, joint_rel_l2]")
"""For tests that are about something else than times and memory."""


@dataclass(frozen=True)
class TinyRun:
    """A finished run: where its recipe, teacher and frames lie, and what it left."""

    recipe: Path
    teacher: Path
    photos: Path
    out: Path

    @property
    def all_stages(self) -> Path:
        """The exported teacher."""
        (found,) = (self.out / ".work").glob("*.onnx")
        return found


def make_tiny_run(folder: Path) -> TinyRun:
    """Runs the recipe once, undisturbed, from the command line's front door."""
    torch.manual_seed(0)
    save_model(folder / "model", PoseNet(tiny_spec()).eval(), LICENCE)
    run = TinyRun(folder / "tiny.yaml", folder / "model", make_photos(folder / "photos", 5), folder / "out")
    run.recipe.write_text(RECIPE.format(teacher=run.teacher, source=run.photos))
    assert run_command(["run", str(run.recipe), "--out", str(run.out)]) == 0
    return run


def make_photos(folder: Path, count: int) -> Path:
    """Pictures of 120x160 pixels, each another; all of the same size."""
    folder.mkdir()
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((160, 120)).save(folder / f"photo{number}.png")
    return folder


def keep_export(patch: pytest.MonkeyPatch, run: TinyRun) -> None:
    """Gives every later run the finished run's export of the same teacher: torch's exporter takes seconds."""

    def export(network: PoseNet) -> ModelProto:
        assert network.spec == tiny_spec()
        return load_graph(run.all_stages)

    patch.setattr(teacher_stages, "export_all_stages", export)


def set_to(*overrides: str) -> list[str]:
    """As words of the command line."""
    return [word for override in overrides for word in ("--set", override)]


def rows(out: Path, table: str = "candidates.csv") -> list[dict[str, str]]:
    with (out / table).open(newline="") as file:
        return list(csv.DictReader(file))


def fidelity(out: Path) -> dict[str, list[str]]:
    """The fidelity columns of each candidate, as they are written."""
    return {row["name"]: [row[column] for column in FIDELITY] for row in rows(out)}


def journal(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]


def records(out: Path) -> list[dict[str, Any]]:
    """A line that a kill cut short holds none."""
    lines = (out / "records.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def fact_counts(out: Path) -> Counter[str]:
    """How many facts the journal holds under each key."""
    return Counter(entry["key"] for entry in journal(out))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
