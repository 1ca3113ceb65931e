"""A candidate becomes a folder of the zoo, and a card says what was measured and what the model is not for."""

from dataclasses import replace
from pathlib import Path

import pytest
from compress_goal_records import kinematics
from compress_made_up import measured, record
from compress_tiny_run import TinyRun

from compress.api import add_model as module
from compress.cli.main import run_command
from compress.common.yaml_source import parse_yaml
from compress.packing.pack_file import unpack_any
from compress.report.figures.knee import knee_curve
from compress.run import shipped_models
from compress.run.load_candidate import saved_candidate
from compress.run.model_lookup import open_model
from compress.run.zoo_card import CardFacts, card_facts, card_text
from teachers.common.errors import UserError

HEAD = "person,frame,time_s,measure,value_deg,velocity_deg_s,confidence,filled,view,sides\n"


def curve(folder: Path, shift: float) -> Path:
    """What `compress kinematics` leaves: a left knee known throughout, a right one hardly."""
    folder.mkdir()
    rows = [
        f"1,{i},{i / 30:.6f},{joint},{'' if joint == 'right knee' and i else 10 * i + shift},,0.9,0,side,\n"
        for i in range(6)
        for joint in ("right knee", "left knee")
    ]
    (folder / "clip_angles.csv").write_text(HEAD + "".join(rows))
    return folder


def candidate_of(run: TinyRun) -> Path:
    return next(path for path in sorted((run.out / "candidates").iterdir()) if path.name != "teacher")


def facts_of(run: TinyRun) -> CardFacts:
    folder = candidate_of(run)
    return card_facts("pose-fast", folder, saved_candidate(str(folder)))


def test_a_candidate_becomes_a_model_by_its_name(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zoo, folder = tmp_path / "zoo", candidate_of(tiny_run)
    curves = [str(curve(tmp_path / name, shift)) for name, shift in (("ours", 2.0), ("reference", 0.0))]
    words = ["models", "add", str(folder), "--name", "pose-fast", "--float", str(folder), "--zoo", str(zoo)]
    assert run_command([*words, "--curves", *curves, "--trained-on", "Photographs of nobody, CC0."]) == 0
    made = zoo / "pose-fast"
    names = {path.name for path in made.iterdir()}
    assert names == {
        "model.onnx", "model-fp32.onnx", "model.posepack", "README.md", "LICENCE.txt", "recipe.yaml", "knee.png",
    }  # fmt: skip
    card = (made / "README.md").read_text()
    assert "Photographs of nobody, CC0." in card and "![The knee's angle" in card and "size of the ONNX file" in card
    assert unpack_any((made / "model.posepack").read_bytes(), "it").network.spec == saved_candidate(str(folder)).spec
    monkeypatch.setattr(shipped_models, "ZOO", zoo)
    assert open_model("pose-fast", 1).artefact == made / "model.onnx"
    capsys.readouterr()
    assert run_command(["models", "list"]) == 0
    assert "heatmaps and part affinity fields" in capsys.readouterr().out
    assert run_command(words) == 2 and "--replace takes its place" in capsys.readouterr().err
    assert run_command([*words, "--replace"]) == 0 and not (made / "knee.png").exists()
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    assert run_command([*words, "--replace"]) == 2 and "are shipped" in capsys.readouterr().err
    assert {path.name for path in zoo.iterdir()} == {"pose-fast"} and (made / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("name", "folder", "said"),
    [
        ("Pose Fast", None, "small letters"),
        ("openpose-mobilenet-thin", None, "is a teacher's name"),
        ("pose-fast", "nowhere", "is no candidate's folder"),
    ],
)
def test_what_cannot_be_shipped(tiny_run: TinyRun, tmp_path: Path, name: str, folder: str | None, said: str) -> None:
    given = tmp_path / folder if folder else candidate_of(tiny_run)
    with pytest.raises(UserError, match=said):
        module.add_model(module.NewModel(name, given), tmp_path / "zoo")
    assert not (tmp_path / "zoo").exists()


def test_a_card_begins_as_hubs_read_it(tiny_run: TinyRun) -> None:
    front = card_text(facts_of(tiny_run)).split("---\n")[1]
    data = parse_yaml(front).data
    assert data["pipeline_tag"] == "keypoint-detection" and data["library_name"] == "onnx" and "fp32" in data["tags"]


@pytest.mark.parametrize("tier", ["equivalent", "usable with care", "not for angles", None])
def test_a_model_below_usable_with_care_is_never_called_fit_for_angles(tiny_run: TinyRun, tier: str | None) -> None:
    measurement = measured(3).replaced(kinematics(tier=tier))
    card = card_text(replace(facts_of(tiny_run), record=record("pose-fast", measurement)))
    fit = tier in ("equivalent", "usable with care")
    assert (f'Its joint angles are "{tier}"' in card) == fit
    assert ("* joint angles and velocities" in card) == (not fit)
    assert ("not accurate enough yet" in card) == (tier == "not for angles")


def test_the_knee_of_which_more_is_known_is_drawn_and_none_is_told(tmp_path: Path) -> None:
    found = knee_curve(curve(tmp_path / "one", 0.0))
    assert found.joint == "left knee" and found.known == 6 and found.degrees[2] == 20.0
    with pytest.raises(UserError, match=r"holds 0 \*_angles\.csv"):
        knee_curve(tmp_path)
