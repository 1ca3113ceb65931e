"""A good recipe as text, and its mistakes when something in it is changed."""

import tempfile
from pathlib import Path

import pytest

from compress.recipe.loader import Recipe, load_recipe
from teachers.common.errors import UserError

GOOD = """\
teacher: openpose-mobilenet-thin
data:
  source: sports2d-demo
  images: 4
  seed: 0
scales: [0.5, 1]
candidates:
  - name: stages-{stages}
    steps:
      - step: remove_stages
        stages: {each: [5, 4]}
measure:
  fidelity: true
  latency: {runtime: onnxruntime, threads: 1, rounds: 12}
  memory: true
objectives: [latency_ms, joint_rel_l2]
"""


def load(text: str | bytes, *overrides: str) -> Recipe:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_recipe(path, overrides)


def mistakes(text: str | bytes, *overrides: str) -> list[str]:
    """The lines of the error, each without the folder."""
    with pytest.raises(UserError) as caught:
        load(text, *overrides)
    return [line[line.index("x.yaml") :] if "x.yaml" in line else line for line in str(caught.value).split("\n")]


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)
