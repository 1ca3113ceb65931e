"""`compress teachers import`: afterwards the folder is a MODEL, and its licence goes with everything made from it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from compress_tiny_run import QUICK, make_photos, records, set_to
from openpose_published import MPI, weights
from PIL import Image

from compress.cli.main import run_command
from compress.core.candidate import content_id
from teachers.checkpoint import load_model
from teachers.registry import load_teacher

Said = pytest.CaptureFixture[str]
CMU = "CMU OpenPose licence: non-commercial research use only"
RECIPE = """\
teacher: {teacher}
data: {{source: {source}, images: 1}}
scales: [0.25]
candidates:
  - {{name: one, steps: [{{step: remove_stages, stages: 1}}]}}
measure: {{latency: false, memory: false}}
objectives: [params, joint_rel_l2]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published state dict of two stages, imported from the command line's front door."""
    made = tmp_path_factory.mktemp("import")
    torch.save(weights(2, modules=False), made / "body_pose_model.pth")
    words = ["teachers", "import", str(made / "body_pose_model.pth"), "--out", str(made / "vgg")]
    assert run_command(words) == 0
    return made


def take(folder: Path, *words: str, file: str = "body_pose_model.pth") -> int:
    return run_command(["teachers", "import", str(folder / file), *words])


def test_it_says_what_it_found_and_how_to_go_on(folder: Path, tmp_path: Path, capsys: Said) -> None:
    out = tmp_path / "again"
    assert take(folder, "--out", str(out), "--name", "openpose-coco-vgg19") == 0
    said = capsys.readouterr()
    assert f"{out}: openpose-coco-vgg19, 2 stages, " in said.out and CMU in said.out
    assert f"--set teacher={out}" in said.out and f"compress predict {out} IMAGE" in said.out
    assert "2 of the 6 published stages" in said.err
    assert content_id(load_model(out)[0]) == content_id(load_model(folder / "vgg")[0])


def test_the_licence_can_be_stated(folder: Path, tmp_path: Path, capsys: Said) -> None:
    assert take(folder, "--out", str(tmp_path / "own"), "--licence", "CC-BY-4.0") == 0
    assert "CC-BY-4.0" in capsys.readouterr().out
    licence = load_model(tmp_path / "own")[1]
    assert (licence.name, licence.source) == ("CC-BY-4.0", "stated by the user at import")
    for text in ("", "  ", "two\nlines"):
        assert take(folder, "--out", str(tmp_path / "none"), "--licence", text) == 2
    assert not (tmp_path / "none").exists()


def test_mistakes_end_with_2_and_leave_nothing(folder: Path, tmp_path: Path, capsys: Said) -> None:
    out = str(tmp_path / "out")
    torch.save(weights(1, MPI), tmp_path / "mpi.pth")
    (tmp_path / "text.pth").write_text("no weights")
    asked = ("--name", "openpose-coco-vgg19")
    for words, file, said in (
        ((), "text.pth", "text.pth: is a text file"),
        ((), "gone.pth", "gone.pth: cannot be read"),
        (asked, "mpi.pth", "holds openpose-mpi-vgg19, not openpose-coco-vgg19"),
        (("--name", "openpose-coco-vgg"), "mpi.pth", "did you mean openpose-coco-vgg19"),
    ):
        assert take(tmp_path, "--out", out, *words, file=file) == 2
        assert said in capsys.readouterr().err
        assert not Path(out).exists()
    assert take(folder, "--out", str(folder)) == 2
    assert "holds body_pose_model.pth" in capsys.readouterr().err


@pytest.mark.usefixtures("without_pictures")
def test_the_licence_goes_into_candidates_records_and_report(folder: Path, tmp_path: Path) -> None:
    recipe, out, teacher = tmp_path / "r.yaml", tmp_path / "out", folder / "vgg"
    recipe.write_text(RECIPE.format(teacher=teacher, source=make_photos(tmp_path / "photos", 1)))
    assert run_command(["run", str(recipe), "--out", str(out), *set_to(*QUICK)]) == 0
    expected = load_teacher(str(teacher))[1]
    assert expected.name == CMU and "imported from body_pose_model.pth" in expected.note
    rows = records(out)
    assert [row["name"] for row in rows] == ["teacher", "one"]
    for row in rows:
        assert row["licence"] == expected.model_dump()
        made = out / "candidates" / row["name"]
        assert load_model(made)[1] == expected
        assert CMU in (made / "LICENCE.txt").read_text()
        assert len(json.loads((made / "spec.json").read_text())["stages"]) == (2 if row["role"] == "teacher" else 1)
    assert CMU in (out / "report.md").read_text() and CMU in (out / "report.html").read_text()
    assert CMU.encode() in (out / "candidates" / "one" / "model.onnx").read_bytes()


def test_the_folder_is_a_model_for_predict(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path / "cache"))
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    words = ["--out", str(tmp_path / "people"), "--threads", "1", "--scales", "0.25"]
    assert run_command(["predict", str(folder / "vgg"), str(tmp_path / "noise.png"), *words]) == 0
    assert (tmp_path / "people" / "noise_keypoints.json").is_file()
