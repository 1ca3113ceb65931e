"""Several runs in one report: who stays on the front of all, what became of candidates they share, one model of all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compress_made_up import (
    CONDITIONS,
    OBJECTIVES,
    angle_records,
    kinematics,
    latency,
    measured,
    record,
    run_of,
    stage_records,
    times,
    with_angles,
)
from compress_recipe_text import GOOD, load
from report_search import search_run

from compress.cli.main import run_command
from compress.cli.report import labels_of
from compress.common.document import Bullets, Paragraph, Table
from compress.common.run_folder import RECIPE, RECORDS
from compress.measure.fidelity import Fidelity
from compress.measure.latency import Latencies
from compress.report.collect import report_facts
from compress.report.document import Section
from compress.report.facts import RunFacts
from compress.report.markdown import markdown
from compress.report.sections.comparison import joint_records
from compress.report.sections.outline import document
from compress.results.column_text import indistinguishable_in, interval, value_text
from compress.results.pareto import front
from compress.results.records import Record, append_record
from eval.bootstrap import MEANS, mean_intervals
from teachers.common.errors import UserError


def faster(one: Record, factor: float) -> Record:
    """The same candidate after something was won in time."""
    found = one.facts(Latencies).first
    return one.model_copy(
        update={
            "id": f"{one.id} again",
            "measurement": one.measurement.replaced(times(latency(found.total_ms * factor, found.ratio * factor))),
        }
    )


def sections_of(*runs: RunFacts) -> dict[str, Section]:
    return {section.title: section for section in document(report_facts(runs)).sections}


def tables_of(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def test_runs_stand_side_by_side() -> None:
    teacher, *stages = stage_records()
    later = [teacher, faster(stages[0], 0.5), stages[1], record("new", measured(2))]
    runs = [run_of([teacher, *stages], "before"), run_of(later, "after")]
    totals, shared = tables_of(sections_of(*runs)["Runs"])
    assert [row.cells[:2] for row in totals.rows] == [("before", "5"), ("after", "3")]
    joint = joint_records(report_facts(runs).runs)
    members = front(joint, OBJECTIVES)
    for row, label in zip(totals.rows, ("before", "after"), strict=True):
        assert int(row.cells[3]) == sum(name.endswith(f"({label})") and "teacher" not in name for name in members)
    assert totals.rows[0].cells[4:] == ("0.47x (stages-1)", "6.2% (stages-5)")
    rows = {row.cells[0]: row.cells[1:] for row in shared.rows}
    assert set(rows) == {"teacher", "stages-5", "stages-4"}
    assert rows["stages-5"] == ("0.89x", "0.45x (-50%)", "6.2%", "6.2%", "no")
    assert rows["stages-4"] == ("0.79x", "0.79x (intervals overlap)", "9.4%", "9.4%", "yes")


OTHER: dict[str, dict[str, object]] = {
    "machine": {"machine": {"cpu": "Other", "cores": 2, "memory_gib": 8.0, "system": "Linux x86_64"}},
    "scales": {"scales": [1.0]},
    "frames": {"frames_digest": "another"},
    "number of frames": {"images": 8},
    "version of the runtime": {"packages": {"onnxruntime": "1.28.0", "torch": "2.13.0"}},
    "teacher": {"teacher_id": "another"},
}


def under(records: Sequence[Record], conditions: Mapping[str, object]) -> list[Record]:
    return [one.model_copy(update={"conditions": {**CONDITIONS, **conditions}}) for one in records]


@pytest.mark.parametrize("changed", OTHER)
def test_runs_that_share_no_reference_have_no_common_front(changed: str) -> None:
    runs = [run_of(stage_records(), "x"), run_of(under(stage_records(), OTHER[changed]), "y")]
    facts = report_facts(runs)
    assert [group.runs for group in facts.groups] == [(0,), (1,)]
    assert all(group.explorer is None for group in facts.groups)
    sections = sections_of(*runs)
    assert not [title for title in sections if title.startswith("Pareto front of") or title == "Runs"]
    statement, differing = sections["Not comparable"].blocks
    assert isinstance(statement, Paragraph) and "no common front" in statement.text and statement.verdict
    assert isinstance(differing, Bullets) and len(differing.items) == 1
    assert "(x)" in differing.items[0][1] and "(y)" in differing.items[0][1]
    # Each front stands for itself.
    assert [run.explorer is not None for run in facts.runs] == [True, True]
    assert "intervals overlap" not in markdown(document(facts))


def test_threads_and_clips_stand_beside_the_numbers_and_are_compared_too() -> None:
    teacher, *others = angle_records()
    slow = teacher.facts(Latencies).first.model_copy(update={"threads": 1})
    one_thread = teacher.model_copy(update={"measurement": teacher.measurement.replaced(times(slow))})
    found = report_facts([run_of([teacher, *others], "x"), run_of([one_thread, *others], "y")])
    assert found.differences == {"threads": ("2", "1")}
    clip = with_angles(stage_records()[0], kinematics(6, frames=30))
    assert set(report_facts([run_of([teacher], "x"), run_of([clip], "y")]).differences) == {"clip"}
    bare = run_of([record("teacher", measured(6), role="teacher", conditions={})], "y")
    assert "not recorded" in report_facts([run_of([teacher], "x"), bare]).differences["scales"]


def test_what_cannot_change_a_number_keeps_no_runs_apart() -> None:
    again = under(stage_records(), {"python": "3.13.0", "packages": {"onnxruntime": "1.27.0", "torch": "2.14.0"}})
    facts = report_facts([run_of(stage_records(), "x"), run_of(again, "y")])
    assert facts.differences == {} and [group.runs for group in facts.groups] == [(0, 1)]


def test_those_of_several_runs_that_compare_share_a_front() -> None:
    runs = [run_of(stage_records(), label) for label in ("a", "c")]
    runs.insert(1, run_of(under(stage_records(), OTHER["scales"]), "b"))
    facts = report_facts(runs)
    assert [group.runs for group in facts.groups] == [(0, 2), (1,)]
    titles = {section.title for section in document(facts).sections}
    assert {"Not comparable", "Pareto front of a and c", "Runs of a and c", "a", "b", "c"} <= titles
    different = [run_of(stage_records(), "x"), run_of(stage_records(), "y", ("size_bytes", "joint_rel_l2"))]
    assert set(report_facts(different).differences) == {"objectives"}


def test_a_budget_names_one_model_of_all_runs() -> None:
    teacher, *stages = stage_records()
    budget = ("latency_ratio <= 0.5",)
    runs = [run_of([teacher, *stages], "before"), run_of([teacher, faster(stages[0], 0.5)], "after")]
    first = document(report_facts([replace(run, budget=budget) for run in runs])).sections[0]
    assert first.title == "Recommended model"
    verdict = first.blocks[0]
    assert isinstance(verdict, Paragraph)
    assert verdict.text.startswith("Recommended model: stages-5 (after). Of the 2 candidates that meet the limit")
    assert document(report_facts(runs)).sections[0].title == "Pareto front of all runs"


def test_a_run_and_a_search_in_one_report() -> None:
    facts = report_facts([run_of(stage_records(), "plain"), search_run("searched")])
    text = markdown(document(facts))
    assert "## Runs" in text and "### Search" in text
    assert "](figures/hypervolume-2.png)" in text and "](figures/pareto-2.png)" in text
    (group,) = facts.groups
    assert group.explorer is not None and {point.run for point in group.explorer.points} == {0, 1}
    assert all("(" in point.name for point in group.explorer.points if point.kind != "screened")


def test_intervals_of_means_come_from_resampled_images() -> None:
    values = np.random.default_rng(3).gamma(4.0, 0.1, (60, 2))
    found = mean_intervals(values)
    assert len(found) == 2 and found == mean_intervals(values)
    for column, (lo, hi) in enumerate(found):
        mean, error = values[:, column].mean(), values[:, column].std(ddof=1) / np.sqrt(60)
        assert lo < mean < hi
        # A mean of 60 is near enough to normal for the two ways to agree; 1,000 resamples leave some noise.
        assert (lo, hi) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=0.35 * error)
    assert mean_intervals(values[:1]) == [] and MEANS >= 1000
    assert mean_intervals(np.full((5, 1), 0.25)) == [(0.25, 0.25)]


def test_an_interval_is_shown_where_there_is_one() -> None:
    plain = measured(4)
    fidelity = Fidelity.model_validate(
        plain.facts(Fidelity).model_dump() | {"intervals": {"joint_rel_l2": (0.08, 0.11)}}
    )
    known = record("known", plain.replaced(fidelity))
    assert interval(known, "joint_rel_l2") == (0.08, 0.11) and interval(known, "paf_rel_l2") is None
    assert interval(known, "latency_ms") == pytest.approx((1165, 1195))
    assert interval(known, "latency_ratio") == pytest.approx((0.7767, 0.7967), abs=1e-4)
    assert interval(stage_records()[0], "latency_ms") is None, "the reference has no ratio to itself"
    # Images are shared: that their intervals overlap says nothing.
    assert not indistinguishable_in(known, known, "joint_rel_l2") and indistinguishable_in(known, known, "latency_ms")
    plot = report_facts([run_of([*stage_records(), known])]).runs[0].explorer
    assert plot is not None and plot.points[-1].intervals[plot.chosen[1]] == (0.08, 0.11)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("latency_ms", 30.14, "30.1 ms"),
        ("latency_ratio", 0.781, "0.78x"),
        ("joint_rel_l2", 0.123, "12.3%"),
        ("size_bytes", 7.8e6, "7.80 MB"),
        ("macs", 7.5e9, "7.50 G"),
        ("angle_rmse_deg", 2.313, "2.31 deg"),
        ("angular_velocity_rmse_deg_s", 90.4, "90.4 deg/s"),
        ("oks", None, "not measured"),
    ],
)
def test_a_number_is_read_with_its_unit(column: str, value: float | None, said: str) -> None:
    assert value_text(column, value) == said


def folder_of(path: Path, records: Sequence[Record]) -> Path:
    """A finished run in a folder."""
    path.mkdir(parents=True)
    (path / RECIPE).write_text(load(GOOD, "objectives=[latency_ratio, joint_rel_l2]").to_yaml())
    for one in records:
        append_record(path / RECORDS, one)
    return path


@pytest.mark.usefixtures("without_pictures")
def test_runs_in_folders_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    one, two = (folder_of(tmp_path / side / "run", stage_records()[:3]) for side in ("left", "right"))
    assert labels_of([one]) == ["run"] and labels_of([one, two]) == ["left/run", "right/run"]
    with pytest.raises(UserError, match="named twice"):
        labels_of([one, one])
    assert run_command(["report", str(one), str(two), "--out", str(tmp_path / "both")]) == 0
    text = (tmp_path / "both" / "report.md").read_text()
    assert "stages-5 (left/run)" in text and "stages-5 (right/run)" in text


@pytest.mark.usefixtures("without_pictures")
def test_a_report_is_never_written_over_another_runs_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (folder_of(tmp_path / name, stage_records()[:3]) for name in ("one", "two"))
    assert run_command(["report", str(two)]) == 0
    before = {path: path.read_bytes() for path in two.rglob("*") if path.is_file()}
    for words in ([str(one)], [str(one), str(two)]):
        assert run_command(["report", *words, "--out", str(two)]) == 2
        assert "holds records.jsonl, so a run of its own" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in two.rglob("*") if path.is_file()} == before
    # A report of its own may be drawn again; that of another run, or a stranger's file, is left alone.
    out = tmp_path / "out"
    for _ in range(2):
        assert run_command(["report", str(one), "--out", str(out)]) == 0
    assert run_command(["report", str(two), "--out", str(out)]) == 2
    assert "no earlier report of these runs" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "candidates.csv").write_text("mine")
    assert run_command(["report", str(one), "--out", str(tmp_path / "mine")]) == 2
    assert (tmp_path / "mine" / "candidates.csv").read_text() == "mine"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("mine")
    assert run_command(["report", str(one), "--out", str(tmp_path / "notes")]) == 0
