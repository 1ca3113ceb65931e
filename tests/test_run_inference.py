"""Candidates run in ways of their own: built once, measured as they run, and run again as they were measured."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest
from compress_tiny_run import QUICK, keep_export, rows

from compress.cli.main import run_command
from compress.export.inference_file import load_inference
from compress.measure import inference_rounds
from compress.measure.latency_facts import Latencies
from compress.packing.pack_file import unpack_any
from compress.results.records import read_records
from compress.run import builder
from compress.run.model_lookup import open_model
from eval.inference import Inference, Redetect, Roi

if TYPE_CHECKING:
    from compress_tiny_run import TinyRun

pytestmark = pytest.mark.usefixtures("without_pictures")

RECIPE = """\
teacher: {teacher}
data: {{source: {source}, images: 3}}
scales: [0.25, 0.5]
candidates:
  - name: stages-2
    steps: [{{step: remove_stages, stages: 2}}]
  - name: scale
    steps: [{{step: remove_stages, stages: 2}}]
    inference: {{scales: [0.25]}}
  - name: window
    steps: [{{step: remove_stages, stages: 2}}]
    inference: {{roi: {{size: [64, 48], redetect: {{scale: 0.25}}}}}}
measure:
  latency: {{threads: 1, rounds: 3}}
"""
WINDOW = Inference(roi=Roi(size=(64, 48), redetect=Redetect(scale=0.25)))


@pytest.fixture(scope="module")
def out(tiny_run: "TinyRun", tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inference")
    recipe = folder / "ways.yaml"
    recipe.write_text(RECIPE.format(teacher=tiny_run.teacher, source=tiny_run.photos))
    with pytest.MonkeyPatch.context() as patch:
        keep_export(patch, tiny_run)
        assert run_command(["run", str(recipe), "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_each_is_recorded_with_its_way_and_its_parts(out: Path) -> None:
    records = {record.name: record for record in read_records(out / "records.jsonl")}
    assert records["teacher"].inference is None and records["stages-2"].inference is None
    assert records["scale"].inference == Inference(scales=(0.25,)) and records["window"].inference == WINDOW
    assert len({record.key for record in records.values()}) == 4
    parts = {name: [part.label for part in _first(record).parts] for name, record in records.items()}
    assert parts["teacher"] == parts["stages-2"] == ["scale 0.25", "scale 0.5"]
    assert parts["scale"] == ["scale 0.25"] and parts["window"] == ["window 64x48", "full frame at scale 0.25"]
    window, passes = _first(records["window"]).parts
    assert (window.per_frame, passes.per_frame) == (1.0, pytest.approx(1 / 30))
    assert _first(records["window"]).total_ms == pytest.approx(window.median_ms + passes.median_ms / 30, rel=0.5), (
        "medians of a sum and a sum of medians differ a little"
    )
    found = {row["name"]: row for row in rows(out)}
    assert found["window"]["inference"] == "window 64x48" and found["teacher"]["inference"] == "scales 0.25, 0.5"
    assert float(found["scale"]["joint_rel_l2"]) != float(found["stages-2"]["joint_rel_l2"])


def _first(record: object) -> object:
    return record.facts(Latencies).first  # type: ignore[attr-defined]


def test_a_network_is_built_once_whatever_way_it_is_run(
    out: Path, tiny_run: "TinyRun", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[object] = []
    proved = builder.largest_difference
    monkeypatch.setattr(builder, "largest_difference", lambda *given: (built.append(given[1]), proved(*given))[1])
    keep_export(monkeypatch, tiny_run)
    recipe = out.parent / "ways.yaml"
    words = [word for text in QUICK for word in ("--set", text)]
    assert run_command(["run", str(recipe), "--out", str(tmp_path / "again"), *words]) == 0
    assert len(built) == 2, "the teacher and two stages"
    graphs = [onnx.load(tmp_path / "again" / "candidates" / name / "model.onnx") for name in ("stages-2", "window")]
    assert graphs[0].graph == graphs[1].graph
    said = {entry.key: entry.value for entry in graphs[1].metadata_props}
    assert json.loads(said["inference"])["roi"]["size"] == [64, 48]
    assert "inference" not in {entry.key for entry in graphs[0].metadata_props}


def test_a_second_call_measures_nothing_again(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_work(*_: object) -> None:
        raise AssertionError("timed again")

    monkeypatch.setattr(inference_rounds, "run_rounds", no_work)
    before = (out / "candidates.csv").read_bytes()
    assert run_command(["run", str(out.parent / "ways.yaml"), "--out", str(out)]) == 0
    assert (out / "candidates.csv").read_bytes() == before


def test_a_model_is_run_as_it_was_measured(out: Path, tmp_path: Path) -> None:
    folder = out / "candidates" / "window"
    assert load_inference(folder) == WINDOW
    for model in (folder, folder / "model.onnx"):
        assert open_model(str(model), 1).usual_inference == WINDOW
    assert open_model(str(out / "candidates" / "stages-2"), 1).usual_inference == Inference(scales=(1.0,))
    packed, again, artefact = tmp_path / "window.posepack", tmp_path / "again", tmp_path / "again.onnx"
    assert run_command(["pack", str(folder), "--out", str(packed)]) == 0
    assert unpack_any(packed.read_bytes(), "x").inference == WINDOW
    assert run_command(["unpack", str(packed), "--out", str(again)]) == 0
    assert load_inference(again) == WINDOW
    assert run_command(["export", str(again), "--to", "onnx", "--out", str(artefact)]) == 0
    assert open_model(str(artefact), 1).usual_inference == WINDOW


def test_a_damaged_record_of_the_way_is_told(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:

    folder = shutil.copytree(out / "candidates" / "window", tmp_path / "damaged")
    (folder / "inference.json").write_text('{"roi": {"size": [64]}}')
    assert run_command(["predict", str(folder), str(tmp_path)]) == 2
    assert "inference.json: roi.size" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--roi", "250x192"], "--roi: must be multiples of 8, got 250x192; 248x192 would do"),
        (["--roi", "99999x192"], "--roi: sides must lie between 1 and 8192, got 99999x192"),
        (["--roi", "256"], "--roi: '256': expected the height and width of a window, for example 256x192"),
        (["--scales", "0"], "--scales: must lie between 0.1 and 10, got 0"),
    ],
)
def test_options_that_cannot_be(
    words: list[str], message: str, out: Path, tiny_run: "TinyRun", capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(next(tiny_run.photos.iterdir()))
    assert run_command(["predict", str(out / "candidates" / "window"), photo, *words]) == 2
    assert message in capsys.readouterr().err


def test_a_photograph_takes_a_window_too(out: Path, tiny_run: "TinyRun", tmp_path: Path) -> None:
    photo = str(next(tiny_run.photos.iterdir()))
    words = ["predict", str(out / "candidates" / "stages-2"), photo, "--roi", "64x48", "--maps", "--out", str(tmp_path)]
    assert run_command(words) == 0
    assert list(tmp_path.glob("*_maps.npz")) and list(tmp_path.glob("*_keypoints.json"))


def test_bench_takes_the_window_that_was_measured(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artefact = str(out / "candidates" / "window" / "model.onnx")
    words = ["bench", artefact, "--rounds", "3", "--out", str(tmp_path / "bench.json")]
    assert run_command(words) == 0
    assert json.loads((tmp_path / "bench.json").read_text())["input_hw"] == [64, 48]
    assert run_command([*words, "--height", "64", "--width", "64"]) == 0
    assert json.loads((tmp_path / "bench.json").read_text())["input_hw"] == [64, 64]
    assert run_command(["bench", artefact, str(out / "candidates" / "scale" / "model.onnx"), *words[2:]]) == 0
    assert json.loads((tmp_path / "bench.json").read_text())["input_hw"] == [368, 656]
    assert capsys.readouterr().out.count("as the artefacts were measured") == 1
