"""compress models list, and shipped models by name."""

from pathlib import Path

import pytest

from compress.cli.main import run_command
from compress.run import shipped_models as module
from compress.run.model_lookup import open_model
from compress.run.shipped_models import shipped_models
from teachers.common.errors import UserError

ZOO = Path(__file__).parent.parent / "zoo"


def test_the_list_shows_every_folder_of_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = sorted(path.parent.name for path in ZOO.glob("*/model.onnx"))
    assert names and [line.split()[0] for line in lines[1:]] == names
    assert all(len(line.split()) > 5 for line in lines[1:]), "each says what it is"


def test_a_shipped_model_is_a_model_by_its_name() -> None:
    name = next(iter(shipped_models()))
    model = open_model(name, 1)
    assert model.name == name and model.artefact == ZOO / name / "model.onnx"
    with pytest.raises(UserError, match=f"did you mean {name}"):
        open_model(f"{name}s", 1)


def test_without_a_zoo_the_list_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "ZOO", tmp_path)
    assert run_command(["models", "list"]) != 0
    assert "no shipped model" in capsys.readouterr().err
