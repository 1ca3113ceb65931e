"""One facing for a whole track, and what it is decided by."""

import numpy as np
import pytest
from kinematic_figures import lose, stamps, walk

from eval.facing import find_facing
from teachers.skeleton import COCO_18


def test_one_facing_for_a_whole_track_although_single_frames_disagree() -> None:
    track = walk(60)
    track[::5, 0, 0] -= 80
    facing = find_facing(track, stamps(60), COCO_18)
    assert (facing.view, facing.evidence) == ("right", "nose against ears")
    assert facing.share == pytest.approx(0.8) and facing.note is None
    track[..., 0] *= -1
    assert find_facing(track, stamps(60), COCO_18).view == "left"


def test_facing_falls_back_to_the_neck_then_to_the_way_the_hips_move_then_says_it_does_not_know() -> None:
    times, track = stamps(30), walk(30)
    no_ears = lose(track, slice(None), "right_ear", "left_ear")
    assert find_facing(no_ears, times, COCO_18).evidence == "nose against neck"
    headless = lose(track, slice(None), "nose")
    assert find_facing(headless, times, COCO_18).evidence == "displacement of the hips"
    assert find_facing(headless[::-1].copy(), times, COCO_18).view == "left"
    still = np.repeat(headless[:1], 30, axis=0)
    unknown = find_facing(still, times, COCO_18)
    assert unknown.evidence == "none" and unknown.note is not None and "--visible-side" in unknown.note


def test_weights_decide_the_facing_and_a_divided_track_is_told() -> None:
    track = walk(40)
    track[:24, 0, 0] -= 80
    track[:24, 0, 2] = 0.2
    facing = find_facing(track, stamps(40), COCO_18)
    assert facing.view == "right" and facing.share is not None and facing.share < 0.8
    track[:24, 0, 2] = 0.9
    facing = find_facing(track, stamps(40), COCO_18)
    assert facing.view == "left" and facing.note is not None and "front" in facing.note
