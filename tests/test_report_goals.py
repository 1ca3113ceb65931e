"""What the report says of goals: the facts, the sentence, the table; and the model that is run by default."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from compress_goal_records import errors_of, joint, moved
from compress_made_up import failed, latency, measured, record, stage_records, teacher, times
from compress_recipe_text import GOOD, load

from compress.common.document import Block as TextBlock
from compress.common.document import Bullets, Details, Paragraph, Table
from compress.report.document import Document, Section
from compress.report.html import page
from compress.report.markdown import markdown
from compress.report.sections.recommended_model import recommended_model
from compress.results.recommendation import recommend
from compress.results.records import Record, append_record
from compress.results.sentences import verdict
from compress.run.model_lookup import default_model

TIME = ("latency_ms", "joint_rel_l2")


def said(records: Sequence[Record], *goals: str, objectives: Sequence[str] = TIME) -> str:
    return verdict(recommend(records, objectives, goals))


def details_of(records: Sequence[Record], *goals: str) -> tuple[TextBlock, ...]:
    """What stands folded under the verdict."""
    *_, details = recommended_model(recommend(records, TIME, goals), {})
    assert isinstance(details, Details)
    return details.blocks


def table_of(records: Sequence[Record], *goals: str) -> Table:
    *_, table = [block for block in details_of(records, *goals) if isinstance(block, Table)]
    assert table.caption == "Each candidate against the goals of the recipe"
    return table


def test_the_best_that_meets_all_goals_is_recommended() -> None:
    records = stage_records()
    found = recommend(records, TIME, ["joint_rel_l2 <= 0.13", "latency_ratio <= 0.9"])
    assert found.able == ("stages-5", "stages-4", "stages-3") and found.nearest is None
    assert found.best is not None and found.best.record.name == "stages-3" and found.within_noise == ()
    assert verdict(found) == (
        "Recommended model: stages-3. Of the 3 candidates that meet both goals, it has the lowest network time of "
        "a frame: 1020 ms."
    )
    assert said(records, "latency_ratio <= 0.5") == (
        "Recommended model: stages-1. It is the only candidate that meets the goal latency_ratio <= 0.5."
    )
    by_oks = said([moved(oks=0.9), moved(name="b", oks=0.8)], "oks >= 0.1", objectives=("oks",))
    assert "it has the highest OKS" in by_oks


def test_a_rival_within_timing_noise_is_named() -> None:
    one, two = (
        record(name, measured(4).replaced(times(latency(1500 * ratio, ratio))))
        for name, ratio in (("one", 0.80), ("two", 0.785))
    )
    assert said([teacher(), one, two], "params <= 2e6").endswith(": 1178 ms. Within timing noise of it: one.")
    by_joints = said([one, two], "params <= 2e6", objectives=("joint_rel_l2",))
    assert "Recommended model: one" in by_joints and "noise" not in by_joints


def test_where_no_candidate_meets_all_goals_the_nearest_is_named_with_what_it_misses() -> None:
    records = stage_records()
    assert said(records, "joint_rel_l2 <= 0.1", "latency_ratio <= 0.75", "angle_p95_deg <= 5") == (
        "No candidate meets all 3 goals. The nearest is stages-4, which meets 1 of 3. It misses latency_ratio <= 0.75 "
        "(0.787). Not measured: angle_p95_deg <= 5."
    )
    none = "There is no recommended model: no candidate "
    assert said(records, "params <= 3") == f"{none}is known to meet the goal params <= 3."
    assert said(records, "params <= 3", "oks >= 0.5") == f"{none}is known to meet any of the 2 goals."
    assert said([teacher(), failed()], "params <= 3") == f"{none}was finished."
    assert said([], "params <= 3") == f"{none}was finished."


def test_the_table_holds_every_candidate_and_every_goal() -> None:
    told = moved(5, "told", joints={"knee": joint(errors_of([1.0, -2.0]), errors_of([-4.0, -4.5]))})
    lost = moved(4, "lost", joints={"knee": joint(errors_of([1.0]), errors_of([], 3))}, tier=None)
    goals = ["kinematic_tier >= usable with care", "kinematics.knee.bias <= 3", "params <= 1700000"]
    records = [told, lost, failed(), teacher()]
    table = table_of(records, *goals)
    assert table.head == ("Candidate", "Met", *goals)
    assert [row.cells for row in table.rows] == [
        ("teacher", "0 of 3", "not measured", "not measured", "1930872, missed"),
        ("told", "1 of 3", "equivalent, met", "-4.25, missed", "1762872, missed"),
        ("lost", "1 of 3", "not measured", "not measured", "1594872, met"),
        ("stages-0", "0 of 3", "not measured", "not measured", "not measured"),
    ]
    assert [row.kind for row in table.rows] == ["teacher", "front", "front", "failed"]
    blocks = details_of(records, *goals)
    assert any(isinstance(block, Paragraph) and "must hold for both" in block.text for block in blocks)
    *_, why = [block for block in blocks if isinstance(block, Bullets)]
    assert ("kinematics.knee.bias <= 3", "filtered: the candidate lost this angle on every frame (lost)") in why.items
    assert all("stages-0" not in text for _, text in why.items) and len(why.items) == 4
    *_, untold = [block for block in details_of(stage_records(), "oks >= 0.5") if isinstance(block, Bullets)]
    assert untold.items == (("oks >= 0.5", "the source is no video (all)"),)
    best = table_of(stage_records(), "latency_ratio <= 0.5")
    assert [row.cells[0] for row in best.rows if row.marked] == ["stages-1"]


@pytest.mark.parametrize(
    ("p95", "goal", "cell"),
    [
        (5.00441, "angle_p95_deg <= 5", "5.004, missed"),
        (4.996, "angle_p95_deg <= 5", "5.00, met"),
        (4.9996, "angle_p95_deg >= 5", "4.9996, missed"),
        (5.0, "angle_p95_deg >= 5", "5.00, met"),
        (0.1 + 0.2, "angle_p95_deg <= 0.3", "0.30000000000000004, missed"),
    ],
)
def test_a_rounded_value_never_contradicts_its_verdict(p95: float, goal: str, cell: str) -> None:
    assert table_of([moved(p95_deg=p95)], goal).rows[0].cells[2] == cell


def test_the_blocks_can_be_set_in_both_formats() -> None:
    blocks = recommended_model(recommend(stage_records(), TIME, ["latency_ratio <= 0.5", "oks >= 0.9"]), {})
    text = Document("a run", "made up", (), (Section(2, "Goals", tuple(blocks)),))
    html, plain = page(text, {}), markdown(text)
    assert "latency_ratio &lt;= 0.5" in html and "0.467, met" in html
    rows = [line for line in plain.splitlines() if line.startswith("|")]
    assert len(rows) > 10 and "0.467, met" in plain


def leave_run(run: Path, records: Sequence[Record], *goals: str) -> None:
    """A finished run with these goals, as the newest there is."""
    for one in records:
        (run / "candidates" / one.name).mkdir(parents=True)
        (run / "candidates" / one.name / "model.onnx").touch()
        append_record(run / "records.jsonl", one)
    recipe = load(GOOD.replace("true\nobj", "true\n  kinematics: {start: 1}\nobj"), f"goals={list(goals)}")
    (run / "recipe.yaml").write_text(recipe.to_yaml())
    os.utime(run / "records.jsonl", (1e9, 1e9))


CARE = "usable with care"
TIERS = {5: "equivalent", 4: CARE, 3: CARE, 2: "not for angles", 1: None}
FOUND = [moved(stages, f"stages-{stages}", tier=tier, p95_deg=9.0 - stages) for stages, tier in TIERS.items()]


@pytest.mark.parametrize(
    ("goals", "expected", "why"),
    [
        ((), "stages-3", "good enough for angles (usable with care)"),
        (["kinematic_tier >= equivalent"], "stages-5", "meets the goals of its recipe"),
        (["angle_p95_deg <= 5"], "stages-4", "meets the goals of its recipe"),
        # The fastest of all is no use for angles, and a goal that is not about them does not say it is.
        (["params <= 1.3e6", "latency_ratio <= 0.8"], None, "meets the goals of its recipe and is good enough"),
        (["latency_ratio <= 0.8"], "stages-3", "meets the goals of its recipe and is good enough for angles"),
        # Goals about angles are the user's own word on what is good enough.
        (["angle_p95_deg <= 7.5"], "stages-2", "meets the goals of its recipe"),
        (["angle_p95_deg <= 1"], None, "no candidate of"),
    ],
)
def test_the_goals_of_the_newest_run_choose_the_default_model(
    tmp_path: Path, goals: Sequence[str], expected: str | None, why: str
) -> None:
    leave_run(tmp_path / "new", [teacher(), *FOUND], *goals)
    found = default_model(tmp_path)
    assert found.model == (str(tmp_path / "new" / "candidates" / expected) if expected else "openpose-mobilenet-thin")
    assert why in found.reason and found.reason.endswith(": the teacher") == (expected is None)


def test_a_candidate_that_is_gone_or_a_recipe_that_cannot_be_read_is_no_obstacle(tmp_path: Path) -> None:
    leave_run(tmp_path / "new", [teacher(), *FOUND], "latency_ratio <= 0.8")
    (tmp_path / "new" / "candidates" / "stages-3" / "model.onnx").unlink()
    assert default_model(tmp_path).model.endswith("stages-4")
    broken = FOUND[1].model_copy(update={"error": "ParityError: no"})
    append_record(tmp_path / "new" / "records.jsonl", broken)
    (tmp_path / "new" / "recipe.yaml").write_text(load(GOOD).to_yaml())
    assert default_model(tmp_path).model.endswith("stages-5")
    append_record(tmp_path / "new" / "records.jsonl", FOUND[1])
    (tmp_path / "new" / "recipe.yaml").write_text("goals: [speed <= 3]\n")
    found = default_model(tmp_path)
    assert found.model.endswith("stages-4") and "its goals are not known" in found.reason
    (tmp_path / "new" / "recipe.yaml").unlink()
    assert "goals" not in default_model(tmp_path).reason
