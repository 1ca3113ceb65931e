"""Folders that are no UTF-8, a terminal that knows ASCII alone, a cache that cannot be used: no traceback, no loss."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from compress_tiny_run import RECIPE, make_photos
from conftest import LICENCE, tiny_spec
from training_runs import TinyTraining, prepare
from training_targets import tiny_teacher

from compress.cli.main import run_command
from teachers.checkpoint import save_model
from teachers.posenet import PoseNet

ROOT = Path(__file__).parent.parent
ODD = b"caf\xe9 \xe6\x97\xa5"
"""A name in Latin-1 followed by one in UTF-8."""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of such a name with a recipe, a model and photographs, two of which are called no better."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path_factory.mktemp("odd")) + b"/" + ODD))
    folder.mkdir()
    torch.manual_seed(0)
    save_model(folder / "model", PoseNet(tiny_spec()).eval(), LICENCE)
    photos = make_photos(folder / "photos", 4)
    (photos / "photo1.png").rename(os.fsdecode(os.fsencode(photos) + b"/ph\xff.png"))
    Path(os.fsdecode(os.fsencode(photos) + b"/cut\xff.png")).write_bytes(b"x")
    (folder / "r.yaml").write_text(RECIPE.format(teacher="model", source="photos"), encoding="utf-8")
    return folder


def call(folder: Path, words: list[str | bytes], environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "compress", *words],
        cwd=os.fsencode(folder),
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]), **environment},
        capture_output=True,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
    assert "Traceback" not in said, said
    return done.returncode, said


@pytest.mark.parametrize("environment", [{}, ASCII], ids=["utf-8", "ascii"])
def test_names_that_are_no_utf_8_and_a_terminal_of_ascii(odd: Path, environment: dict[str, str]) -> None:
    out = b"out \xe9 " + str(len(environment)).encode()
    folder = Path(os.fsdecode(os.fsencode(odd) + b"/" + out))
    code, said = call(odd, ["run", "r.yaml", "--out", out], environment)
    assert code == 0 and "report: out " in said, said
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [record["error"] for record in records] == [None] * 4
    assert "compress run r.yaml --out" in (folder / "report.md").read_text(encoding="utf-8")
    photos = sorted(os.fsencode(path) for path in (odd / "photos").iterdir())
    code, said = call(odd, ["predict", "model", *photos, "--out", b"pred" + out], environment)
    assert code == 1 and "cut\\xff: is no image" in said and "photo0: " in said, said
    model = out + b"/candidates/stages-1/model.onnx"
    for words in (
        ["report", out, "--out", b"again" + out],
        ["export", "model", "--to", "onnx", "--out", out + b".onnx"],
        ["pack", "model", "--out", out + b".posepack"],
        ["unpack", out + b".posepack", "--out", out + b" model"],
        ["bench", model, "--height", "64", "--width", "64", "--rounds", "3"],
        ["report", out, "--bench", "bench.json"],
        ["check", "r.yaml"],
    ):
        code, said = call(odd, words, environment)
        assert code == 0, said


@pytest.mark.parametrize("kind", ["a file in the way", "a link that leads nowhere", "a file above it"])
def test_a_cache_that_cannot_be_used_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    from training_runs import RECIPE as LEARNS

    save_model(tmp_path / "model", tiny_teacher(), LICENCE)
    training = TinyTraining(tmp_path)
    training.recipe.write_text(LEARNS.format(teacher=tmp_path / "model", source=make_photos(tmp_path / "photos", 6)))
    prepare(monkeypatch, tmp_path)
    cache = tmp_path / "cache"
    if kind == "a file in the way":
        cache.mkdir()
        (cache / "targets").write_text("")
    elif kind == "a link that leads nowhere":
        cache.symlink_to(tmp_path / "nowhere" / "at all" / "gone")
    else:
        cache.write_text("")
    out = tmp_path / "out"
    assert run_command(training.words(out)) == 2
    said = capsys.readouterr().err
    assert "the cache cannot be used (" in said and "COMPRESS_CACHE may name another folder" in said
    assert not out.exists()
