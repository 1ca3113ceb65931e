"""OKS by hand, and the people of two decodes matched."""

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.oks import OksCounts, compare_people, match_people, oks, person_area
from eval.people import Person
from eval.rendering import made_up_person
from teachers.skeleton import COCO_18


def keypoints(x: float = 300.0, stature: float = 200.0) -> NDArray[np.float32]:
    found = np.ones((18, 3), dtype=np.float32)
    found[:, :2] = made_up_person((x, 180), stature, (10.0, -10.0))
    return found


def moved(person: NDArray[np.float32], by: float) -> NDArray[np.float32]:
    return person + np.array([by, 0, 0], dtype=np.float32)


def test_the_same_person_has_1_and_a_distant_one_0() -> None:
    assert oks(keypoints(), keypoints(), COCO_18) == 1.0
    assert oks(keypoints(), keypoints(900), COCO_18) == pytest.approx(0.0, abs=1e-9)


def test_one_keypoint_by_hand() -> None:
    """COCO's formula with the area given: a nose 4 px off, sigma 0.026, area 10,000."""
    reference = np.full((18, 3), (np.nan, np.nan, 0.0), dtype=np.float32)
    reference[0] = (100, 50, 0.9)
    other = reference + np.array([4, 0, 0], dtype=np.float32)
    expected = np.exp(-(4.0**2) / (2 * 10_000 * (2 * 0.026) ** 2))
    assert oks(reference, other, COCO_18, area=10_000) == pytest.approx(expected)
    # Twice the area by the same formula; a keypoint that only the other has counts for nothing.
    other[5] = (1, 1, 1)
    assert oks(reference, other, COCO_18, area=20_000) == pytest.approx(expected**0.5)


def test_a_keypoint_that_was_not_found_again_adds_nothing() -> None:
    other = keypoints()
    other[[4, 7, 10]] = (np.nan, np.nan, 0.0)
    assert oks(keypoints(), other, COCO_18) == pytest.approx(15 / 18)
    assert oks(other, keypoints(), COCO_18) == 1.0


def test_farther_is_less_alike_and_larger_people_forgive_more() -> None:
    values = [oks(keypoints(), moved(keypoints(), by), COCO_18) for by in (0, 2, 5, 10, 20, 50)]
    assert len(values) == 6
    assert values == sorted(values, reverse=True)
    assert oks(keypoints(stature=400), moved(keypoints(stature=400), 10), COCO_18) > values[3]


def test_area_is_a_share_of_the_box_and_never_of_a_sliver() -> None:
    square = np.ones((18, 3), dtype=np.float32)
    square[0], square[1:, :2] = (0, 0, 1), (100, 50)
    assert person_area(square) == pytest.approx(0.53 * 100 * 50)
    line = np.ones((18, 3), dtype=np.float32)
    line[:, :2] = (10, 20)
    line[3, 1] = 120
    assert person_area(line) == pytest.approx(0.53 * 100 * 25)
    line[3, 1] = 20
    assert person_area(line) > 0


def test_a_reference_without_keypoints_is_refused() -> None:
    nobody = np.full((18, 3), (np.nan, np.nan, 0.0), dtype=np.float32)
    with pytest.raises(ValueError, match="no keypoint"):
        oks(nobody, keypoints(), COCO_18)
    assert oks(keypoints(), nobody, COCO_18) == 0.0


def test_people_are_matched_once_each_the_most_alike_first() -> None:
    reference = [Person(keypoints(100), 1.0), Person(keypoints(110), 1.0), Person(keypoints(600), 1.0)]
    others = [Person(moved(keypoints(110), 1), 1.0), Person(moved(keypoints(100), 2), 1.0), Person(keypoints(400), 1.0)]
    matches = match_people(reference, others, COCO_18)
    assert [(i, j) for i, j, _ in matches] == [(1, 0), (0, 1)]
    counts = compare_people(reference, others, COCO_18)
    assert (counts.reference, counts.matched) == (3, 2)
    assert counts.people_recall == pytest.approx(2 / 3)
    assert counts.oks == pytest.approx((matches[0][2] + matches[1][2]) / 2)


def test_counts_add_up_over_images_and_say_when_there_is_nothing_to_say() -> None:
    assert OksCounts().people_recall is None
    assert OksCounts().oks is None
    assert OksCounts(reference=2).people_recall == 0.0
    assert OksCounts(reference=2).oks is None
    total = OksCounts(2, 1, 0.9) + OksCounts(1, 1, 0.7)
    assert total.people_recall == pytest.approx(2 / 3)
    assert total.oks == pytest.approx(0.8)
