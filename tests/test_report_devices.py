"""compress report --bench: times from elsewhere are matched by hash and have a front of their own."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from compress.cli.main import run_command
from compress.export.onnx_export import load_graph, save_graph
from compress.report.bench_times import Bench, artefact_names, device_view, read_bench
from compress.results.records import read_records
from eval.artefact_identity import identities, network_of, short_names
from eval.runtimes.facts import ArtefactFacts, sha256, write_facts

if TYPE_CHECKING:
    from compress_tiny_run import TinyRun

ROW = {
    "runtime": "onnxruntime",
    "version": "1.0",
    "p90_ms": 99.0,
    "ratio": 1.0,
    "ratio_ci_low": 0.9,
    "ratio_ci_high": 1.1,
}


@pytest.fixture
def run(tiny_run: "TinyRun", tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run.out, tmp_path / "run"))


def _bench(run: Path, times: dict[str, float]) -> dict[str, Any]:
    rows = [
        ROW | {"file": f"{name}.onnx", "sha256": sha256(run / "candidates" / name / "model.onnx"), "median_ms": ms}
        for name, ms in times.items()
    ]
    for row in rows[:1]:
        row["energy_mj"] = 123.4  # files of earlier versions say nothing of it
    rows.append(ROW | {"file": "stranger.onnx", "sha256": "0" * 64, "median_ms": 1.0})
    machine = {"cpu": "A made-up core", "system": "Linux aarch64"}
    return {"format": 1, "machine": machine, "threads": 1, "input_hw": [64, 80], "rounds": 9, "artefacts": rows}


def test_the_front_of_another_device(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = read_records(run / "records.jsonl")
    names = [record.name for record in records]
    assert len(names) >= 3
    assert names == ["teacher", "stages-3", "stages-2", "stages-1"]
    # The candidate with all stages is the teacher's very file, so both stand at its time. The worst one is the slowest
    # there: it is not on the front.
    times = {"teacher": 10.0, "stages-2": 8.0, "stages-1": 50.0}
    path = tmp_path / "times.json"
    path.write_text(json.dumps(_bench(run, times)))
    bench = read_bench(path)
    view = device_view(bench, artefact_names(run / "candidates", records), records, ("latency_ms", "joint_rel_l2"))
    assert [time.candidate for time in view.times] == names
    assert [time.median_ms for time in view.times] == [10.0, 10.0, 8.0, 50.0]
    assert view.unknown == ("stranger.onnx",)
    assert view.label == "A made-up core, Linux aarch64, 1 thread, input 64x80"
    on_front = {time.candidate: time.on_front for time in view.times}
    assert on_front == {"teacher": True, "stages-3": True, "stages-2": True, "stages-1": False}
    assert view.plot is not None and [x for _, x, _ in view.plot.shown()] == [10.0, 10.0, 8.0, 50.0]
    assert {point.name for point, _, _ in view.plot.front()} == {"teacher", "stages-3", "stages-2"}
    assert run_command(["report", str(run), "--bench", str(path)]) == 0
    text = (run / "report.md").read_text()
    assert "## Other devices" in text and "A made-up core" in text and "50.0" in text
    assert any("teacher" in line and "123" in line for line in text.splitlines())
    assert (run / "figures" / "device-1-1.png").is_file()
    assert "A made-up core" in (run / "report.html").read_text()


def test_exported_files_are_found_by_the_network_inside(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are called model.onnx, lie outside the run, and are no byte copies of the candidates' files."""
    monkeypatch.chdir(tmp_path)
    names = ["stages-2", "stages-1"]
    for name in names:
        words = [str(run / "candidates" / name), "--to", "onnx", "--out", f"phone/{name}-out/model.onnx"]
        assert run_command(["export", *words]) == 0
        graph = load_graph(Path(words[-1]))
        graph.doc_string = "another file of the same network"
        save_graph(graph, Path(words[-1]))
    paths = [f"phone/{name}-out/model.onnx" for name in names]
    size = ["--height", "64", "--width", "80", "--rounds", "3"]
    assert run_command(["bench", *paths, *size, "--out", "times.json"]) == 0
    assert "stages-2-out/model.onnx" in capsys.readouterr().out
    records = read_records(run / "records.jsonl")
    names_of = artefact_names(run / "candidates", records)
    assert not {row.sha256 for row in read_bench(Path("times.json")).artefacts} & set(names_of)
    view = device_view(read_bench(Path("times.json")), names_of, records, ("latency_ms", "joint_rel_l2"))
    assert [(time.candidate, time.file) for time in view.times] == [(n, f"{n}-out/model.onnx") for n in names]
    assert view.unknown == ()
    assert run_command(["report", str(run), "--bench", "times.json"]) == 0
    text = (run / "report.md").read_text()
    assert "Not of this run" not in text and "stages-1-out/model.onnx" in text


def test_a_rounded_file_is_found_by_what_lies_beside_it(run: Path, tmp_path: Path) -> None:
    records = read_records(run / "records.jsonl")
    network = next(record.id for record in records if record.name == "stages-1")
    path = tmp_path / "model.tflite"
    path.write_bytes(b"a flatbuffer")
    write_facts(path, ArtefactFacts("litert", "1", "fp16", (64, 80), str(network), "{}", "{}", {}), [path.name])
    row = ROW | identities([path])[0] | {"runtime": "litert", "median_ms": 1.0}
    bench = Bench.model_validate(_bench(run, {}) | {"artefacts": [row]})
    view = device_view(bench, artefact_names(run / "candidates", records), records, ("latency_ms", "joint_rel_l2"))
    assert [time.candidate for time in view.times] == ["stages-1 (fp16)"] and view.unknown == ()
    path.write_bytes(b"another flatbuffer")
    assert network_of(path) == (None, None), "what lies beside is of another file"
    path.with_name("model.tflite.json").write_text("[1]")
    assert network_of(path) == (None, None)


def test_files_of_one_name_are_told_apart() -> None:
    paths = [Path("a/b/thin.onnx"), Path("a/c/thin.onnx"), Path("d/c/thin.onnx")]
    assert short_names(paths) == ["a/b/thin.onnx", "a/c/thin.onnx", "d/c/thin.onnx"]
    assert short_names(paths[:2]) == ["b/thin.onnx", "c/thin.onnx"]
    assert short_names([Path("a/thin.onnx"), Path("a/thin.onnx")]) == ["thin.onnx", "thin.onnx"]
    assert short_names([Path("runs/x/stages-3/model.onnx"), Path("wide.onnx")]) == ["stages-3/model.onnx", "wide.onnx"]
    assert short_names([Path("model.onnx")]) == ["model.onnx"]
    assert short_names([Path("/home/somebody/model.onnx"), Path("/model.onnx")])[1] == "//model.onnx"
    assert short_names([]) == []
    assert short_names([Path("b\udcff.onnx")]) == ["b\\udcff.onnx"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format"),
        ({"artefacts": []}, "artefacts"),
        ({"threads": 0}, "threads"),
        ({"more": 1}, "more"),
    ],
)
@pytest.mark.usefixtures("without_pictures")
def test_another_file_is_a_users_mistake(
    run: Path, tmp_path: Path, change: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "times.json"
    name = read_records(run / "records.jsonl")[0].name
    path.write_text(json.dumps(_bench(run, {name: 1.0}) | change))
    assert run_command(["report", str(run), "--bench", str(path)]) == 2
    assert f"is not what `compress bench` writes: {message}" in capsys.readouterr().err


@pytest.mark.usefixtures("without_pictures")
def test_times_of_strangers_alone_are_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "times.json"
    path.write_text(json.dumps(_bench(run, {})))
    assert run_command(["report", str(run), "--bench", str(path)]) == 2
    assert "none of its artefacts" in capsys.readouterr().err
    assert run_command(["report", str(run), "--bench", str(tmp_path / "no.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
