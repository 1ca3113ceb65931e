"""Goals: what a recipe may ask, how a record is judged, and which candidate is chosen."""

import math
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pytest
from compress_goal_records import ANGULAR, errors_of, joint, moved
from compress_made_up import failed, measured, record
from hypothesis import given
from hypothesis import strategies as st

from compress.measure.metrics import METRICS
from compress.results.columns import READERS
from compress.results.goal_quantities import ERROR_FIELDS, JOINTS, NUMERIC_COLUMNS, SIGNED, TIER_NAMES
from compress.results.goals import GoalError, chosen, judge, meets_all, parse_goal
from compress.results.records import Record
from eval.angles import measures_of
from eval.kinematic_fidelity import FidelitySettings, compare
from eval.kinematic_motion import MOTION_FIELDS, Motion
from eval.kinematic_tiers import TIERS, WORST_TIER
from teachers.skeleton import COCO_18


def met(record: Record, goal: str) -> bool | None:
    return parse_goal(goal).judge(record).met


ERRORS = {
    "": "expected COLUMN <= NUMBER or COLUMN >= NUMBER",
    "params": "expected COLUMN <= NUMBER or COLUMN >= NUMBER",
    "params <=": "expected COLUMN <= NUMBER or COLUMN >= NUMBER",
    "<= 3": "expected COLUMN <= NUMBER or COLUMN >= NUMBER",
    "params < 3": "write <= in place of <",
    "params =< 3": "write <= in place of =<",
    "params ≥ 3": "write >= in place of ≥",
    "params == 3": "write <= or >=, not ==",
    "params = 3": "write <= or >=, not =",
    "1 <= params <= 3": "a goal is one comparison; write a second goal for the other",
    "3 >= params": "the number stands last: params <= 3",
    "params <= three": "expected a plain number after <=, without a unit",
    "angle_p95_deg <= 10 deg": "expected a plain number after <=, without a unit",
    "latency_ratio <= 80%": "expected a plain number after <=, without a unit",
    "params <= 1_000": "expected a plain number after <=, without a unit",
    "params <= ３": "expected a plain number after <=, without a unit",
    "params <= nan": "expected a finite number after <=",
    "params <= -.inf": "expected a finite number after <=",
    "params <= 1e999": "expected a finite number after <=",
    "latency_rato <= 1": "no column is called 'latency_rato' (did you mean latency_ratio?)",
    "name <= 1": "column name holds no number; a goal compares numbers or kinematic_tier",
    "on_front >= 1": "column on_front holds no number; a goal compares numbers or kinematic_tier",
    "kinematic_tier >= equivalant": "no tier is called 'equivalant' (did you mean equivalent?)",
    "kinematic_tier <= equivalent": "a tier is asked for with >=: kinematic_tier >= equivalent is this tier or a "
    "better one",
    "knee.bias <= 1": "the angles stand under kinematics (did you mean kinematics.knee.bias?)",
    "kinematic.knee.bias <= 1": "no group is called 'kinematic' (did you mean kinematics?)",
    "kinematics.knee <= 1": "expected kinematics.JOINT.FIELD or kinematics.JOINT.SERIES.FIELD before the relation",
    "kinematics.nee.bias <= 1": "no joint is called 'nee' (did you mean knee?)",
    "kinematics.right_knee.bias <= 1": "no joint is called 'right_knee' (did you mean right knee?)",
    "kinematics.ankle.bias <= 1": "ankle is never measured: it needs toe and heel, which the skeleton has not",
    "kinematics.knee.biass <= 1": "no field is called 'biass' (did you mean bias?)",
    "kinematics.knee.fitered.bias <= 1": "no series is called 'fitered' (did you mean filtered?)",
    "kinematics.knee.raw.jitter_ratio <= 1": "jitter_ratio is no number of raw; write kinematics.knee.jitter_ratio",
    "kinematics.knee.motion.bias <= 1": "bias is no number of motion; write kinematics.knee.bias",
    "kinematics.knee.bias <= -1": "bias is compared by its size, so the limit must not be negative",
    "kinematics.knee.loa <= 1": "no field is called 'loa'",
}


@pytest.mark.parametrize("text", ERRORS)
def test_what_is_no_goal_is_answered_with_what_would_do(text: str) -> None:
    with pytest.raises(GoalError) as caught:
        parse_goal(text)
    assert str(caught.value).startswith(ERRORS[text])
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  latency_ratio<=.80 ", "latency_ratio <= 0.8"),
        ("params <= 1e6", "params <= 1000000"),
        ("params <= 1e300", "params <= 1e+300"),
        ("kinematic_tier  >=  usable   with care", "kinematic_tier >= usable with care"),
        ("kinematics.right  knee.raw.bias <= 2.0", "kinematics.right knee.raw.bias <= 2"),
        ("kinematics.knee.motion.rom_error <= 5", "kinematics.knee.rom_error <= 5"),
        ("kinematics.knee.slope >= -1", "kinematics.knee.slope >= -1"),
    ],
)
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert str(parse_goal(text)) == canonical
    assert parse_goal(canonical) == parse_goal(text)


NAMES = st.one_of(
    st.sampled_from(NUMERIC_COLUMNS),
    st.builds("kinematics.{}.{}".format, st.sampled_from(JOINTS), st.sampled_from((*ERROR_FIELDS, *MOTION_FIELDS))),
    st.builds(
        "kinematics.{}.{}.{}".format, st.sampled_from(JOINTS), st.sampled_from(("raw", "filtered")),
        st.sampled_from(ERROR_FIELDS),
    ),
)  # fmt: skip
LIMITS = st.floats(0, allow_infinity=False)


@given(NAMES, st.sampled_from(("<=", ">=")), LIMITS)
def test_every_name_reads_back_as_it_is_spelt(name: str, relation: str, limit: float) -> None:
    goal = parse_goal(f"{name} {relation} {limit!r}")
    assert (str(goal.quantity), goal.relation, goal.limit) == (name, relation, limit)
    assert parse_goal(str(goal)) == goal


@given(st.text(max_size=60))
def test_any_text_is_a_goal_or_a_goal_error(text: str) -> None:
    try:
        goal = parse_goal(text)
    except GoalError as error:
        assert str(error)
    else:
        assert parse_goal(str(goal)) == goal


COSTS = ("activation_peak_bytes", "energy_mj", "energy_estimate_mj", "packed_bytes")


def test_the_names_are_those_of_a_record() -> None:
    whole = moved(5).model_copy(update={"stages": 5})
    values = {name: read(whole) for name, read in READERS.items()}
    assert {name for name, value in values.items() if isinstance(value, int | float)} == set(NUMERIC_COLUMNS) - {
        "ap",
        *COSTS,
    }
    measures, _ = measures_of(COCO_18)
    compared = compare((), COCO_18, FidelitySettings())
    assert len(measures) == 19 and set(compared.joints) == set(JOINTS)
    numbers = {name for name, value in asdict(errors_of([1.0, -2.0, 4.0])).items() if isinstance(value, int | float)}
    assert numbers == set(ERROR_FIELDS) - {"error_over_noise"} and not set(ERROR_FIELDS) & set(MOTION_FIELDS)


def test_every_column_knows_what_measures_it() -> None:
    always = {"stages", "params", "macs", "size_bytes"}
    parts = {name: parse_goal(f"{name} <= 1").part for name in NUMERIC_COLUMNS}
    assert {name for name, part in parts.items() if part is None} == always
    assert parts["latency_ratio_ci_low"] == "latency" and parts["peak_memory_bytes"] == "memory"
    assert {parts[name] for name in ANGULAR} == {"kinematics"} and len(ANGULAR) == 8
    assert set(parts.values()) == {None, *(key for key, metric in METRICS.items() if not metric.always)}
    assert parse_goal("kinematic_tier >= equivalent").part == parse_goal("kinematics.hip.mae <= 1").part == "kinematics"


@given(st.sampled_from(TIER_NAMES), st.sampled_from(TIER_NAMES))
def test_a_tier_is_met_by_itself_and_by_better_ones(asked: str, found: str) -> None:
    from_best = ["transparent", "equivalent", "usable with care", "not for angles"]
    expected = from_best.index(found) <= from_best.index(asked)
    assert met(moved(tier=found), f"kinematic_tier >= {asked}") is expected
    assert from_best == [*(tier.name for tier in TIERS), WORST_TIER] == list(TIER_NAMES)


NUMBERS = st.lists(st.floats(-30, 30), min_size=3, max_size=12)


@given(NUMBERS, NUMBERS, st.floats(0, 30), st.sampled_from(("<=", ">=")))
def test_a_joint_must_keep_its_goal_raw_and_filtered(
    raw: list[float], filtered: list[float], limit: float, relation: str
) -> None:
    one = moved(joints={"knee": joint(errors_of(raw), errors_of(filtered))})
    expected = {
        "p95_abs_error": [float(np.percentile(np.abs(values), 95)) for values in (raw, filtered)],
        "bias": [abs(float(np.mean(values))) for values in (raw, filtered)],
        "gross_rate": [float(np.mean(np.abs(values) >= 20)) for values in (raw, filtered)],
    }
    assert set(SIGNED) & set(expected)
    for field, both in expected.items():
        kept = [value <= limit if relation == "<=" else value >= limit for value in both]
        result = parse_goal(f"kinematics.knee.{field} {relation} {limit!r}").judge(one)
        assert result.met is all(kept) and result.reason == ""
        hardest = max(both) if relation == "<=" else min(both)
        assert isinstance(result.value, float) and abs(result.value) == pytest.approx(hardest)
        series = [met(one, f"kinematics.knee.{name}.{field} {relation} {limit!r}") for name in ("raw", "filtered")]
        assert series == kept


def test_motion_is_compared_by_its_size_where_it_has_a_sign() -> None:
    motion = Motion(-4.0, 3.0, 80.0, 0.2, 1.1, 0.0, None)
    one = moved(joints={"right knee": joint(errors_of([1.0]), errors_of([1.0]), motion)})
    assert met(one, "kinematics.right knee.rom_error <= 3.9") is False
    assert met(one, "kinematics.right knee.rom_error <= 4") is True
    assert parse_goal("kinematics.right knee.motion.rom_error <= 3").judge(one).value == -4.0
    unknown = parse_goal("kinematics.right knee.facing_disagreement <= 1").judge(one)
    assert (unknown.met, unknown.reason) == (None, "motion: could not be measured on this clip")


NOT_MEASURED: Mapping[str, tuple[Record, str, str]] = {
    "column": (record("a"), "params <= 1", "not measured, and the record does not say why"),
    "reason of a neighbour": (record("a", measured(5)), "angle_p95_deg <= 1", "the source is no video"),
    "tier": (record("a", measured(5)), "kinematic_tier >= not for angles", "the source is no video"),
    "joint": (record("a", measured(5)), "kinematics.knee.bias <= 1", "the source is no video"),
    "failed": (failed(error="ValueError: no"), "params >= 0", "failed: ValueError: no"),
    "no tier": (moved(tier=None, tier_reasons=("nobody to see",)), "kinematic_tier >= equivalent", "nobody to see"),
    "tier of another version": (
        moved(tier="superb"), "kinematic_tier >= equivalent", "the record names a tier that is not known here: superb",
    ),
    "absent joint": (
        moved(conditions={"absent": {"right knee": "skeleton x has no ankle"}}), "kinematics.knee.bias <= 1",
        "skeleton x has no ankle",
    ),
    "unknown joint": (moved(), "kinematics.trunk.bias <= 1", "the record has no joint trunk"),
    "lost": (
        moved(joints={"knee": joint(errors_of([]), errors_of([], 9))}), "kinematics.knee.mae <= 1",
        "raw: the teacher could not measure this angle on any frame; "
        "filtered: the candidate lost this angle on every frame",
    ),
    "one series": (
        moved(joints={"knee": joint(errors_of([1.0]), errors_of([], 9))}), "kinematics.knee.mae <= 0.5",
        "filtered: the candidate lost this angle on every frame",
    ),
    "one frame": (
        moved(joints={"knee": joint(errors_of([1.0]), errors_of([1.0]))}), "kinematics.knee.raw.slope >= 0",
        "raw: could not be measured on this clip",
    ),
    "field of another version": (
        moved(joints={"knee": {"raw": {}, "filtered": 3}}), "kinematics.knee.filtered.mae >= 0",
        "filtered: the record holds no such number",
    ),
    "NaN": (
        moved(joints={"knee": {"raw": {"mae": math.nan, "reason": "odd"}, "filtered": {}}}),
        "kinematics.knee.raw.mae >= 0", "raw: odd",
    ),
    "true": (
        moved(joints={"knee": {"raw": {"mae": True}}}), "kinematics.knee.raw.mae >= 0",
        "raw: could not be measured on this clip",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_MEASURED)
def test_what_was_not_measured_is_neither_met_nor_missed(case: str) -> None:
    one, text, reason = NOT_MEASURED[case]
    goal = parse_goal(text)
    (result,) = judge(one, [goal])
    assert (result.goal, result.value, result.met, result.reason) == (goal, None, None, reason)
    assert not meets_all(one, [goal])
    assert chosen([one], [goal], ("params",)) is None


def test_the_limit_itself_is_good_enough() -> None:
    for text in ("angle_p95_deg <= 4", "angle_p95_deg >= 4", "oks >= 0.9", "kinematic_tier >= equivalent"):
        assert met(moved(), text) is True
    assert met(moved(), "angle_p95_deg <= 3.9999999999") is False
