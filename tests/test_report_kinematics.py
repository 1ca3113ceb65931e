"""Joint angles in the report: the facts, the words, the pictures."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from compress_made_up import (
    FLOOR,
    OBJECTIVES,
    angle_records,
    failed,
    kinematics,
    measured,
    record,
    run_of,
    stage_records,
    teacher,
    with_angles,
)  # fmt: skip

from compress.common.document import Bullets, Details, Paragraph, Table
from compress.common.formatting import NONE
from compress.report.collect import report_facts
from compress.report.document import Block, Picture
from compress.report.facts import RunView
from compress.report.figures.canvas import short
from compress.report.figures.joint_angles import joints_png
from compress.report.sections.joint_angles import PERTURBED, filter_text, joint_angles, tier_text
from compress.report.write import write_report
from compress.results.joint_angle_facts import JOINTS, KinematicsView
from compress.results.records import Record
from compress.results.sentences import cost
from eval.kinematic_tiers import JUDGED, NO_SIDE_VIEW
from eval.perturbations import PERTURBATIONS

TITLE = "Joint angles"


def run(records: list[Record]) -> RunView:
    return report_facts([run_of(records)]).runs[0]


def view(records: list[Record]) -> KinematicsView:
    found = run(records).kinematics
    assert found is not None
    return found


def blocks(records: list[Record]) -> list[Block]:
    return joint_angles(run(records), "joint_angles")


def tables(found: list[Block]) -> list[Table]:
    inside = [one for block in found if isinstance(block, Details) for one in block.blocks]
    return [block for block in (*found, *inside) if isinstance(block, Table)]


def cells(table: Table) -> dict[tuple[str, ...], dict[str, str]]:
    """Rows by name, and by series where there are two."""
    keys = [(row.cells[:2] if table.head[1] == "Angle" else row.cells[:1]) for row in table.rows]
    assert len(set(keys)) == len(keys)
    return {key: dict(zip(table.head, row.cells, strict=True)) for key, row in zip(keys, table.rows, strict=True)}


# Facts.


def test_what_the_report_calls_joints_and_perturbations_is_what_is_measured() -> None:
    assert JOINTS == JUDGED
    words = PERTURBED.split(", ")
    assert len(words) == len(PERTURBATIONS)
    for word, perturbation in zip(words, PERTURBATIONS, strict=True):
        assert perturbation.name.startswith(word)


def test_the_facts_of_a_candidate_come_from_the_record_of_the_metric() -> None:
    found = view(angle_records())
    assert [row.names[0] for row in found.rows] == ["stages-5", "stages-4", "stages-3", "stages-2", "stages-1"]
    row = found.row("stages-3")
    assert row is not None
    knee = row.joint("knee")
    assert knee is not None
    assert (knee.raw.median, knee.raw.p95) == (4.4, 27.0)
    assert knee.filtered.median == pytest.approx(1.1 * 4.4)
    assert knee.raw.error_over_noise == pytest.approx(4.4 / 3.5)
    assert knee.raw.loa == (-27.0, pytest.approx(24.3))
    assert (knee.raw.n, knee.motion.velocity_rmse, knee.motion.lr_swap_rate) == (250, 205.0, 0.0)
    assert row.headline.median_deg == pytest.approx(1.21 * 4.4)


def test_there_is_one_noise_floor_and_its_headline_is_the_worst_joints() -> None:
    (noise,) = view(angle_records()).noise
    assert noise.names == tuple(found.name for found in angle_records())
    assert noise.headline.median_deg == pytest.approx(1.1 * 1.1 * FLOOR[0])
    assert noise.headline.p95_deg == pytest.approx(1.1 * 1.1 * FLOOR[1])
    assert noise.headline.velocity_rmse_deg_s == pytest.approx(1.1 * FLOOR[2])
    assert (noise.headline.error_over_noise, noise.headline.oks) == (1.0, None)


def test_facts_survive_the_file(tmp_path: Path) -> None:
    again = [Record.model_validate_json(found.model_dump_json()) for found in angle_records()]
    assert view(again) == view(angle_records())


def test_floors_and_clips_that_differ_are_kept_apart_and_warned_of() -> None:
    records = [*angle_records()[:3], with_angles(stage_records()[3], kinematics(3, (1.0, 4.0, 9.0), clip="other.mp4"))]
    found = view(records)
    assert [noise.names for noise in found.noise] == [("teacher", "stages-5", "stages-4"), ("stages-3",)]
    assert len(found.clips) == 2
    text = repr(blocks(records))
    assert "compare with care: 75 frames of made-up.mp4" in text
    assert "noise floor of stages-3" in text
    spans = dict(found.panels())["knee"]
    assert [span.floor_median for span in spans] == pytest.approx([1.1 * 3.5, 1.1 * 3.5, 1.1])


def test_nothing_is_told_of_a_failed_candidate_or_one_without_angles() -> None:
    broken = with_angles(stage_records()[2]).model_copy(update={"error": "ValueError: torn"})
    records = [*angle_records()[:2], broken, record("bare", measured(3), missing={"oks": "no video"})]
    assert [row.names[0] for row in view(records).rows] == ["stages-5"]
    told = cells(tables(blocks(records))[0])
    assert told[("stages-4 (failed)",)]["P95 [deg]"] == NONE
    assert told[("bare",)]["Tier"] == NONE


# Words and tables.


def test_the_headline_table_has_the_floor_first_and_then_every_candidate() -> None:
    found = blocks(angle_records())
    table = tables(found)[0]
    assert [row.cells[0] for row in table.rows] == ["noise floor", *(r.name for r in angle_records()[1:])]
    assert [row.kind for row in table.rows[:2]] == ["teacher", "front"]
    told = cells(table)[("stages-5",)]
    assert told == {
        "Candidate": "stages-5", "Tier": "usable with care", "Median [deg]": "1.45", "P95 [deg]": "5.57",
        "RMSE [deg]": "2.78", "Median over floor": "0.34", "Velocity, median / RMSE [deg/s]": "36 / 143",
        "OKS": "0.985", "People found": "100.0%",
    }  # fmt: skip
    assert cells(table)[("noise floor",)]["Median [deg]"] == "4.24"


def test_every_number_of_every_joint_stands_beside_the_floors() -> None:
    folded = [block for block in blocks(angle_records()) if isinstance(block, Details)]
    folded = [block for block in folded if "every number" in block.summary]
    assert [block.summary.partition(":")[0] for block in folded] == ["Knee", "Hip", "Shoulder", "Elbow"]
    errors, motion = (cells(table) for table in folded[0].blocks if isinstance(table, Table))
    assert len(errors) == 2 * (1 + 5)
    assert errors[("stages-3", "raw")] == {
        "Candidate": "stages-3", "Angle": "raw", "Frames": "250", "Found": "100.0%", "Median": "4.40", "P95": "27.0",
        "RMSE": "13.5", "Bias": "-1.10", "Limits of agreement": "-27.0 to +24.3", "Gross": "6.8%", "Over floor": "1.26",
    }  # fmt: skip
    assert errors[("noise floor", "filtered")]["P95"] == "19.8"
    assert errors[("noise floor", "raw")]["Gross"] == "4.0%"
    assert motion[("stages-3",)] == {
        "Candidate": "stages-3", "Range [deg]": "-4.40", "Velocity, median / RMSE [deg/s]": "51 / 205",
        "Jitter ratio": "1.44", "Left and right swapped": "0.0%",
    }  # fmt: skip
    assert motion[("noise floor",)]["Left and right swapped"] == "2.2%"


def test_a_velocity_is_never_told_without_frame_rate_and_cut_off() -> None:
    text = repr(blocks(angle_records()))
    assert (
        "75 frames of made-up.mp4 from frame 20 on, 30 frames per second, reference at scales 0.5, 1, 1.5, 2, 2 people"
        in text
    )
    assert "confidence-weighted Rauch-Tung-Striebel smoother, cut-off 6 Hz" in text
    assert "order 4, cut-off 6 Hz" in filter_text("Butterworth(cutoff_hz=6.0, order=4)")
    assert "own error against the true angle is not included" in text
    assert filter_text("OneEuro(min_cutoff_hz=1.0)") == "filtered means OneEuro(min_cutoff_hz=1.0)"
    assert filter_text(None) == "the filter is not recorded"


def test_a_tier_says_why_it_is_no_better_one_the_worst_of_each_kind_first() -> None:
    told = {row.names[0]: tier_text(row) for row in view(angle_records()).rows}
    assert told["stages-5"] == (
        "usable with care. Not equivalent, because of: P95 5.57 deg (elbow, filtered; limit 5 deg); "
        "errors of 20 deg and more 1.39% (elbow, filtered; limit 1%)."
    )
    assert told["stages-1"].startswith("not for angles. Not usable with care, because of: median 7.38 deg (elbow")
    assert "frames found 94.0% (knee, raw; limit 95%)." in told["stages-1"]
    assert told["stages-1"].count("(") == 4, "one for each kind, however many joints miss it"
    found = ("knee raw detection_rate 0.940 < 0.95", "hip raw detection_rate 0.800 < 0.95", "hip raw bias 2.5 > 2")
    reasons = tuple(f"usable with care: {reason}" for reason in found)
    (row,) = view([with_angles(stage_records()[1], kinematics(5, tier="not for angles", tier_reasons=reasons))]).rows
    assert tier_text(row).endswith("bias 2.50 deg (hip, raw; limit 2 deg); frames found 80.0% (hip, raw; limit 95%).")
    (perfect,) = view([with_angles(record("same", measured(6), stages=6))]).rows
    assert tier_text(perfect) == "transparent."


def test_no_tier_prints_its_reason() -> None:
    nobody = kinematics(5, tier=None, tier_reasons=("the teacher could measure neither knee nor hip",))
    row = view([teacher(), with_angles(stage_records()[1], nobody)]).row("stages-5")
    assert row is not None
    assert tier_text(row) == "not judged: the teacher could measure neither knee nor hip."
    odd = kinematics(5, tier_reasons=("transparent: knee raw error_over_noise not measured: None",))
    (told,) = view([with_angles(stage_records()[1], odd)]).rows
    assert "knee raw error_over_noise not measured" in tier_text(told)


def test_a_joint_without_any_measurement_is_named_with_the_reason() -> None:
    why = "the teacher could not measure this angle on any frame"
    lost = {"n": 0, "n_measurable": 0, "reason": why}
    joints = kinematics(5).joints | {"elbow": {"raw": lost, "filtered": lost, "motion": {}}}
    found = [with_angles(stage_records()[1], kinematics(5, joints=joints))]
    assert [name for name, _ in view(found).panels()] == ["knee", "hip", "shoulder"]
    assert f"Nothing was measured at the elbow: {why}." in repr(blocks(found))
    assert "elbow" not in [block.summary for block in blocks(found) if isinstance(block, Details)]


def test_without_any_angles_the_section_says_why() -> None:
    (block,) = blocks(stage_records())
    assert "Joint angles were not measured: the source is no video." in repr(block)
    assert blocks([]) == [Paragraph("Joint angles were not measured.")]


def test_what_a_candidate_costs_names_degrees_and_tier() -> None:
    told = {found.record.name: cost(found.record) for found in run(angle_records()).candidates}
    assert told["stages-4"].endswith("; joint angles: median 2.5 deg, P95 10.9 deg, not for angles")
    without = kinematics(4, tier=None, median_deg=None)
    (silent,) = run([with_angles(stage_records()[2], without)]).candidates
    assert "angles" not in cost(silent.record)


# The written report.


def test_the_report_holds_section_and_pictures_and_is_the_same_every_time(tmp_path: Path) -> None:
    hostile = with_angles(record("$x^2_{$ <b>|", measured(3)), kinematics(3))
    records = [*angle_records(), hostile, failed()]
    written = write_report(tmp_path / "one", [run_of(records)])
    again = write_report(tmp_path / "two", [run_of(records)])
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]
    figures = {path.name for path in written if path.suffix == ".png"}
    assert {"joint_angles.png", "joint_angles-narrow.png"} <= figures
    html, text = ((tmp_path / "one" / name).read_text() for name in ("report.html", "report.md"))
    assert html.index(">L2 difference from the teacher</h2>") < html.index(f">{TITLE}</h2>")
    assert html.index(f">{TITLE}</h2>") < html.index(">Latency</h2>")
    assert html.count("<details>") == 4 + 5 + 1 + 1
    assert html.count("<details") == html.count("</details>")
    assert "<b>" not in html
    assert f"## {TITLE}" in text and "**Knee: every number, raw and filtered**" in text
    for name in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (tmp_path / "one" / name).is_file()


@pytest.mark.usefixtures("without_pictures")
def test_several_runs_have_pictures_of_their_own(tmp_path: Path) -> None:
    bare = [record("bare", missing={"oks": "no video"})]
    runs = [run_of(bare, "first"), run_of([with_angles(found) for found in stage_records()[1:3]], "second")]
    names = {path.name for path in write_report(tmp_path, runs)}
    assert "joint_angles-2.png" in names and "joint_angles.png" not in names


@pytest.mark.parametrize("records", [
    [with_angles(teacher())],
    [with_angles(stage_records()[1])],
    [*angle_records()[:2], with_angles(record("still", measured(5), stages=6), kinematics(6))],
    [with_angles(stage_records()[2], kinematics(4, joints={}, median_deg=None, tier=None, tier_reasons=()))],
])  # fmt: skip
def test_poor_angles_still_give_a_report(records: list[Record], tmp_path: Path) -> None:
    paths = write_report(tmp_path, [run_of(records, objectives=OBJECTIVES)])
    assert f"## {TITLE}" in (tmp_path / "report.md").read_text()
    pictures = {block.name for block in blocks(records) if isinstance(block, Picture)}
    assert {f"{name}.png" for name in pictures} <= {path.name for path in paths}


def test_the_pictures_can_be_read() -> None:
    found = view(angle_records())
    for narrow, least in ((False, 1400), (True, 550)):
        picture = cv2.imdecode(np.frombuffer(joints_png(found.panels(), narrow), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape[1] >= least and np.ptp(picture) > 200
    assert short("a" * 40) == f"{'a' * 26}..."


def test_the_section_is_one_table_and_one_picture_and_the_rest_is_folded() -> None:
    found = blocks(angle_records())
    kinds = [type(block).__name__ for block in found]
    assert kinds == ["Paragraph", "Table", "Picture", *["Details"] * 9]
    assert [block.summary for block in found if isinstance(block, Details)][:5] == [
        "Tiers, and what kept each candidate from a better one",
        "What the numbers mean",
        "Each joint, seen from the side",
        "Seen from the front or the back",
        "Labels of left and right",
    ]


def test_views_decide_which_frames_count_and_the_report_says_so() -> None:
    (first, *_) = blocks(angle_records())
    assert "Only frames seen from the side count: 58 of 133, summed over people; the others" in repr(first)
    bare = kinematics(5, views={}, labels={}, front=None)
    old = blocks([with_angles(stage_records()[1], bare)])
    assert "seen from the side count" not in repr(old)
    assert not {"Seen from the front or the back", "Labels of left and right"} & {
        block.summary for block in old if isinstance(block, Details)
    }


def test_front_views_have_a_table_of_their_own_and_change_nothing_else() -> None:
    records = angle_records()
    front = cells(next(table for table in tables(blocks(records)) if table.caption.startswith("Seen from the front")))
    side = cells(
        next(table for table in tables(blocks(records)) if table.caption.startswith("Seen from the side: med"))
    )
    assert front[("stages-3",)]["Knee"] == "9.68 / 59.4" and side[("stages-3",)]["Knee"] == "4.84 / 29.7"
    assert front[("noise floor",)]["Knee"] == "7.70 / 39.6"
    without = [with_angles(one, kinematics(one.stages or 6, front=None)) for one in records]
    assert tables(blocks(without))[0] == tables(blocks(records))[0]


def test_without_a_side_view_there_is_no_tier_and_the_report_says_why() -> None:
    nothing = {"n": 0, "n_measurable": 0, "reason": "the teacher could not measure this angle on any frame"}
    joints = {joint: {"raw": nothing, "filtered": nothing, "motion": {}} for joint in JOINTS}
    facts = kinematics(
        5, joints=joints, tier=None, tier_reasons=(NO_SIDE_VIEW,), median_deg=None, p95_deg=None, rmse_deg=None,
        error_over_noise=None, velocity_rmse_deg_s=None, velocity_median_deg_s=None, views={"front": 75}, labels={},
    )  # fmt: skip
    found = blocks([teacher(), with_angles(stage_records()[1], facts)])
    told = cells(tables(found)[0])[("stages-5",)]
    assert told["Tier"] == "not judged" and told["P95 [deg]"] == NONE
    assert NO_SIDE_VIEW in repr(found) and "count: 0 of 75" in repr(found)
    assert any(table.caption.startswith("Seen from the front") for table in tables(found))


def test_labels_of_left_and_right_are_counted_apart_for_teacher_and_candidates() -> None:
    (table,) = [table for table in tables(blocks(angle_records())) if table.caption.startswith("Labels")]
    assert table.head == ("Network", "Limbs", "Seen from", "Frames", "Exchanged", "Doubled", "Lost")
    rows = [row.cells for row in table.rows]
    assert rows[0] == ("teacher", "legs", "the side", "58", "0", "24", "7")
    assert ("stages-3", "legs", "the side", "58", "3", "23", "1") in rows
    assert sum(row[0] == "teacher" for row in rows) == 2, "once, and not for every candidate"
    assert ("stages-3", "legs", "front or back", "75", NONE, NONE, "4") in rows


def test_the_section_folds_a_list_of_tiers_in_the_order_of_the_table() -> None:
    inside = [one for block in blocks(angle_records()) if isinstance(block, Details) for one in block.blocks]
    (tiers,) = [block for block in inside if isinstance(block, Bullets)]
    assert [name for name, _ in tiers.items] == [found.name for found in angle_records()[1:]]
