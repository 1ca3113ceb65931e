"""What the report says of goals: the facts, the sentence, the table; and the model that is run by default."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from compress_goal_records import errors_of, joint, moved
from compress_made_up import failed, latency, measured, record, stage_records, teacher, times
from compress_recipe_text import GOOD, load

from compress.common.document import Bullets, Paragraph, Table
from compress.report.document import Block, Document, Section
from compress.report.goals import goal_blocks, goal_facts, verdict
from compress.report.html import page
from compress.report.markdown import markdown
from compress.results.records import Record, append_record
from compress.run.model_lookup import default_model

TIME = ("latency_ms", "joint_rel_l2")


def said(records: Sequence[Record], *goals: str, objectives: Sequence[str] = TIME) -> str:
    return verdict(goal_facts(records, goals, objectives))


def table_of(blocks: Sequence[Block]) -> Table:
    (table,) = [block for block in blocks if isinstance(block, Table)]
    return table


def test_without_goals_there_is_nothing_to_say() -> None:
    assert goal_blocks(stage_records(), (), TIME) == []


def test_the_best_that_meets_all_goals_is_to_be_shipped() -> None:
    records = stage_records()
    facts = goal_facts(records, ["joint_rel_l2 <= 0.13", "latency_ratio <= 0.9"], TIME)
    assert facts.able == ("stages-5", "stages-4", "stages-3") and facts.closest is None
    assert facts.ship is not None and facts.ship.record.name == "stages-3" and facts.near == ()
    assert verdict(facts) == (
        "Ship stages-3: of the 3 candidates that meet both goals it is the best in network time over all scales "
        "(less is better), with 1020 ms."
    )
    assert said(records, "latency_ratio <= 0.5") == "Ship stages-1: it alone meets the goal."
    assert "more is better" in said([moved(oks=0.9), moved(name="b", oks=0.8)], "oks >= 0.1", objectives=("oks",))


def test_a_rival_within_timing_noise_is_named() -> None:
    one, two = (
        record(name, measured(4).replaced(times(latency(1500 * ratio, ratio))))
        for name, ratio in (("one", 0.80), ("two", 0.785))
    )
    assert said([teacher(), one, two], "params <= 2e6").endswith("with 1178 ms. Within timing noise of it: one.")
    by_joints = said([one, two], "params <= 2e6", objectives=("joint_rel_l2",))
    assert "Ship one" in by_joints and "noise" not in by_joints


def test_where_nobody_meets_all_goals_the_nearest_is_named_with_what_it_misses() -> None:
    records = stage_records()
    text = said(records, "joint_rel_l2 <= 0.1", "latency_ratio <= 0.75", "angle_p95_deg <= 5")
    assert text == (
        "Nobody meets all 3 goals. stages-4 comes nearest with 1 of 3; it misses latency_ratio <= 0.75 (0.787); "
        "not measured: angle_p95_deg <= 5."
    )
    assert said(records, "params <= 3") == "There is nobody to ship: no candidate is known to meet the goal."
    assert said(records, "params <= 3", "oks >= 0.5").endswith("no candidate is known to meet any of the 2 goals.")
    assert said([teacher(), failed()], "params <= 3") == "There is nobody to ship: no candidate was finished."
    assert said([], "params <= 3") == "There is nobody to ship: no candidate was finished."


def test_the_table_holds_every_candidate_and_every_goal() -> None:
    told = moved(5, "told", joints={"knee": joint(errors_of([1.0, -2.0]), errors_of([-4.0, -4.5]))})
    lost = moved(4, "lost", joints={"knee": joint(errors_of([1.0]), errors_of([], 3))}, tier=None)
    goals = ["kinematic_tier >= usable with care", "kinematics.knee.bias <= 3", "params <= 1700000"]
    blocks = goal_blocks([told, lost, failed(), teacher()], goals, TIME)
    table = table_of(blocks)
    assert table.head == ("Candidate", "Goals met", *goals)
    assert [row.cells for row in table.rows] == [
        ("teacher", "0 of 3", "not measured", "not measured", "1930872, missed"),
        ("told", "1 of 3", "equivalent, met", "-4.25, missed", "1762872, missed"),
        ("lost", "1 of 3", "not measured", "not measured", "1594872, met"),
        ("stages-0 (failed)", "0 of 3", "not measured", "not measured", "not measured"),
    ]
    assert [row.kind for row in table.rows] == ["teacher", "front", "front", "failed"]
    (why,) = [block for block in blocks if isinstance(block, Bullets)]
    assert ("kinematics.knee.bias <= 3", "filtered: the candidate lost this angle on every frame (lost)") in why.items
    assert all("stages-0" not in text for _, text in why.items) and len(why.items) == 4
    (untold,) = [block for block in goal_blocks(stage_records(), ["oks >= 0.5"], TIME) if isinstance(block, Bullets)]
    assert untold.items == (("oks >= 0.5", "the source is no video (everybody)"),)
    shipped = table_of(goal_blocks(stage_records(), ["latency_ratio <= 0.5"], TIME))
    assert [row.cells[0] for row in shipped.rows if "to ship" in row.cells[0]] == ["stages-1 (to ship)"]


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
    table = table_of(goal_blocks([moved(p95_deg=p95)], [goal], TIME))
    assert table.rows[0].cells[2] == cell


def test_the_blocks_can_be_set_in_both_formats() -> None:
    blocks = goal_blocks(stage_records(), ["latency_ratio <= 0.5", "oks >= 0.9"], TIME)
    assert sum(isinstance(block, Paragraph) for block in blocks) == 3
    text = Document("made up", (), (Section(2, "Goals", tuple(blocks)),))
    html, plain = page(text, {}), markdown(text)
    assert "latency_ratio &lt;= 0.5" in html and "0.467, met" in html
    rows = [line for line in plain.splitlines() if line.startswith("|")]
    assert len(rows) == 8 and len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


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
