"""The window that follows a person, with a network that sees a person wherever a bright box stands in its input."""

from collections.abc import Sequence

import numpy as np
import pytest
from conftest import tiny_spec
from numpy.typing import NDArray

from eval.inference import Inference, Redetect, Roi, check_inference, in_words, parse_size
from eval.rendering import made_up_person, render_maps
from eval.roi_tracker import RoiTracker
from teachers.common.errors import UserError
from teachers.skeleton import COCO_18

HW = (368, 656)
FPS = 30.0
ROI = Roi(size=(256, 192), redetect=Redetect(scale=0.5, every_s=1.0))


class BrightBoxes:
    """Gives the maps of a person in every bright box of its input: one box for each grey level."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def run(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        pixels = image[0].mean(axis=0)
        self.sizes.append((pixels.shape[0], pixels.shape[1]))
        people = []
        for level in (180.0, 240.0):
            rows, columns = np.nonzero(np.abs(pixels - level) < 20)
            if len(rows) < 40 or len(rows) < 0.5 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1):
                continue  # the blurred edge of the other box
            height = np.ptp(rows) + 1.0
            if height > 16:
                people.append(person_in(columns.mean(), rows.min(), height))
        grid = (pixels.shape[0] // 8, pixels.shape[1] // 8)
        heatmaps, pafs = render_maps(people, COCO_18, grid)
        return heatmaps[None], pafs[None]


def person_in(x: float, top: float, height: float) -> NDArray[np.float64]:
    """A standing figure that fills a box."""
    return made_up_person((x, top + 0.5 * height), height)


def frame(boxes: Sequence[tuple[float, float, float, int]]) -> NDArray[np.uint8]:
    """Boxes (x, top, height, grey level), a third as wide as high."""
    image = np.full((*HW, 3), 20, np.uint8)
    for x, top, height, level in boxes:
        half = height / 6
        image[max(0, int(top)) : int(top + height), max(0, int(x - half)) : max(0, int(x + half))] = level
    return image


def follow(clip: Sequence[NDArray[np.uint8]], roi: Roi = ROI) -> tuple[list[int], int, BrightBoxes]:
    """People in each frame, full-frame passes, and what the network was given."""
    network = BrightBoxes()
    tracker = RoiTracker(network, tiny_spec(), roi)
    found = [tracker(image, number / FPS) for number, image in enumerate(clip)]
    return [len(one.people) for one in found], sum(one.full_frame is not None for one in found), network


def test_a_walking_person_is_followed_with_a_pass_a_second() -> None:
    counts, passes, network = follow([frame([(150 + 4 * t, 80, 200, 240)]) for t in range(60)])
    assert counts == [1] * 60
    assert passes == 2
    assert network.sizes.count((256, 192)) >= 60


def test_keypoints_are_those_of_the_frame() -> None:
    tracker = RoiTracker(BrightBoxes(), tiny_spec(), ROI)
    errors = []
    for number in range(20):
        x = 200 + 3 * number
        (person,) = tracker(frame([(x, 80, 200, 240)]), number / FPS).people
        truth = person_in(x, 80, 200)
        apart = np.linalg.norm(person.keypoints[:, :2] - truth, axis=1)
        errors.append(np.nanmedian(apart))
    assert max(errors) < 4.0


def test_nobody_costs_one_pass_a_second_and_no_window() -> None:
    counts, passes, network = follow([frame([])] * 61)
    assert counts == [0] * 61
    assert passes == 3
    assert (256, 192) not in network.sizes


def test_who_leaves_and_returns_is_found_again() -> None:
    there, gone = frame([(300, 80, 200, 240)]), frame([])
    counts, passes, _ = follow([there] * 20 + [gone] * 40 + [there] * 45)
    assert counts[:20] == [1] * 20
    assert counts[25:60] == [0] * 35
    assert counts[-10:] == [1] * 10
    assert passes <= 8


def test_after_a_cut_between_scenes_the_person_is_found_again() -> None:
    counts, _, _ = follow([frame([(150, 80, 200, 240)])] * 20 + [frame([(520, 60, 240, 240)])] * 20)
    assert counts[:20] == [1] * 20
    assert min(counts[30:]) >= 1


def test_two_people_have_a_window_each() -> None:
    clip = [frame([(150 + 2 * t, 80, 200, 240), (500 - 2 * t, 70, 220, 180)]) for t in range(60)]
    counts, _, _ = follow(clip)
    assert sum(count == 2 for count in counts) >= 54  # while they cross, one box hides the other
    one, _, _ = follow(clip, ROI.model_copy(update={"people": 1}))
    assert max(one) == 1


def test_two_who_cross_are_two_again_afterwards() -> None:
    clip = [frame([(150 + 4 * t, 80, 200, 240), (500 - 4 * t, 70, 220, 180)]) for t in range(80)]
    counts, passes, network = follow(clip)
    assert counts[:25] == [2] * 25 and counts[-15:] == [2] * 15
    assert min(counts) >= 1 and passes <= 8
    assert network.sizes.count((256, 192)) <= 2 * 80 + 20, "windows that both show one person do not last"


def test_a_person_larger_than_the_frame_has_a_window_larger_than_it() -> None:
    clip = [frame([(330 + t, -60, 500, 240)]) for t in range(40)]
    counts, passes, network = follow(clip)
    assert counts == [1] * 40 and passes <= 4
    assert network.sizes.count((256, 192)) >= 38


def test_a_frame_of_another_size_begins_anew() -> None:
    tracker = RoiTracker(BrightBoxes(), tiny_spec(), ROI)
    tracker(frame([(150, 80, 200, 240)]), 0.0)
    found = tracker(frame([(150, 80, 200, 240)])[:300, :400], 1 / FPS)
    assert found.full_frame is not None and len(found.people) == 1
    with pytest.raises(ValueError, match="time must increase"):
        tracker(frame([]), 0.0)


def test_settings_are_checked() -> None:
    check_inference(Inference(roi=ROI), tiny_spec())
    with pytest.raises(UserError, match=r"roi.size: must be multiples of 8, got 250x192; 248x192 would do"):
        check_inference(Inference(roi=Roi(size=(250, 192))), tiny_spec())
    with pytest.raises(ValueError, match="expected either `scales` or `roi`"):
        Inference()
    for wrong in ({"margin": 0.9}, {"redetect": {"every_s": 0}}):
        with pytest.raises(ValueError, match="greater than"):
            Roi.model_validate({"size": (256, 192), **wrong})
    assert parse_size("256x192") == (256, 192)
    with pytest.raises(UserError, match="expected the height and width"):
        parse_size("256")
    assert in_words(Inference(roi=ROI)) == "window 256x192"
    assert in_words(Inference(scales=(0.5, 1.0))) == "scales 0.5, 1"
