"""`import compress`: the functions do what the commands do, lazily, and show themselves in a notebook."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from compress_tiny_run import QUICK, TinyRun, keep_export, rows

import compress
from compress.api.overrides import override_texts
from compress.measure.size import Size
from compress.results.records import read_records
from teachers.posenet import Maps

SWITCHED = {override.split("=")[0]: override.split("=")[1] for override in QUICK}


def test_importing_the_package_or_listing_teachers_imports_no_torch() -> None:
    code = "import compress, compress.cli.teachers, sys; dir(compress); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_function_stays_what_its_name_means_when_the_package_of_that_name_is_imported() -> None:
    code = (
        "import sys, compress, compress.report.write, compress.results.search_file; "
        "assert 'optuna' not in sys.modules, 'a report needs no search engine'; "
        "import compress.run.runner, compress.search.call, compress.export.parity; "
        "from compress.run.builder import Builder; from compress.kinematics.pipeline import KinematicsCall; "
        "assert all(callable(getattr(compress, name)) for name in compress.__all__), compress.run"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"run", "search", "load", "predict", "kinematics", "export"} <= set(dir(compress))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = compress.nothing


def test_a_run_from_python_leaves_what_the_command_leaves(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_export(monkeypatch, tiny_run)
    overrides = {"measure.latency": False, "measure.memory": False, "objectives": ["params", "joint_rel_l2"]}
    result = compress.run(tiny_run.recipe, overrides, out=tmp_path / "out")
    assert result.records == tuple(read_records(tmp_path / "out" / "records.jsonl"))
    assert [record.name for record in result.records] == [row["name"] for row in rows(tmp_path / "out")]
    assert not result.failed
    assert result.report.is_file()
    assert "stages-1" in [record.name for record in result.front]
    assert result["stages-2"].stages == 2
    with pytest.raises(KeyError, match="there are teacher, stages-3"):
        _ = result["stages-9"]


def test_a_result_shows_itself(tiny_run: TinyRun) -> None:
    result = compress.RunResult(tiny_run.out, tuple(read_records(tiny_run.out / "records.jsonl")), ("latency_ms",))
    page = result._repr_html_()
    assert page.count("<tr>") == 1 + len(result.records)
    assert "data:image/png;base64,iVBOR" in page
    pandas = pytest.importorskip("pandas")
    frame = result.frame()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["name"]) == [record.name for record in result.records]
    assert float(frame["params"][1]) == result.records[1].facts(Size).params


def test_overrides_are_those_of_the_command_line() -> None:
    given = {"data.images": 8, "measure.latency": False, "scales": (0.5, 1.0), "teacher": Path("a folder"), "x": None}
    assert override_texts(given) == (
        "data.images=8",
        "measure.latency=false",
        "scales=[0.5, 1.0]",
        'teacher="a folder"',
        "x=null",
    )
    with pytest.raises(compress.UserError, match=r"overrides\['x'\]"):
        override_texts({"x": object()})
    with pytest.raises(compress.UserError, match=r"overrides\['x'\]"):
        override_texts({"x": float("nan")})


def test_mistakes_of_a_recipe_are_told_as_by_the_command(tiny_run: TinyRun) -> None:
    with pytest.raises(compress.UserError, match="did you mean data"):
        compress.run(tiny_run.recipe, {"dat.images": 3})


@pytest.fixture
def candidate(tiny_run: TinyRun) -> Iterator[Path]:
    yield tiny_run.out / "candidates" / "stages-2"


def test_a_candidate_is_loaded_as_module_and_as_session(candidate: Path) -> None:
    model = compress.load(candidate, threads=1)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 96)).astype(np.float32)
    with torch.inference_mode():
        maps = model.network(torch.from_numpy(image))
    assert isinstance(maps, Maps)
    for ours, theirs in zip(model.session.run(image), maps, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4)
    assert len(model.spec.stages) == 2
    assert model.licence.name


def test_an_artefact_alone_has_no_module(candidate: Path, tmp_path: Path) -> None:
    shutil.copy(candidate / "model.onnx", tmp_path / "model.onnx")
    model = compress.load(tmp_path / "model.onnx")
    assert len(model.spec.stages) == 2
    with pytest.raises(compress.UserError, match="load the folder that it lies in"):
        _ = model.network
    with pytest.raises(compress.UserError, match="threads: must lie between 1 and 512, got 0"):
        compress.load(candidate, threads=0)
    with pytest.raises(compress.UserError, match="no model is called"):
        compress.load("stages-2")


def test_images_are_paths_or_pixels(tiny_run: TinyRun, candidate: Path) -> None:
    photo = sorted(tiny_run.photos.iterdir())[0]
    model = compress.load(candidate)
    pixels = cv2.imread(str(photo))
    assert pixels is not None
    (by_path,), (by_pixels,) = compress.predict(model, photo), compress.predict(model, pixels)
    assert len(by_path.people) == len(by_pixels.people)
    for one, other in zip(by_path.people, by_pixels.people, strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
    assert len(compress.predict(candidate, tiny_run.photos)) == 5
    with pytest.raises(compress.UserError, match=r"images\[0\]: pixels must be \(H, W, 3\) uint8"):
        compress.predict(model, [np.zeros((4, 4), np.float32)])  # type: ignore[list-item]
    with pytest.raises(compress.UserError):
        compress.predict(model, "no-such-photo.jpg")


def test_export_proves_what_it_writes(candidate: Path, tmp_path: Path) -> None:
    found = compress.export(candidate, "onnx", out=tmp_path / "small.onnx", input_hw=(64, 96))
    assert found.path == tmp_path / "small.onnx"
    assert found.parity is not None
    assert found.parity.max_abs < 1e-3
    with pytest.raises(compress.UserError, match=r"did you mean onnx\?"):
        compress.export(candidate, "onxx")
