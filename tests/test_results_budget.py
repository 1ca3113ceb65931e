"""--budget: what it may say, whom it chooses, and what is said where nothing fits."""

from collections.abc import Sequence

import pytest
from compress_goal_records import errors_of, joint, moved
from compress_made_up import STAGES, failed, latency, measured, record, stage_records, teacher, times
from hypothesis import given
from hypothesis import strategies as st

from compress.common.document import Block as TextBlock
from compress.common.document import Bullets, Details, Table
from compress.measure.fidelity import Fidelity
from compress.report.sections.recommended_model import recommended_model
from compress.results.budget import limited, open_first, parse_budget
from compress.results.goals import parse_goals
from compress.results.recommendation import recommend
from compress.results.records import Record
from compress.results.sentences import verdict
from teachers.common.errors import UserError

TIME = ("latency_ms", "joint_rel_l2")


def timed(name: str, ratio: float, joints: float, spread: float = 0.01) -> Record:
    """A candidate of which only time and joints matter."""
    plain = measured(4)
    fidelity = plain.facts(Fidelity).model_copy(update={"joint_rel_l2": joints})
    return record(name, plain.replaced(times(latency(1500 * ratio, ratio, spread)), fidelity))


def chosen(records: Sequence[Record], *budget: str, objectives: Sequence[str] = TIME) -> str | None:
    best = recommend(records, objectives, budget=budget).best
    return None if best is None else best.record.name


def answer(records: Sequence[Record], *budget: str) -> str:
    return verdict(recommend(records, TIME, budget=budget))


def details_of(records: Sequence[Record], *budget: str) -> tuple[TextBlock, ...]:
    *_, details = recommended_model(recommend(records, TIME, budget=budget), {})
    assert isinstance(details, Details)
    return details.blocks


def items_of(records: Sequence[Record], *budget: str) -> dict[str, str]:
    bullets, *_ = [block for block in details_of(records, *budget) if isinstance(block, Bullets)]
    return dict(bullets.items)


def test_a_limit_lies_on_the_side_that_costs() -> None:
    goals = parse_budget(
        "latency_ms=30, angle_rmse_deg=3,oks=.9,people_recall=0.8,kinematic_tier=usable with care,"
        "kinematics.knee.p95_abs_error=5,kinematics.knee.raw.detection_rate=0.9,stages=3"
    )
    assert [str(goal) for goal in goals] == [
        "latency_ms <= 30",
        "angle_rmse_deg <= 3",
        "oks >= 0.9",
        "people_recall >= 0.8",
        "kinematic_tier >= usable with care",
        "kinematics.knee.p95_abs_error <= 5",
        "kinematics.knee.raw.detection_rate >= 0.9",
        "stages <= 3",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("latency=30", "did you mean latency_ms"),
        ("angle_rms_deg=3", "did you mean angle_rmse_deg"),
        ("backbone=vgg", "column backbone holds no number"),
        ("", "expected COLUMN=NUMBER"),
        ("latency_ms", "expected COLUMN=NUMBER"),
        ("latency_ms=", "expected COLUMN=NUMBER"),
        ("latency_ms<=30", "expected COLUMN=NUMBER"),
        ("latency_ms=30,", "expected COLUMN=NUMBER"),
        ("latency_ms=30ms", "a plain number"),
        ("latency_ms=nan", "a finite number"),
        ("latency_ms=30,latency_ms=40", "has a limit already"),
        ("kinematic_tier=perfect", "no tier is called"),
        ("kinematics.ankle.rmse=3", "ankle"),
    ],
)
def test_a_budget_that_cannot_be_read_says_what_would_do(text: str, said: str) -> None:
    with pytest.raises(UserError, match="--budget") as caught:
        parse_budget(text)
    assert said in str(caught.value)


def test_what_the_budget_limits_is_enough_and_what_it_leaves_open_decides() -> None:
    records = stage_records()
    assert chosen(records, "latency_ratio <= 0.8") == "stages-4"
    assert chosen(records, "latency_ms <= 1200") == "stages-4"
    assert chosen(records, "joint_rel_l2 <= 0.13") == "stages-3"
    assert chosen(records, "joint_rel_l2 <= 0.13", "latency_ratio <= 0.9") == "stages-3"
    assert chosen(records, "latency_ratio <= 0.8", objectives=("latency_ms", "params")) == "stages-1"
    # A recipe's goals leave its order of objectives as it is.
    best = recommend(records, TIME, ["latency_ratio <= 0.8"]).best
    assert best is not None and best.record.name == "stages-1"


def test_either_word_for_time_limits_time() -> None:
    ratio, both = parse_goals(["latency_ratio <= 1"]), parse_goals(["latency_ms <= 1", "joint_rel_l2 <= 1"])
    assert open_first(TIME, ratio) == ("joint_rel_l2", "latency_ms")
    assert open_first(TIME, both) == TIME and limited(TIME, both) == TIME
    assert open_first(TIME, parse_goals(["params <= 1"])) == TIME


@given(
    st.lists(st.tuples(st.sampled_from((0.2, 0.4, 0.6)), st.sampled_from((0.1, 0.2, 0.3))), min_size=1, max_size=7),
    st.sampled_from((0.1, 0.3, 0.5)),
)
def test_within_the_budget_none_is_closer_to_the_teacher(points: list[tuple[float, float]], limit: float) -> None:
    records = [timed(f"c{i}", ratio, joints, 0.0) for i, (ratio, joints) in enumerate(points)]
    able = [(joints, ratio, i) for i, (ratio, joints) in enumerate(points) if ratio <= limit]
    assert chosen(records, f"latency_ratio <= {limit}") == (f"c{min(able)[2]}" if able else None)


def test_a_hair_of_time_is_not_paid_for_with_something_real() -> None:
    hair, real = timed("hair", 0.500, 0.30, 0.02), timed("real", 0.505, 0.10, 0.02)
    found = recommend([teacher(), hair, real], TIME, budget=["params <= 2000000"])
    assert found.best is not None and found.best.record.name == "real"
    assert found.passed_over == ("hair",)
    assert (
        "hair; they lead only by timing noise" in items_of([teacher(), hair, real], "params <= 2000000")["Passed over"]
    )
    by_goals = recommend([teacher(), hair, real], TIME, ["params <= 2000000"]).best
    assert by_goals is not None and by_goals.record.name == "real"
    apart = timed("hair", 0.40, 0.30, 0.02)
    assert chosen([teacher(), apart, real], "params <= 2000000") == "hair"


def test_margins_are_told_and_whether_the_interval_crosses_the_limit() -> None:
    near = timed("near", STAGES[4][0] / 1500 + 0.005, 0.2)
    found = recommend([*stage_records(), near], TIME, budget=["latency_ms <= 1200"])
    assert found.within_noise == ("near",)
    items = items_of([*stage_records(), near], "latency_ms <= 1200")
    assert items["latency_ms"] == "1180 ms, at most 1200: 2% to spare."
    assert items["Rule"].endswith("the objective that the budget leaves open decides: relative L2 of the joints.")
    crossing = items_of(stage_records(), "latency_ms <= 1185")["latency_ms"]
    assert "Its 95% interval, 1165 ms to 1195 ms, crosses the limit" in crossing
    assert "Rule" not in items_of(stage_records(), "latency_ms <= 1000", "joint_rel_l2 <= 0.18")


def test_the_neighbours_on_the_front_stand_beside_it_with_what_they_would_cost() -> None:
    assert answer(stage_records(), "latency_ms <= 1200") == (
        "Recommended model: stages-4. Of the 4 candidates that meet the limit latency_ms <= 1200, it has the lowest "
        "relative L2 of the joints: 9.4%."
    )
    table, *_ = [block for block in details_of(stage_records(), "latency_ms <= 1200") if isinstance(block, Table)]
    assert table.head == ("Candidate", "Relative L2 of the joints", "Network time of a frame", "Fits")
    assert [row.cells for row in table.rows] == [
        ("teacher", "0.0% (-9.4 points)", "1500 ms (+27%)", "no: latency_ms"),
        ("stages-5", "6.2% (-3.2 points)", "1340 ms (+14%)", "no: latency_ms"),
        ("stages-4", "9.4%", "1180 ms", "yes"),
        ("stages-3", "12.3% (+2.9 points)", "1020 ms (-14%)", "yes"),
        ("stages-2", "17.1% (+7.7 points)", "860 ms (-27%)", "yes"),
    ]
    assert [row.marked for row in table.rows] == [False, False, True, False, False]


def test_where_nothing_fits_the_nearest_is_named_with_what_would_have_to_give() -> None:
    records = stage_records()
    assert answer(records, "latency_ms <= 1000", "joint_rel_l2 <= 0.15") == (
        "No candidate meets both limits. The nearest is stages-3, which meets 1 of 2. It misses latency_ms <= 1000 "
        "(1020)."
    )
    items = items_of(records, "latency_ms <= 1000", "joint_rel_l2 <= 0.15")
    assert items["To relax: latency_ms"] == "1020 ms instead of at most 1000; then stages-3 fits."
    assert items["To relax: joint_rel_l2"] == "17.1% instead of at most 0.15; then stages-2 fits."
    assert answer(records, "angle_rmse_deg <= 3") == (
        "There is no recommended model: no candidate is known to meet the limit angle_rmse_deg <= 3."
    )
    assert answer([teacher(), failed()], "latency_ms <= 3").endswith("no candidate was finished.")
    assert items_of(records, "joint_rel_l2 <= 0.01")["Teacher"] == "it fits; no smaller network does."
    assert chosen(records, "joint_rel_l2 <= 0.01") is None


def test_a_rounded_value_never_contradicts_the_verdict() -> None:
    close = record("close", measured(4).replaced(times(latency(1000.4, 0.667))))
    records = [teacher(), close]
    assert "(1000.4)" in answer(records, "latency_ms <= 1000", "params <= 2e6")
    assert items_of(records, "latency_ms <= 1000")["latency_ms"].startswith("1000.4, at most 1000")


def test_a_joint_and_a_tier_have_limits_too() -> None:
    good = moved(4, "good", joints={"knee": joint(errors_of([1.0, -2.0]), errors_of([1.5, -2.5]))})
    bad = moved(2, "bad", joints={"knee": joint(errors_of([9.0]), errors_of([9.5]))}, tier="not for angles")
    budget = [str(goal) for goal in parse_budget("kinematics.knee.p95_abs_error=5,kinematic_tier=usable with care")]
    assert chosen([teacher(), bad, good], *budget) == "good"
    table, *_ = [block for block in details_of([teacher(), bad, good], *budget) if isinstance(block, Table)]
    assert table.head[-3:] == ("kinematics.knee.p95_abs_error", "kinematic_tier", "Fits")
