"""--time-limit: what it takes, a training that stops at it, and a run that leaves the rest to the next call."""

import argparse
from pathlib import Path

import pytest
from compress_tiny_run import QUICK, TinyRun, records, set_to

import compress
from compress.cli.main import run_command
from compress.common.time_limit import TimeLimit, duration
from compress.run.runner import CandidateRunner


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("1h30m", 5400), ("45m", 2700), ("90s", 90), ("90", 90), ("0.5h", 1800), ("1d", 86400)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "h", "2x", "-1h", "nan", "inf", "30m1h", "1h 30m"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a time as 2h"):
        duration(text)


def test_a_limit_passes() -> None:
    assert not TimeLimit().over() and not TimeLimit(1e6).over()
    assert TimeLimit(0.0).over() and TimeLimit(10.0, begun=-1e9).over()


def test_a_run_leaves_the_rest_and_the_same_command_goes_on(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[str] = []
    build = CandidateRunner.build
    monkeypatch.setattr(CandidateRunner, "build", lambda self, plan: made.append(plan.name) or build(self, plan))
    monkeypatch.setattr(TimeLimit, "over", lambda self: self.seconds is not None and len(made) >= 2)
    out = tmp_path / "out"
    words = ["run", str(tiny_run.recipe), "--out", str(out), *set_to(*QUICK)]
    assert run_command([*words, "--time-limit", "1h"]) == 0
    assert "the time limit left stages-2, stages-1; the same command goes on" in capsys.readouterr().err
    assert [record["name"] for record in records(out)] == ["teacher", "stages-3"]
    assert "stages-2" not in (out / "candidates.csv").read_text()
    assert run_command(words) == 0
    assert {record["name"] for record in records(out)} == {"teacher", "stages-3", "stages-2", "stages-1"}


def test_no_time_at_all_measures_the_teacher(tiny_run: TinyRun, tmp_path: Path) -> None:
    overrides = {"measure.latency": False, "measure.memory": False, "objectives": ["params", "joint_rel_l2"]}
    found = compress.run(tiny_run.recipe, overrides, out=tmp_path / "out", time_limit_s=0.0)
    assert [record.name for record in found.records] == ["teacher"] and found.report.is_file()
    assert found.left == ("stages-3", "stages-2", "stages-1")
