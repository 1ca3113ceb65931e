"""Every command that the program prints is run as it is printed; only IMAGE, VIDEO and DIR are put in."""

import shlex
import zipfile
from pathlib import Path

import pytest
import torch
from compress_tiny_run import make_photos
from conftest import LICENCE, tiny_spec
from openpose_published import weights

from compress.cli.main import parse, run_command
from compress.cli.next_commands import RECIPES, next_commands
from compress.recipe.loader import load_recipe
from eval.runtimes.base import missing_extra
from teachers.checkpoint import save_model
from teachers.common.errors import UserError
from teachers.common.install import install_command
from teachers.file_kinds import kind_of
from teachers.posenet import PoseNet

ROOT = Path(__file__).parent.parent
Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are typed where `recipes` lies; what they write stays below tmp_path."""
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path / "cache"))


def printed(text: str) -> list[list[str]]:
    """The commands of a text, a line each, or behind a colon or a word."""
    lines = [line[line.index("compress ") :] for line in text.splitlines() if "compress " in line]
    return [shlex.split(line)[1:] for line in lines]


def put_in(words: list[str], **real: Path) -> list[str]:
    return [str(real.get(word, word)) for word in words]


@pytest.mark.parametrize("stages", [1, 2, 3, 6])
def test_what_import_prints_is_taken(stages: int, tmp_path: Path, capsys: Said) -> None:
    """A folder with a space in its name, and as many stages as the file had."""
    torch.save(weights(stages, modules=False), tmp_path / "body.pth")
    assert run_command(["teachers", "import", "body.pth", "--out", "my network"]) == 0
    commands = printed(capsys.readouterr().out)
    assert [words[0] for words in commands] == ["predict", "kinematics", "run"][: 2 if stages == 1 else 3]
    photo = make_photos(tmp_path / "photos", 1) / "photo0.png"
    assert run_command([*put_in(commands[0], IMAGE=photo), "--scales", "0.1", "--threads", "1"]) == 0
    parse(commands[1])
    for words in commands[2:]:
        options, _ = parse(words)
        recipe = load_recipe(options.recipe, options.set)
        assert [plan.name for plan in recipe.candidates] == [f"stages-{n}" for n in range(stages - 1, 0, -1)]


@pytest.mark.parametrize("is_vgg", [True, False])
@pytest.mark.parametrize("stages", [2, 4, 6, 7])
def test_the_recipe_of_a_network_fits_its_stages(is_vgg: bool, stages: int, tmp_path: Path) -> None:
    spec = tiny_spec(stages)
    save_model(tmp_path / "model", PoseNet(spec).eval(), LICENCE)
    words = shlex.split(next_commands(Path("model"), stages, is_vgg)[-1])
    assert words[2] == RECIPES[is_vgg].as_posix()
    options, _ = parse(words[1:])
    candidates = load_recipe(options.recipe, options.set).candidates
    assert len([plan for plan in candidates if plan.steps]) == (5 if stages == 6 else stages - 1)


def test_what_pack_unpack_and_predict_print_is_taken(tmp_path: Path, capsys: Said) -> None:
    save_model(tmp_path / "tiny", PoseNet(tiny_spec()).eval(), LICENCE)
    assert run_command(["pack", "tiny", "--out", "my model.posepack"]) == 0
    (unpack,) = printed(capsys.readouterr().out)
    assert run_command(["predict", "my model.posepack", "IMAGE"]) == 2
    said = capsys.readouterr().err
    assert "is a packed model" in said and "teachers import" not in said
    assert printed(said) == [unpack]
    for words in (["export", "my model.posepack", "--to", "onnx"], ["pack", "my model.posepack", "--out", "again"]):
        assert run_command(words) == 2
        assert printed(capsys.readouterr().err) == [unpack]
    assert run_command(put_in(unpack, DIR=tmp_path / "a b")) == 0
    (predict,) = printed(capsys.readouterr().out)
    photo = make_photos(tmp_path / "photos", 1) / "photo0.png"
    assert run_command([*put_in(predict, IMAGE=photo), "--scales", "0.25"]) == 0
    capsys.readouterr()
    assert run_command(["predict", "tiny/weights.safetensors", str(photo)]) == 2
    assert "give tiny, in which this file lies" in capsys.readouterr().err


def test_a_weights_file_is_answered_with_the_command_that_takes_it(tmp_path: Path, capsys: Said) -> None:
    """Also where its name has a space; a picture is no weights, so no such command is told."""
    torch.save(weights(2, modules=False), tmp_path / "my body.pth")
    photo = make_photos(tmp_path / "photos", 1) / "photo0.png"
    asked = [["predict", "FILE", str(photo)], ["export", "FILE", "--to", "onnx"], ["pack", "FILE", "--out", "x"]]
    for number, words in enumerate(asked):
        assert run_command([word.replace("FILE", "my body.pth") for word in words]) == 2
        said = capsys.readouterr().err
        take = shlex.split(said[said.index("`compress ") + 1 :].split("`")[0])[1:]
        assert run_command(put_in(take, DIR=tmp_path / f"network {number}")) == 0
        capsys.readouterr()
        assert run_command([word.replace("FILE", str(photo)) for word in words]) == 2
        assert "teachers import" not in capsys.readouterr().err


def test_a_hint_names_packages_that_an_index_has() -> None:
    """Our own name is on none."""
    for extra in ("openvino", "ncnn", "executorch", "coreml", "litert", "postgres"):
        words = shlex.split(install_command(extra))
        assert words[:2] == ["pip", "install"] and len(words) > 2
        assert not any("pose-compress" in word or word == extra + "]" for word in words)
    told = missing_extra("ncnn", "ncnn", ["no_such_module"])
    assert told is not None and "pip install 'ncnn>=" in told and "pnnx" in told
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert not [page.name for page in pages if "pose-compress[" in page.read_text(encoding="utf-8")]


def test_a_zip_of_something_else_is_no_pytorch_file(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "good.pth")
    assert kind_of(tmp_path / "good.pth") == "torch"
    whole = (tmp_path / "good.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    assert kind_of(tmp_path / "cut.pth") == "torch"
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("photos/one.txt", "nothing")
    with pytest.raises(UserError, match=r"is a zip archive of other files \(photos/one.txt\); unzip it"):
        kind_of(tmp_path / "other.zip")
