"""One run in several runtimes: each candidate's artefact in each, and whether the rankings agree."""

import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from compress_made_up import latency, run_of, stage_records, times

from compress.cli.main import run_command
from compress.report.runtime_ranks import runtime_agreements, runtime_blocks
from compress.report.views import report_facts
from compress.results.records import Record, read_records
from eval.runtimes import RUNTIMES

if TYPE_CHECKING:
    from compress_tiny_run import TinyRun


def _timed(records: tuple[Record, ...], ratios: dict[str, float]) -> list[Record]:
    """The records with times in a second runtime."""
    found = []
    for record in records:
        measured = record.measurement
        if record.name in ratios and measured.latency:
            other = latency(1000 * ratios[record.name], ratios[record.name]).model_copy(update={"runtime": "openvino"})
            record = record.model_copy(  # noqa: PLW2901
                update={"measurement": measured.replaced(times(measured.latency[0], other))}
            )
        found.append(record)
    return found


def test_rankings_that_differ_are_named() -> None:
    run = run_of(stage_records())
    here = {one.name: one.measurement.latency[0].ratio for one in run.records if one.measurement.latency}
    assert len(here) >= 5
    (same,) = runtime_agreements(_timed(run.records, here))
    assert same.rho == pytest.approx(1) and same.swapped == () and same.candidates == len(here)
    fastest, slowest = min(here, key=here.__getitem__), max(here, key=here.__getitem__)
    turned = here | {fastest: here[slowest] + 0.5}
    (found,) = runtime_agreements(_timed(run.records, turned))
    assert found.rho is not None and found.rho < 1
    assert found.swapped and all(pair[0] == fastest for pair in found.swapped)
    (few,) = runtime_agreements(_timed(run.records, {name: here[name] for name in list(here)[:2]}))
    assert few.rho is None and few.candidates == 2
    assert runtime_agreements(run.records) == ()


def test_the_report_says_so() -> None:
    import dataclasses

    run = run_of(stage_records())
    here = {one.name: one.measurement.latency[0].ratio for one in run.records if one.measurement.latency}
    fastest = min(here, key=here.__getitem__)
    facts = dataclasses.replace(run, records=tuple(_timed(run.records, here | {fastest: 3.0})))
    blocks = runtime_blocks(report_facts([facts]).runs[0])
    text = str(blocks)
    assert "The rankings differ" in text and "Spearman's rho between the times in onnxruntime and openvino" in text
    assert runtime_blocks(report_facts([run]).runs[0]) == []


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
        assert [one.runtime for one in record.measurement.latency] == ["onnxruntime", other]
    with (out / "latency.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["runtime"] for row in rows} == {"onnxruntime", other}
    assert f"onnxruntime and {other}" in (out / "report.md").read_text()
    made = {path.name for path in (out / "candidates" / "teacher").iterdir()}
    assert (other == "openvino") or any(name.endswith(EXPORTERS[other].suffix) for name in made)


def test_a_runtime_that_is_not_installed_stops_the_run(
    tiny_run: "TinyRun", tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eval.runtimes.base._is_there", lambda module: False)
    words = ["--out", str(tmp_path / "out"), "--set", "measure.latency.runtime=ncnn"]
    assert run_command(["run", str(tiny_run.recipe), *words]) == 2
    assert 'pip install "pose-compress[ncnn]"' in capsys.readouterr().err
    assert not (tmp_path / "out" / "records.jsonl").exists()


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
    assert sum(bool(record.measurement.latency) for record in records.values()) == timed
    assert records[broken].missing["latency_ms"] == "heatmaps differ"
    assert records[broken].missing["peak_memory_bytes"] == "heatmaps differ"
    assert all("latency_ms" in record.missing for record in records.values() if not record.measurement.latency)
    assert "heatmaps differ" in (out / "report.md").read_text()
