"""One run in several runtimes: each candidate's artefact in each."""

import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compress.cli.main import run_command
from compress.measure.latency import Latencies
from compress.results.records import read_records
from eval.runtimes import RUNTIMES
from teachers.common.install import install_command

if TYPE_CHECKING:
    from compress_tiny_run import TinyRun

pytestmark = pytest.mark.usefixtures("without_pictures")


OTHERS = ("openvino", "ncnn", "executorch")


@pytest.mark.parametrize("other", OTHERS)
def test_one_run_measures_several_runtimes(tiny_run: "TinyRun", tmp_path: Path, other: str) -> None:
    from compress.export.exporters import EXPORTERS

    if hint := RUNTIMES[other].missing() or EXPORTERS[other].missing():
        pytest.skip(hint)
    out = Path(shutil.copytree(tiny_run.out, tmp_path / "out"))
    settings = [
        f"measure.latency.extra_runtimes=[{other}]",
        "measure.memory=false",
        "scales=[0.25]",
        "candidates.0.name=a-{stages}",
    ]
    words = [word for text in settings for word in ("--set", text)]
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out), "--fresh", *words]) == 0
    records = read_records(out / "records.jsonl")
    assert len(records) == 4
    for record in records:
        assert [one.runtime for one in record.facts(Latencies).runtimes] == ["onnxruntime", other]
    with (out / "latency.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["runtime"] for row in rows} == {"onnxruntime", other}
    assert f"timed in onnxruntime and in {other}" in (out / "report.md").read_text()
    made = {path.name for path in (out / "candidates" / "teacher").iterdir()}
    assert (other == "openvino") or any(name.endswith(EXPORTERS[other].suffix) for name in made)


def test_a_runtime_that_is_not_installed_stops_the_run(
    tiny_run: "TinyRun", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eval.runtimes.base._is_there", lambda module: False)
    words = ["--out", str(tmp_path / "out"), "--set", "measure.latency.runtime=ncnn"]
    assert run_command(["run", str(tiny_run.recipe), *words]) == 2
    assert install_command("ncnn") in capsys.readouterr().err
    assert not (tmp_path / "out" / "records.jsonl").exists()
    assert run_command(["check", str(tiny_run.recipe), "--set", "measure.latency.runtime=ncnn"]) == 2
    assert install_command("ncnn") in capsys.readouterr().err, "what the run refuses at once, the check tells"
    monkeypatch.undo()
    assert run_command(["check", str(tiny_run.recipe)]) == 0


def test_a_runtime_is_named_once(tiny_run: "TinyRun", capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", str(tiny_run.recipe), "--set", "measure.latency.extra_runtimes=[onnxruntime]"]) == 2
    assert "names a runtime twice" in capsys.readouterr().err


@pytest.mark.parametrize(("broken", "timed"), [("stages-1", 3), ("teacher", 0)])
def test_who_cannot_be_had_in_a_runtime_is_left_out_there_with_the_reason(
    tiny_run: "TinyRun", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, timed: int
) -> None:
    from compress.core.built import Built
    from compress.export.parity import ParityError

    def make(built: Built, *_: object) -> None:
        if built.name == broken:
            raise ParityError("heatmaps differ")

    monkeypatch.setattr("compress.measure.runtime_artefacts._reads_onnx", lambda name: False)
    monkeypatch.setattr("compress.measure.runtime_artefacts._path", lambda built, *_: built.artefact)
    monkeypatch.setattr("compress.measure.runtime_artefacts._make", make)
    out = Path(shutil.copytree(tiny_run.out, tmp_path / "out"))
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out), "--fresh", "--set", "scales=[0.25]"]) == 0
    records = {record.name: record for record in read_records(out / "records.jsonl")}
    assert sum(record.facts(Latencies) is not None for record in records.values()) == timed
    assert records[broken].missing["latency_ms"] == "heatmaps differ"
    assert records[broken].missing["peak_memory_bytes"] == "heatmaps differ"
    assert all("latency_ms" in record.missing for record in records.values() if record.facts(Latencies) is None)
    assert "heatmaps differ" in (out / "report.md").read_text()
