"""Times of a search: every file, figure and limit reads the ratio times one time of the teacher."""

import json
from pathlib import Path
from typing import Any

import pytest
from compress_tiny_run import TinyRun, keep_export, records, rows
from conftest import LICENCE
from search_tiny import facts

from compress.cli.main import run_command
from compress.measure.latency_facts import Latencies, Latency, PartLatency
from compress.results.records import Measurement, Record
from compress.search import trial_evaluator
from compress.search.clock import on_one_clock

pytestmark = pytest.mark.usefixtures("without_pictures")

RECIPE = """\
teacher: {run.teacher}
data: {{source: {run.photos}, images: 2}}
scales: [0.25]
candidates:
  - {{name: base, steps: [{{step: remove_stages, stages: 3}}]}}
measure: {{latency: {{rounds: 3}}, memory: false}}
objectives: [latency_ms, joint_rel_l2]
search:
  vary:
    candidates.0.steps.0.stages: {{int: [1, 3]}}
  constraints: [latency_ms <= 80]
  trials: 3
"""
TRUE_RATIO = {3: 1.0, 2: 0.8, 1: 0.5}
CLOCK_MS = {"teacher": 100.0, 3: 90.0, 2: 130.0, 1: 60.0}
"""What each one's own session said: a busy machine for two stages, a quiet one for three."""


def latencies(total_ms: float, ratio: float) -> Latencies:
    scale = PartLatency(
        scale=0.25, input_h=128, input_w=128, median_ms=total_ms, p90_ms=2 * total_ms, ratio=ratio, ratio_ci_low=ratio,
        ratio_ci_high=ratio,
    )  # fmt: skip
    one = Latency(
        runtime="onnxruntime", threads=1, rounds=3, disturbed=0, kept_disturbed=0, total_ms=total_ms, ratio=ratio,
        ratio_ci_low=ratio, ratio_ci_high=ratio, parts=(scale,),
    )  # fmt: skip
    return Latencies(runtimes=(one,))


def record(name: str, total_ms: float, ratio: float) -> Record:
    return Record(
        name=name, role="candidate", key="k", id="i", parent=None, teacher="t", steps=(), stages=1, backbone="vgg",
        measurement=Measurement.of(latencies(total_ms, ratio)), missing={}, conditions={},
        licence=LICENCE,
    )  # fmt: skip


def test_milliseconds_are_the_ratio_times_the_first_teachers_time() -> None:
    known: dict[str, float] = {}

    def constant(name: str, value: float) -> float:
        return known.setdefault(name, value)

    here, elsewhere = record("teacher", 100.0, 1.0), record("teacher", 300.0, 1.0)
    for one, teacher, expected in (
        (here, here, 100.0),
        (record("two", 130.0, 0.8), here, 80.0),
        (record("one", 150.0, 0.5), elsewhere, 50.0),  # another machine, three times as slow
        (elsewhere, elsewhere, 100.0),
    ):
        (told,) = on_one_clock(one, teacher, constant).facts(Latencies).runtimes
        assert told.total_ms == pytest.approx(expected)
        assert told.parts[0].median_ms == pytest.approx(expected) and told.parts[0].p90_ms == pytest.approx(
            2 * expected
        )
    assert len(known) == 1


def test_every_file_of_a_search_tells_the_same_times(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each trial's own clock is off by another factor, as with two workers on a busy machine."""
    keep_export(monkeypatch, tiny_run)
    made = trial_evaluator.CandidateRunner.record

    def drifting(self: Any, plan: Any, built: Any, measured: Any) -> Record:
        found = made(self, plan, built, measured)
        stages: Any = "teacher" if found.role == "teacher" else found.stages
        facts = latencies(CLOCK_MS[stages], 1.0 if stages == "teacher" else TRUE_RATIO[stages])
        return found.model_copy(update={"measurement": found.measurement.replaced(facts)})

    monkeypatch.setattr(trial_evaluator.CandidateRunner, "record", drifting)
    (tmp_path / "s.yaml").write_text(RECIPE.format(run=tiny_run))
    out = tmp_path / "out"
    assert run_command(["search", str(tmp_path / "s.yaml"), "--out", str(out)]) == 0

    expected = {3: 100.0, 2: 80.0, 1: 50.0}
    ranked = {t["choices"]["remove_stages.stages"]: t["values"]["latency_ms"] for t in facts(out)["trials"]}
    assert ranked == pytest.approx(expected)
    table = {int(row["stages"]): row for row in rows(out) if row["name"] != "teacher"}
    assert {stages: float(row["latency_ms"]) for stages, row in table.items()} == pytest.approx(expected)
    # Three stages break the constraint: on no front, neither in the table nor on the terminal.
    assert {stages: row["on_front"] for stages, row in table.items()} == {3: "false", 2: "true", 1: "true"}
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in printed if line[-1:] == ["yes"]] == ["teacher", table[2]["name"], table[1]["name"]]
    kept = {one["stages"]: one for one in records(out) if one["role"] == "candidate"}
    for stages, one in kept.items():
        trial = json.loads((out / "trials" / one["name"] / "record.json").read_text())
        for found in (one, trial):
            assert found["measurement"]["latency"]["runtimes"][0]["total_ms"] == pytest.approx(expected[stages])
    # The constraint reads the same: two stages keep to 80 ms, although their own session took 130.
    assert len(facts(out)["growth"]["trials"]) == 2
    capsys.readouterr()
    budget = ["--budget", "latency_ms=85", "--out", str(tmp_path / "again")]
    assert run_command(["report", str(out), *budget]) == 0
    assert f"Recommended model: {table[2]['name']}." in capsys.readouterr().out
