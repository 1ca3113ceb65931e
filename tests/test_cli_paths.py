"""Names that a user can mistype, and places that hold something else: an answer in one line, never a traceback."""

from pathlib import Path

import pytest
from compress_tiny_run import make_photos
from conftest import LICENCE, tiny_spec

from compress.cli import main
from compress.cli.main import run_command
from teachers.checkpoint import save_model
from teachers.posenet import PoseNet

DEEP = "x/" * 400
NAMES = ["", "nope", "~no-such-user/x", "x" * 300, DEEP, "empty", "zero", "zero.onnx", "dangling", "loop", "b\udcff"]
COMMANDS = {
    "predict": ["predict", "NAME", "photos/photo0.png"],
    "image": ["predict", "model", "NAME"],
    "kinematics": ["kinematics", "NAME", "--model", "model"],
    "export": ["export", "NAME", "--to", "onnx", "--out", "o.onnx"],
    "pack": ["pack", "NAME", "--out", "o"],
    "unpack": ["unpack", "NAME", "--out", "u"],
    "bench": ["bench", "NAME"],
    "check": ["check", "NAME"],
    "run": ["run", "NAME"],
    "search": ["search", "NAME"],
    "report": ["report", "NAME"],
    "import": ["teachers", "import", "NAME", "--out", "i"],
    "pull": ["teachers", "pull", "NAME"],
    "train": ["teachers", "train", "NAME"],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_model(Path("model"), PoseNet(tiny_spec(1)).eval(), LICENCE)
    make_photos(Path("photos"), 1)
    Path("empty").mkdir()
    for name in ("zero", "zero.onnx"):
        Path(name).touch()
    Path("dangling").symlink_to("nowhere")
    Path("loop").symlink_to("loop")
    return tmp_path


def answered(words: list[str]) -> int:
    try:
        return run_command(words)
    except SystemExit as end:  # argparse's own
        return int(end.code or 0)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_name_that_leads_nowhere_is_answered(
    command: list[str], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in NAMES:
        code = answered([name if word == "NAME" else word for word in command])
        said = capsys.readouterr().err
        assert code in (1, 2) and said and "Traceback" not in said, (name, code, said)


@pytest.mark.parametrize("name", ["", DEEP, "loop/x", "zero/x"])
@pytest.mark.parametrize("command", [["pack", "model"], ["export", "model", "--to", "onnx"], ["bench", "--script"]])
def test_a_place_that_cannot_be_is_answered(
    command: list[str], name: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*command, *(["--out"] if command[0] != "bench" else []), f"{name}.onnx" if name else name]
    assert answered(words) in (1, 2) and place.is_dir()
    assert "Traceback" not in capsys.readouterr().err


def test_every_argument_that_is_a_path_is_read_alike() -> None:
    commands = sorted((Path(main.__file__).parent).glob("*.py"))
    assert len(commands) > 10
    assert not [path.name for path in commands if "type=Path" in path.read_text(encoding="utf-8")]
