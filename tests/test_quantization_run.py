"""Quantised candidates from the front door: recipe, run, report, what the folder is good for, and bad input."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from compress_tiny_run import make_photos, records, rows
from conftest import LICENCE
from training_targets import tiny_teacher

from compress.cli.main import run_command
from compress.run.load_candidate import saved_candidate
from teachers.checkpoint import save_model

pytestmark = pytest.mark.usefixtures("without_pictures")

INT8 = {"step": "quantize", "precision": "int8", "calibration_frames": 2}


def recipe(here: Path, steps: dict[str, list[dict[str, Any]]], **others: Any) -> Path:
    """A recipe of the tiny teacher; candidates by name."""
    text = {
        "teacher": str(here / "teacher"),
        "data": {"source": str(here / "photos"), "images": 3},
        "scales": [0.25],
        "training": {"data": [{"source": str(here / "photos")}], "scales": [0.25], "val_frames": 2},
        "candidates": [{"name": name, "steps": chain} for name, chain in steps.items()],
        "measure": {"latency": {"threads": 1, "rounds": 3}, "memory": False},
        "objectives": ["size_bytes", "joint_rel_l2"],
    }
    path = here / "recipe.yaml"
    path.write_text(yaml.safe_dump(text | others))
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantized")
    save_model(folder / "teacher", tiny_teacher(), LICENCE)
    make_photos(folder / "photos", 6)
    return folder


@pytest.fixture(scope="module")
def out(here: Path) -> Path:
    """A finished run."""
    plans = {
        "half": [{"step": "quantize", "precision": "fp16"}],
        "int8": [{"step": "remove_stages", "stages": 2}, INT8],
        "mixed": [INT8 | {"keep_float": ["heads"]}],
    }
    assert run_command(["run", str(recipe(here, plans)), "--out", str(here / "out")]) == 0
    return here / "out"


def test_every_candidate_is_measured_as_its_own_artefact(out: Path) -> None:
    table = {row["name"]: row for row in rows(out)}
    assert list(table) == ["teacher", "half", "int8", "mixed"]
    for name in ("half", "int8", "mixed"):
        assert float(table[name]["joint_rel_l2"]) > 0 and float(table[name]["latency_ms"]) > 0
    # Two stages differ from three; the others only by their bits.
    assert float(table["half"]["joint_rel_l2"]) < float(table["mixed"]["joint_rel_l2"]) < 0.1
    assert len({record["id"] for record in records(out)}) == 4
    report = (out / "report.md").read_text()
    assert "## Int8 quantization" in report and "stages.1.paf.1" in report
    assert (out / "figures" / "int8_layers.png").is_file()


def test_a_finished_run_is_not_done_again(here: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (out / "records.jsonl").read_bytes()
    artefact = out / "candidates" / "int8" / "model.onnx"
    written = artefact.stat().st_mtime_ns
    assert run_command(["run", str(here / "recipe.yaml"), "--out", str(out)]) == 0
    assert (out / "records.jsonl").read_bytes() == before and artefact.stat().st_mtime_ns == written
    assert "every candidate was finished" in capsys.readouterr().err + capsys.readouterr().out


def test_a_damaged_record_is_made_again(here: Path, out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "out"
    shutil.copytree(out, copy)
    record = copy / "candidates" / "int8" / "quantization.json"
    whole = record.read_bytes()
    record.write_bytes(whole.replace(b'"zero": ', b'"zero": 1', 1))
    assert run_command(["run", str(here / "recipe.yaml"), "--out", str(copy)]) == 0
    assert record.read_bytes() == whole


def test_the_folder_predicts_and_exports_with_and_without_its_artefact(here: Path, out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "int8"
    shutil.copytree(out / "candidates" / "int8", folder)
    photo = str(here / "photos" / "photo0.png")
    assert run_command(["predict", str(folder), photo, "--maps", "--out", str(tmp_path / "one")]) == 0
    first = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").unlink()
    assert run_command(["predict", str(folder), photo, "--maps", "--out", str(tmp_path / "two")]) == 0
    maps = [sorted(one.read_bytes() for one in (tmp_path / name).rglob("*.npz")) for name in ("one", "two")]
    assert maps[0] == maps[1]
    assert run_command(["export", str(folder), "--to", "onnx", "--out", str(tmp_path / "again.onnx")]) == 0
    assert len((tmp_path / "again.onnx").read_bytes()) == pytest.approx(len(first), rel=0.01)


def test_a_packed_candidate_comes_back_as_it_was(out: Path, tmp_path: Path) -> None:
    for name in ("int8", "half", "mixed"):
        folder, packed = out / "candidates" / name, tmp_path / f"{name}.posepack"
        assert run_command(["pack", str(folder), "--out", str(packed)]) == 0
        assert run_command(["unpack", str(packed), "--out", str(tmp_path / name)]) == 0
        one, two = saved_candidate(str(folder)), saved_candidate(str(tmp_path / name))
        assert (one.id, one.quantization) == (two.id, two.quantization) and one.quantization is not None
    damaged = bytearray((tmp_path / "int8.posepack").read_bytes())
    damaged[60] ^= 1
    (tmp_path / "bad.posepack").write_bytes(damaged)
    assert run_command(["unpack", str(tmp_path / "bad.posepack"), "--out", str(tmp_path / "bad")]) == 2
    assert not (tmp_path / "bad").exists()


def test_bad_calls_are_told(here: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = out / "candidates" / "int8"
    assert run_command(["export", str(folder), "--to", "ncnn", "--out", str(tmp_path / "x.param")]) == 2
    assert "ncnn: is written in fp32 or fp16, not in int8" in capsys.readouterr().err
    shutil.copytree(out / "candidates" / "int8", tmp_path / "teacher")
    shutil.copytree(here / "photos", tmp_path / "photos")
    float_teacher = {"teacher": str(here / "teacher")}
    for steps, others, told in (
        ([INT8], {}, "is quantised; candidates are made from a float network"),
        ([INT8], float_teacher | {"training": None}, "learns from frames"),
        ([INT8, INT8], float_teacher, "comes after quantize"),
    ):
        assert run_command(["check", str(recipe(tmp_path, {"a": steps}, **others))]) == 2
        assert told in capsys.readouterr().err


def test_a_source_without_frames_is_told(here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    training = {"data": [{"source": str(tmp_path / "empty")}], "scales": [0.25]}
    shutil.copytree(here / "teacher", tmp_path / "teacher")
    shutil.copytree(here / "photos", tmp_path / "photos")
    path = recipe(tmp_path, {"a": [INT8]}, training=training)
    assert run_command(["run", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "empty" in capsys.readouterr().err


def test_two_frames_to_learn_from_are_told_and_give_a_candidate_or_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A budget that ranges of one frame cannot keep ends in a sentence with its limit, never in a bare number."""
    save_model(tmp_path / "teacher", tiny_teacher(), LICENCE)
    make_photos(tmp_path / "photos", 2)
    plans = {"budget": [{"step": "quantize", "precision": "int8", "max_rel_l2": 0.01}]}
    others = {"data": {"source": str(tmp_path / "photos"), "images": 2}, "measure": {"latency": False, "memory": False}}
    code = run_command(["run", str(recipe(tmp_path, plans, **others)), "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert "ranges are found on 1 frame of training.data" in said and "2 asked for, 1 of 2 frames are held out" in said
    (record,) = [one for one in records(tmp_path / "out") if one["name"] == "budget"]
    assert code == (1 if record["error"] else 0)
    assert record["error"] is None or "at most 0.02 is allowed (ranges that were found on few frames" in record["error"]
