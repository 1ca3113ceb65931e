"""The maps that labels ask for: their numbers, and that decoding them gives the people back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_people import standing

from compress.training.ground_truth import GroundTruthSettings, render
from eval.oks import match_people
from eval.people import Person, decode
from teachers.skeleton import COCO_18

HW = (256, 256)
NOSE, NECK, HIP = COCO_18.index("nose"), COCO_18.index("neck"), COCO_18.index("right_hip")
TRUNK = COCO_18.limbs.index((NECK, HIP))


def only(**labelled: tuple[float, float]) -> np.ndarray:
    """(18, 3): a person of whom these keypoints are labelled."""
    person = np.zeros((18, 3))
    for name, place in labelled.items():
        person[COCO_18.index(name)] = (*place, 2)
    return person


def test_a_keypoint_is_a_gaussian_of_seven_pixels_with_peak_one() -> None:
    centre = 8 * 12 + 3.5  # the centre of cell 12
    heatmaps, pafs = render(only(nose=(centre, centre))[None], HW, COCO_18, 8)
    assert heatmaps.shape == (19, 32, 32) and pafs.shape == (38, 32, 32)
    assert heatmaps[NOSE, 12, 12] == 1
    for cells in (1, 2, 3):
        assert heatmaps[NOSE, 12, 12 + cells] == pytest.approx(np.exp(-((8 * cells) ** 2) / (2 * 49)), rel=1e-5)
        assert heatmaps[NOSE, 12 - cells, 12] == heatmaps[NOSE, 12, 12 + cells]
    assert not np.delete(heatmaps[:-1], NOSE, axis=0).any() and not pafs.any()
    assert (heatmaps[-1] == 1 - heatmaps[NOSE]).all()


def test_people_who_overlap_are_not_added_up() -> None:
    left, right = (8 * 10 + 3.5, 99.5), (8 * 12 + 3.5, 99.5)
    both, _ = render(np.stack([only(nose=left), only(nose=right)]), HW, COCO_18, 8)
    each = [render(only(nose=place)[None], HW, COCO_18, 8)[0] for place in (left, right)]
    assert (both[NOSE] == np.maximum(each[0][NOSE], each[1][NOSE])).all()
    assert both[NOSE, 12, 11] < both[NOSE, 12, 10]  # a sum would have one peak, between the two
    assert both[-1].min() == 0


def test_a_limb_is_two_cells_wide_and_its_vectors_are_units() -> None:
    start, end = 8 * np.array([6, 10]) + 3.5, 8 * np.array([16, 10]) + 3.5
    _, pafs = render(only(neck=tuple(start), right_hip=tuple(end))[None], HW, COCO_18, 8)
    x, y = pafs[2 * TRUNK], pafs[2 * TRUNK + 1]
    wanted = np.zeros((32, 32))
    wanted[9:12, 5:18] = 1  # one cell to either side, and one beyond either end
    assert (x == wanted).all() and not y.any()
    assert not np.delete(pafs, [2 * TRUNK, 2 * TRUNK + 1], axis=0).any()


def test_limbs_that_cross_are_averaged() -> None:
    level = only(neck=(43.5, 83.5), right_hip=(123.5, 83.5))
    upright = only(neck=(83.5, 43.5), right_hip=(83.5, 123.5))
    _, pafs = render(np.stack([level, upright]), HW, COCO_18, 8)
    assert pafs[2 * TRUNK : 2 * TRUNK + 2, 10, 10].tolist() == [0.5, 0.5]
    assert pafs[2 * TRUNK : 2 * TRUNK + 2, 10, 14].tolist() == [1, 0]
    assert pafs[2 * TRUNK : 2 * TRUNK + 2, 14, 10].tolist() == [0, 1]


def test_a_limb_shorter_than_a_cell_is_still_there() -> None:
    _, pafs = render(only(nose=(87.5, 87.5), right_eye=(89.5, 87.5))[None], HW, COCO_18, 8)
    limb = COCO_18.limbs.index((NOSE, COCO_18.index("right_eye")))
    assert pafs[2 * limb].max() == 1


def test_absent_keypoints_leave_no_trace_even_without_a_place() -> None:
    person = standing(128, 120)
    without = person.copy()
    without[HIP] = (np.nan, np.nan, 0)
    heatmaps, pafs = render(without[None], HW, COCO_18, 8)
    whole, _ = render(person[None], HW, COCO_18, 8)
    assert np.isfinite(heatmaps).all() and np.isfinite(pafs).all()
    assert not heatmaps[HIP].any() and whole[HIP].any()
    assert (np.delete(heatmaps[:-1], HIP, axis=0) == np.delete(whole[:-1], HIP, axis=0)).all()
    touched = [limb for limb, ends in enumerate(COCO_18.limbs) if HIP in ends]
    assert len(touched) == 2
    assert not any(pafs[2 * limb : 2 * limb + 2].any() for limb in touched)


def test_nobody_and_two_labels_on_one_spot_are_no_trouble() -> None:
    heatmaps, pafs = render(np.zeros((0, 18, 3)), HW, COCO_18, 8)
    assert (heatmaps[-1] == 1).all() and not heatmaps[:-1].any() and not pafs.any()
    _, pafs = render(only(neck=(80, 80), right_hip=(80, 80))[None], HW, COCO_18, 8)
    assert not pafs.any()


@settings(max_examples=15, deadline=None)
@given(st.floats(70, 80), st.floats(95, 130), st.floats(0.85, 1.05), st.floats(75, 95))
def test_decoding_gives_the_people_back(x: float, y: float, scale: float, apart: float) -> None:
    people = np.stack([standing(x, y, scale), standing(x + apart, y + 7, 0.95 * scale)])
    heatmaps, pafs = render(people, HW, COCO_18, 8)
    found = decode(heatmaps, pafs, COCO_18, 8)
    wanted = [Person(person.astype(np.float32), 1.0) for person in people]
    matches = match_people(wanted, found, COCO_18)
    assert len(found) == 2 and len(matches) == 2
    assert all(similarity > 0.98 for _, _, similarity in matches)


@pytest.mark.parametrize("sigma", [5.0, 9.0])
def test_the_settings_decide_the_width(sigma: float) -> None:
    place = (99.5, 99.5)
    heatmaps, _ = render(only(nose=place)[None], HW, COCO_18, 8, GroundTruthSettings(sigma_px=sigma))
    assert heatmaps[NOSE, 12, 13] == pytest.approx(np.exp(-32 / sigma**2), rel=1e-5)


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected \(P, 18, 3\)"):
        render(np.zeros((1, 17, 3)), HW, COCO_18, 8)
    with pytest.raises(ValueError, match="multiple of the stride"):
        render(np.zeros((1, 18, 3)), (250, 256), COCO_18, 8)
