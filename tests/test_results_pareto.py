"""The Pareto front against its definition, spelt out by brute force."""

import math

import pytest
from compress_made_up import OBJECTIVES, failed, latency, measured, record, stage_records, teacher, times
from hypothesis import given
from hypothesis import strategies as st

from compress.measure.latency_facts import Latencies
from compress.results.columns import READERS
from compress.results.objectives import OBJECTIVES as KNOWN
from compress.results.pareto import dominates, front, front_of, indistinguishable, only_by_noise, within_timing_noise

VALUES = st.one_of(st.none(), st.just(math.nan), st.integers(0, 3).map(float))
"""Few different values, so that ties and equal points are common."""


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[list[float | None]], list[bool]]:
    count = draw(st.integers(1, 3))
    smaller = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return draw(st.lists(st.lists(VALUES, min_size=count, max_size=count), max_size=12)), smaller


def complete(point: list[float | None]) -> bool:
    return all(value is not None and not math.isnan(value) for value in point)


def beats(one: list[float | None], other: list[float | None], smaller: list[bool]) -> bool:
    """The definition, objective by objective, for complete points."""
    at_least_as_good = all(
        (a <= b if less else a >= b) for a, b, less in zip(one, other, smaller, strict=True) if a is not None
        and b is not None
    )  # fmt: skip
    return at_least_as_good and one != other


@given(problems())
def test_the_front_is_what_nobody_beats(problem: tuple[list[list[float | None]], list[bool]]) -> None:
    points, smaller = problem
    rivals = [point for point in points if complete(point)]
    expected = [complete(p) and not any(beats(rival, p, smaller) for rival in rivals) for p in points]
    assert front_of(points, smaller) == expected


@given(problems())
def test_a_missing_objective_never_dominates_and_somebody_complete_is_on_the_front(
    problem: tuple[list[list[float | None]], list[bool]],
) -> None:
    points, smaller = problem
    for one in points:
        assert not dominates(one, one, smaller)
        for other in points:
            if not complete(one) or not complete(other):
                assert not dominates(one, other, smaller)
    assert any(front_of(points, smaller)) == any(complete(point) for point in points)


def test_equal_points_both_stay() -> None:
    assert front_of([[1.0, 2.0], [1.0, 2.0], [2.0, 2.0]], [True, True]) == [True, True, False]


def test_a_maximised_objective_turns_round() -> None:
    assert front_of([[1.0, 0.9], [1.0, 0.8], [0.5, 0.1]], [True, False]) == [True, False, True]


def test_stage_removal_puts_everybody_on_the_front_with_the_teacher_among_them() -> None:
    names = front(stage_records(), OBJECTIVES)
    assert names == ("teacher", "stages-5", "stages-4", "stages-3", "stages-2", "stages-1")


def test_errors_and_unmeasured_candidates_are_never_on_the_front() -> None:
    untimed = record("untimed", measured(1).without(Latencies))
    broken = record("broken", measured(1), error="RuntimeError: no")
    assert front([teacher(), untimed, broken, failed()], OBJECTIVES) == ("teacher",)


def test_an_unknown_objective_is_an_error() -> None:
    with pytest.raises(KeyError):
        front(stage_records(), ("speed",))


def test_every_objective_is_a_column_that_a_record_can_fill() -> None:
    assert KNOWN
    assert set(KNOWN) <= set(READERS)


def timed(name: str, stages: int, ratio: float) -> object:
    return record(name, measured(stages).replaced(times(latency(1500 * ratio, ratio))))


def test_overlapping_intervals_are_within_timing_noise() -> None:
    slow, near, fast = timed("slow", 4, 0.80), timed("near", 3, 0.785), timed("fast", 2, 0.70)
    assert within_timing_noise(slow, near)
    assert not within_timing_noise(near, fast)
    assert not within_timing_noise(slow, failed())
    assert not within_timing_noise(slow, record("untimed"))
    assert indistinguishable([slow, near, fast]) == (("slow", "near"),)


def test_a_place_on_the_front_that_rests_on_noise_is_told() -> None:
    closer, barely_faster, faster = timed("closer", 4, 0.80), timed("barely", 3, 0.785), timed("faster", 3, 0.70)
    records = [closer, barely_faster]
    assert front(records, OBJECTIVES) == ("closer", "barely")
    assert only_by_noise(barely_faster, records, OBJECTIVES) == ("closer",)
    assert only_by_noise(closer, records, OBJECTIVES) == ()
    assert only_by_noise(faster, [closer, faster], OBJECTIVES) == ()
    assert only_by_noise(barely_faster, records, ("joint_rel_l2", "paf_rel_l2")) == ()
