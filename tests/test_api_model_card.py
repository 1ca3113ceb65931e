"""compress export --card: a README.md that model hubs read, with what was proved and measured, never over another's."""

import shutil
from pathlib import Path

import pytest
import yaml
from compress_tiny_run import TinyRun

from compress.cli.main import run_command
from teachers.common.files import sha256_of


def _header(text: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_a_card_says_what_was_proved_and_measured(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run.out, tmp_path / "run"))
    out = tmp_path / "hub" / "pose.onnx"
    out.parent.mkdir()
    words = ["export", str(run / "candidates" / "stages-2"), "--to", "onnx", "--out", str(out), "--card"]
    assert run_command([*words, "--height", "64", "--width", "80"]) == 0
    assert "model card: " in capsys.readouterr().out
    text = (out.parent / "README.md").read_text()
    header = _header(text)
    assert (header["license"], header["library_name"]) == ("apache-2.0", "onnx")
    assert header["pipeline_tag"] == "keypoint-detection" and str(tiny_run.teacher) not in text
    assert "backbone tiny, 2 stages, for onnx in fp32. Made from its teacher by remove_stages." in text
    assert f"`pose.onnx`: sha256 `{sha256_of(out)}`" in text
    assert "heatmaps (1, 19, h, w)" in text and "made up for a test" in text
    assert "## Measured" in text and "| parameters |" in text.lower().replace("params", "parameters")
    assert run_command(words) == 0  # its own card is written again


def test_a_folder_of_no_run_has_no_measured_part(tiny_run: TinyRun, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_run.out / "candidates" / "stages-1", tmp_path / "alone"))
    out = tmp_path / "hub" / "pose.onnx"
    out.parent.mkdir()
    assert run_command(["export", str(model), "--to", "onnx", "--out", str(out), "--card"]) == 0
    text = (out.parent / "README.md").read_text()
    assert "## Measured" not in text


def test_another_readme_stays(tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("mine")
    model = tiny_run.out / "candidates" / "stages-1"
    assert run_command(["export", str(model), "--to", "onnx", "--out", str(tmp_path / "x.onnx"), "--card"]) == 2
    assert "is not a card that compress wrote" in capsys.readouterr().err
    assert (tmp_path / "README.md").read_text() == "mine"
