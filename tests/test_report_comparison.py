"""Several runs in one report: who stays on the front of all, what became of candidates they share, one model of all."""

from dataclasses import replace

import numpy as np
import pytest
from compress_made_up import CONDITIONS, OBJECTIVES, latency, measured, record, run_of, stage_records, times
from report_search import search_run

from compress.common.document import Paragraph, Table
from compress.measure.fidelity import Fidelity
from compress.report.comparison import comparison_blocks, joint_records
from compress.report.document import Section
from compress.report.facts import RunFacts
from compress.report.markdown import markdown
from compress.report.readings import bounds, overlapping, reading
from compress.report.sections import document
from compress.report.views import report_facts
from compress.results.pareto import front
from compress.results.records import Record
from eval.bootstrap import MEANS, mean_intervals


def faster(one: Record, factor: float) -> Record:
    """The same candidate after something was won in time."""
    found = one.measurement.latency[0]
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
    totals, shared = tables_of(sections_of(*runs)["Run against run"])
    assert [row.cells[:3] for row in totals.rows] == [
        ("before", "openpose-mobilenet-thin", "5"),
        ("after", "openpose-mobilenet-thin", "3"),
    ]
    joint = joint_records(report_facts(runs).runs)
    members = front(joint, OBJECTIVES)
    for row, label in zip(totals.rows, ("before", "after"), strict=True):
        assert int(row.cells[4]) == sum(name.endswith(f"({label})") and "teacher" not in name for name in members)
    assert totals.rows[0].cells[5:] == ("0.47x (stages-1)", "6.2% (stages-5)")
    rows = {row.cells[0]: row.cells[1:] for row in shared.rows}
    assert set(rows) == {"teacher", "stages-5", "stages-4"}
    assert rows["stages-5"] == ("0.89x", "0.45x (-50%)", "6.2%", "6.2%", "no")
    assert rows["stages-4"] == ("0.79x", "0.79x (intervals overlap)", "9.4%", "9.4%", "yes")


def test_what_cannot_be_compared_is_said() -> None:
    other = [
        one.model_copy(update={"conditions": CONDITIONS | {"machine": {"cpu": "Other"}}}) for one in stage_records()
    ]
    runs = [run_of([stage_records()[0], record("a", measured(3))], "x"), run_of(other[1:], "y")]
    told = [b.text for b in sections_of(*runs)["Run against run"].blocks if isinstance(b, Paragraph)]
    assert told == [
        "Not the same machine: Made-up CPU @ 2.60GHz and Other. Compare ratios, not milliseconds.",
        "No two runs share a candidate's name.",
    ]
    different = [run_of(stage_records(), "x"), run_of(stage_records(), "y", ("size_bytes", "joint_rel_l2"))]
    assert comparison_blocks(report_facts(different)) == []


def test_a_budget_names_one_model_of_all_runs() -> None:
    teacher, *stages = stage_records()
    budget = ("latency_ratio <= 0.5",)
    runs = [run_of([teacher, *stages], "before"), run_of([teacher, faster(stages[0], 0.5)], "after")]
    sections = sections_of(*(replace(run, budget=budget) for run in runs))
    verdict = sections["Which one to take out of all runs, for this budget"].blocks[0]
    assert isinstance(verdict, Paragraph) and verdict.text.startswith("Take stages-5 (after): of the 2 that fit")
    assert "Which one to take out of all runs, for this budget" not in sections_of(*runs)


def test_a_run_and_a_search_in_one_report() -> None:
    facts = report_facts([run_of(stage_records(), "plain"), search_run("searched")])
    text = markdown(document(facts))
    assert "## Run against run" in text and "### How the search went" in text
    assert "](figures/hypervolume-2.png)" in text and "](figures/pareto-2.png)" in text
    assert facts.explorer is not None and {point.run for point in facts.explorer.points} == {0, 1}
    assert all("(" in point.name for point in facts.explorer.points if point.kind != "screened")


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
    assert plain.fidelity is not None
    fidelity = Fidelity.model_validate(plain.fidelity.model_dump() | {"intervals": {"joint_rel_l2": (0.08, 0.11)}})
    known = record("known", plain.replaced(fidelity))
    assert bounds(known, "joint_rel_l2") == (0.08, 0.11) and bounds(known, "paf_rel_l2") is None
    assert bounds(known, "latency_ms") == pytest.approx((1165, 1195))
    assert bounds(known, "latency_ratio") == pytest.approx((0.7767, 0.7967), abs=1e-4)
    assert bounds(stage_records()[0], "latency_ms") is None, "the reference has no ratio to itself"
    # Images are shared: that their intervals overlap says nothing.
    assert not overlapping(known, known, "joint_rel_l2") and overlapping(known, known, "latency_ms")
    plot = report_facts([run_of([*stage_records(), known])]).runs[0].plot
    assert plot is not None and plot.points[-1].y_bounds == (0.08, 0.11)


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
    assert reading(column, value) == said
