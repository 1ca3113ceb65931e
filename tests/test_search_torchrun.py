"""A search under torchrun: two processes train each trial together, and the first alone searches and writes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from compress_tiny_run import TinyRun, records
from search_tiny import facts

ROOT = Path(__file__).parent.parent
RECIPE = """\
teacher: {run.teacher}
data: {{source: {run.photos}, images: 2}}
scales: [0.25]
training: {{data: [{{source: {run.photos}}}], scales: [0.25], val_frames: 2}}
candidates:
  - name: base
    steps:
      - {{step: remove_stages, stages: 2}}
      - step: distill
        reparameterization: {{batch_norm: false}}
        schedule: {{steps: 2, batch_size: 4, crop: [48, 64], learning_rate: 0.001, validate_every: 2}}
        ignore_border: 0
measure: {{latency: false, memory: false}}
objectives: [params, joint_rel_l2]
search:
  vary:
    candidates.0.steps.0.stages: {{int: [1, 2]}}
  trials: 4
"""


@pytest.mark.timeout(400)
def test_two_processes_search_together(tiny_run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(RECIPE.format(run=tiny_run))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m", "compress"]
    done = subprocess.run(
        [*command, "search", str(tmp_path / "s.yaml"), "--out", str(out)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True, text=True, timeout=360, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # The stage table is not trained; of the two trials that would be, the promising one is, by both processes.
    trained = [note["processes"] for record in records(out) for note in record["notes"]]
    assert trained and set(trained) == {2}
    assert {trial["state"] for trial in facts(out)["trials"]} <= {"complete", "screened"}
    assert (out / "report.html").is_file() and done.stdout.count("report: ") == 1
