"""From an image to people: the place survives every scale and padding, calls that cannot be are refused."""

import numpy as np
import pytest
from conftest import tiny_spec
from kinematic_videos import HW, KnownPeople, nobody, walker
from numpy.typing import NDArray

from eval.maps import input_size
from eval.pose import PoseEstimator
from teachers.common.errors import UserError
from teachers.skeleton import COCO_18

GREY = np.full((*HW, 3), 128, np.uint8)


@pytest.mark.parametrize("scales", [(1.0,), (0.5,), (2.0,), (0.5, 1.0, 1.5, 2.0)])
def test_keypoints_are_in_pixels_of_the_image_at_any_scale(scales: tuple[float, ...]) -> None:
    truth = walker(1)[0]
    found = PoseEstimator(KnownPeople(lambda _: [truth]), tiny_spec(), scales)(GREY)
    (person,) = found.people
    apart = np.linalg.norm(person.keypoints[:, :2] - truth, axis=1)
    # At the knees and ankles; points of the head overlap each other at half the size.
    joints = [COCO_18.index(f"{side}_{name}") for side in ("right", "left") for name in ("hip", "knee", "ankle")]
    assert np.isfinite(apart[joints]).all() and float(apart[joints].max()) < 1.5
    assert float(np.median(apart[joints])) < 0.6


def test_single_scale_maps_keep_their_grid_and_several_meet_on_that_of_one() -> None:
    seen = {}
    for scales in ((1.0,), (2.0,), (1.0, 2.0)):
        found = PoseEstimator(KnownPeople(nobody), tiny_spec(), scales)(GREY)
        seen[scales] = found.heatmaps.shape
        assert found.people == [] and found.pafs.shape == (38, *found.heatmaps.shape[1:])
    one, two = (input_size(HW, scale, 8).grid_hw(8) for scale in (1.0, 2.0))
    assert seen == {(1.0,): (19, *one), (2.0,): (19, *two), (1.0, 2.0): (19, *one)}


def test_network_and_decoding_are_timed_apart() -> None:
    estimator = PoseEstimator(KnownPeople(nobody), tiny_spec())
    found = estimator(GREY)
    assert found.network_s > 0 and found.decoding_s > 0


def test_an_image_of_odd_sides_is_padded_and_its_people_stay_in_place() -> None:
    hw = (187, 253)
    truth = walker(1)[0]
    session = KnownPeople(lambda _: [truth], hw)
    (person,) = PoseEstimator(session, tiny_spec())(np.full((*hw, 3), 128, np.uint8)).people
    knee = COCO_18.index("left_knee")
    assert person.keypoints[knee, :2] == pytest.approx(truth[knee], abs=0.6)


@pytest.mark.parametrize(("scales", "said"), [((), "at least one"), ((0.0,), "scale 0"), ((99.0,), "scale 99")])
def test_scales_that_cannot_be_are_refused(scales: tuple[float, ...], said: str) -> None:
    with pytest.raises(UserError, match=said):
        PoseEstimator(KnownPeople(nobody), tiny_spec(), scales)


def test_an_image_far_too_wide_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(UserError, match="8192 to a side"):
        PoseEstimator(KnownPeople(nobody), tiny_spec())(np.zeros((2, 2000, 3), np.uint8))


@pytest.mark.parametrize(("channels", "first"), [("bgr", 10.0), ("rgb", 30.0)])
def test_the_network_gets_the_channel_order_that_its_spec_asks_for(channels: str, first: float) -> None:
    seen = []

    class Watched(KnownPeople):
        def run(self, image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            seen.append(float(image[0, 0, 0, 0]))
            return super().run(image)

    spec = tiny_spec()
    spec = spec.model_copy(update={"input": spec.input.model_copy(update={"channels": channels})})
    image = np.full((*HW, 3), (10, 20, 30), np.uint8)
    PoseEstimator(Watched(nobody), spec)(image)
    assert seen == [first]
