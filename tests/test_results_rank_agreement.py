"""Do L2 and degrees, or two runtimes, put the candidates in the same order? Spearman's rho and one sentence each."""

import numpy as np
import pytest
from compress_made_up import angle_records, kinematics, latency, measured, record, stage_records, times, with_angles

from compress.measure.fidelity import Fidelity
from compress.measure.latency_facts import Latencies
from compress.results.rank_agreement import FEWEST, rank_sentences, spearman
from compress.results.records import Record


def ranked(pairs: list[tuple[float, float]]) -> list[Record]:
    """Candidates with these relative L2 of the joints and median errors."""
    found = []
    for index, (loss, degrees) in enumerate(pairs):
        plain = measured(5)
        fidelity = plain.facts(Fidelity).model_copy(update={"joint_rel_l2": loss})
        base = record(f"c{index}", plain.replaced(fidelity).without(Latencies), stages=5)
        found.append(with_angles(base, kinematics(5, median_deg=degrees)))
    return found


def test_rho_is_that_of_the_ranks() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 400]) == pytest.approx(1.0)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)
    # 1 - 6 sum(d^2) / (n (n^2 - 1)) with two exchanged neighbours of four.
    assert spearman([1, 2, 3, 4], [2, 1, 3, 4]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert spearman([1, 2, 3, 4], [5, 5, 5, 5]) is None
    assert spearman([1, 2, 3], [1, 2, 3]) is None


def test_pairs_in_the_opposite_order_are_counted() -> None:
    rng = np.random.default_rng(6)
    disagreeing = 0
    for _ in range(40):
        order = rng.permutation(5)
        found = rank_sentences(ranked([(0.1 * (i + 1), float(place + 1)) for i, place in enumerate(order)]))
        discordant = sum(order[i] > order[j] for i in range(5) for j in range(i + 1, 5))
        assert len(found) == 1 and f"{discordant} of 10 pairs are in the opposite order." in found[0]
        assert ("is 1.00 over" in found[0]) == (discordant == 0)
        disagreeing += discordant > 0
    assert disagreeing > 25


def test_angles_and_l2_are_told_in_one_sentence() -> None:
    (text,) = rank_sentences(angle_records())
    assert text.startswith("Spearman's rank correlation of relative L2 of the joints with median angle error of the ")
    assert "over 5 candidates" in text
    assert rank_sentences(angle_records()[:FEWEST]) == ()
    assert rank_sentences(stage_records()) == ()


def timed_twice(ratios: dict[str, float]) -> list[Record]:
    """The stage table with times in a second runtime."""
    found = []
    for one in stage_records():
        first = one.facts(Latencies).first
        if one.name in ratios:
            other = latency(1000 * ratios[one.name], ratios[one.name]).model_copy(update={"runtime": "openvino"})
            measurement = one.measurement.replaced(times(first, other))
            found.append(one.model_copy(update={"measurement": measurement}))
        else:
            found.append(one)
    return found


def test_runtimes_whose_rankings_differ_are_named_with_the_pairs() -> None:
    here = {one.name: one.facts(Latencies).first.ratio for one in stage_records()}
    (same,) = rank_sentences(timed_twice(here))
    assert "6 networks were timed in onnxruntime and in openvino" in same and "is 1.00" in same
    assert same.endswith("No two change places beyond their 95% intervals.")
    (turned,) = rank_sentences(timed_twice(here | {"stages-1": 3.0}))
    assert "In openvino these change places: stages-1 and" in turned or "and stages-1" in turned
    assert "and 2 more pairs" in turned, "three of five are named"
    (few,) = rank_sentences(timed_twice({"teacher": 1.0, "stages-1": 0.3}))
    assert "rank correlation" not in few and few.startswith("2 networks were timed")
