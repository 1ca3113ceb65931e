"""Which candidate the goals choose, what the report says of it, and the objectives of the kinematics."""

from compress_goal_records import ANGULAR, moved
from compress_made_up import STAGES, failed, latency, measured, record, stage_records, times
from hypothesis import given
from hypothesis import strategies as st

from compress.measure.size import Size
from compress.results.goals import chosen, closest, judge, meets_all, parse_goals
from compress.results.objectives import OBJECTIVES
from compress.results.pareto import dominates, front, objective_values


def test_the_best_of_those_that_meet_all_goals_is_chosen() -> None:
    records = stage_records()
    goals = parse_goals(["joint_rel_l2 <= 0.13", "latency_ratio <= 0.9"])
    able = [one.name for one in records if meets_all(one, goals)]
    assert able == ["stages-5", "stages-4", "stages-3"]
    for objectives, expected in ((("latency_ms",), "stages-3"), (("joint_rel_l2", "latency_ms"), "stages-5")):
        best = chosen(records, goals, objectives)
        assert best is not None and best.name == expected
    # The teacher is nobody's smaller candidate, however well it does; nor is one that failed.
    assert chosen(records, parse_goals(["joint_rel_l2 <= 0"]), ("latency_ms",)) is None
    broken = record("broken", measured(1), error="RuntimeError: no")
    assert chosen([broken], (), ("latency_ms",)) is None


def test_more_is_better_where_the_objective_says_so_and_a_missing_one_comes_last() -> None:
    good, bad, untold = moved(name="good", oks=0.9), moved(name="bad", oks=0.5), moved(name="untold", oks=None)
    goals = parse_goals(["angle_p95_deg <= 10"])
    assert chosen([untold, bad, good], goals, ("oks",)) is good
    assert chosen([untold, bad], goals, ("oks",)) is bad
    assert chosen([untold], goals, ("oks",)) is untold
    equal = moved(2, "equal", oks=0.9)
    assert chosen([good, equal], goals, ("oks", "params")) is equal
    assert chosen([good, equal], goals, ("oks",)) is good


def _size(params: int) -> Size:
    return Size(params=params, macs=1, macs_input_hw=(368, 656), bytes=1)


@given(st.lists(st.tuples(st.sampled_from((0.1, 0.2, 0.3)), st.sampled_from((0.5, 0.6, 0.7))), max_size=8))
def test_the_chosen_one_is_what_brute_force_finds(points: list[tuple[float, float]]) -> None:
    records = [
        record(
            f"c{index}",
            measured(5).replaced(times(latency(1500 * ratio, ratio)), _size(int(p * 10))),
        )
        for index, (p, ratio) in enumerate(points)
    ]
    best = chosen(records, parse_goals(["params <= 2", "latency_ratio >= 0.6"]), ("latency_ms",))
    able = [(ratio, index) for index, (p, ratio) in enumerate(points) if p <= 0.2 and ratio >= 0.6]
    assert (best and best.name) == (f"c{min(able)[1]}" if able else None)


def test_who_comes_closest_fails_fewest_goals_and_then_by_least() -> None:
    records = stage_records()
    goals = parse_goals(["joint_rel_l2 <= 0.05", "latency_ratio <= 0.4", "params <= 2e6"])
    assert {one.name: sum(result.met is not True for result in judge(one, goals)) for one in records[1:]} == {
        f"stages-{stages}": 2 for stages in (5, 4, 3, 2, 1)
    }
    # How far beyond, in shares of the limit: the joints' error grows with every stage removed, the time shrinks.
    beyond = {n: max(STAGES[n][1] / 0.05 - 1, STAGES[n][0] / 1500 / 0.4 - 1) for n in (5, 4, 3, 2, 1)}
    nearest = min(beyond, key=lambda stages: beyond[stages])
    assert nearest == 4
    found = closest(records, goals, ("latency_ms",))
    assert found is not None and found.name == f"stages-{nearest}"
    # One goal fewer missed beats any distance.
    found = closest(records, parse_goals(["joint_rel_l2 <= 0.001", "latency_ratio <= 0.5"]), ("latency_ms",))
    assert found is not None and found.name == "stages-1"
    tiers = [moved(name="far", tier="not for angles"), moved(name="near", tier="usable with care")]
    found = closest(tiers, parse_goals(["kinematic_tier >= equivalent"]), ("params",))
    assert found is not None and found.name == "near"
    unknown = closest([record("unknown"), tiers[0]], parse_goals(["kinematic_tier >= equivalent"]), ("params",))
    assert unknown is tiers[0]
    assert closest([failed()], parse_goals(["params <= 1"]), ("params",)) is None


def test_a_kinematic_objective_that_is_missing_never_dominates() -> None:
    untold = record("untold", measured(1))
    told = moved(5, "told")
    assert len(ANGULAR) == 8
    for name in ANGULAR:
        objectives = ("latency_ms", name)
        smaller = [OBJECTIVES[each].smaller_is_better for each in objectives]
        assert OBJECTIVES[name].smaller_is_better is (name not in ("oks", "people_recall"))
        assert not dominates(objective_values(untold, objectives), objective_values(told, objectives), smaller)
        assert front([untold, told], objectives) == ("told",)
    better, worse = moved(name="better", oks=0.95), moved(name="worse", oks=0.9)
    assert front([worse, better], ("oks",)) == ("better",)
