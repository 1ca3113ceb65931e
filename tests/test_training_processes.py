"""Two processes that train together learn what one does, and the first alone writes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from compress_tiny_run import TinyRun, fact_counts, tree
from safetensors.torch import load_file
from training_jobs import PLAIN, apart, one_thread, same, student, tiny_job, train, weights
from training_torchrun import patch_run, train_in_two

from compress.cli.main import run_command

RECIPE = """\
teacher: {run.teacher}
data: {{source: {run.photos}, images: 2}}
scales: [0.25]
training: {{data: [{{source: {run.photos}}}], scales: [0.25], val_frames: 2}}
candidates:
  - name: twice
    steps:
      - {{step: remove_stages, stages: 2}}
      - step: distill
        reparameterization: {{batch_norm: false}}
        schedule: {{steps: 4, batch_size: 4, crop: [48, 64], learning_rate: 0.01, ema_decay: 0.5, validate_every: 2}}
        ignore_border: 0
      - step: distill
        reparameterization: {{batch_norm: false}}
        schedule: {{steps: 2, batch_size: 4, crop: [48, 64], ema_decay: 0.5}}
        ignore_border: 0
  - name: once
    steps:
      - {{step: remove_stages, stages: 1}}
      - step: distill
        reparameterization: {{batch_norm: false}}
        schedule: {{steps: 6, batch_size: 4, crop: [48, 64], learning_rate: 0.01, ema_decay: 0.5, validate_every: 2}}
        ignore_border: 0
measure: {{latency: false, memory: false}}
objectives: [params, joint_rel_l2]
"""


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, tiny_run: TinyRun) -> Path:
    """What two processes left; see training_torchrun.py."""
    folder = tmp_path_factory.mktemp("together")
    torch.set_num_threads(1)
    (folder / "targets").mkdir()
    tiny_job(folder / "targets")
    (folder / "learn.yaml").write_text(RECIPE.format(run=tiny_run))
    train_in_two(folder / "targets", folder, folder / "learn.yaml", tiny_run.all_stages)
    return folder


def found(together: Path) -> list[dict[str, Any]]:
    return [json.loads((together / f"{rank}.json").read_text()) for rank in range(2)]


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys() and len(one) > 10
    return max(float((tensor - other[name]).abs().max()) for name, tensor in one.items())


@pytest.mark.parametrize("parts", [1, 2])
def test_two_processes_learn_what_one_does(together: Path, tmp_path: Path, parts: int) -> None:
    ours, theirs = (load_file(together / f"{rank}-{parts}.safetensors") for rank in range(2))
    alone = weights(train(tiny_job(together / "targets", reparameterization=PLAIN), tmp_path))
    assert same(ours, theirs)
    assert apart(ours, alone, student().state_dict()) < 1e-4
    assert [one["processes"] for one in found(together)] == [2, 2]


def test_with_batch_norm_all_come_back_with_the_first_ones_statistics(together: Path) -> None:
    assert same(*(load_file(together / f"{rank}-normed.safetensors") for rank in range(2)))


def test_the_first_alone_writes(together: Path) -> None:
    folders = {path.name for path in together.iterdir() if path.name.startswith("folder-")}
    assert folders == {"folder-0-1", "folder-0-2", "folder-0-normed"}


def test_what_is_no_number_in_one_stops_all(together: Path) -> None:
    said = [one["poisoned"] for one in found(together)]
    assert said[0] == said[1] and said[0].startswith("training diverged: the loss of step 0 is nan")


def test_a_batch_must_be_dealt_out_evenly(together: Path) -> None:
    said = [one["odd batch"] for one in found(together)]
    assert said[0] == said[1] and "must be a multiple of" in said[0] and said[0].endswith("1 x 2, got 3")


def test_a_run_under_torchrun_is_one_run(
    together: Path, tmp_path: Path, tiny_run: TinyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [one["code"] for one in found(together)] == [0, 0]
    patch_run(monkeypatch, tiny_run.all_stages, tmp_path / "cache")
    assert run_command(["run", str(together / "learn.yaml"), "--out", str(tmp_path / "out")]) == 0
    ours, alone = together / "run", tmp_path / "out"
    # Checkpoints are named after the network that is trained, whose last bits differ.
    left = [{name for name in tree(one) if "training-" not in name} for one in (ours, alone)]
    assert left[0] == left[1]
    assert sorted(fact_counts(ours).values()) == sorted(fact_counts(alone).values())
    for name in ("twice", "once"):
        one, other = (load_file(out / "candidates" / name / "weights.safetensors") for out in (ours, alone))
        before = load_file(tiny_run.teacher / "weights.safetensors")
        assert furthest(one, other) < 5e-4 and furthest(one, {key: before[key] for key in one}) > 1e-3
    assert (together / "said.txt").read_text().count("every candidate") == 0
    assert len(tree(together / "cache")) == len(tree(tmp_path / "cache")) > 10
