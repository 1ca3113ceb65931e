"""Which way a person faces over time, and what it is decided by."""

import numpy as np
import pytest
from kinematic_figures import lose, stamps, walk
from kinematic_walker import runner, walker

from eval.facing import find_facing
from eval.hysteresis import steady_states
from teachers.skeleton import COCO_18, MPI_15


def test_single_frames_that_disagree_turn_nobody() -> None:
    track = walk(60)
    track[::5, 0, 0] -= 80
    facing = find_facing(track, stamps(60), COCO_18)
    assert facing.right.all() and facing.evidence == "nose against ears"
    assert facing.share is not None and 0.75 < facing.share < 0.9 and facing.note is None
    track[..., 0] *= -1
    assert not find_facing(track, stamps(60), COCO_18).right.any()


@pytest.mark.parametrize("fps", [15.0, 30.0, 240.0])
@pytest.mark.parametrize("last_s", [0.25, 0.4, 2.0])
def test_who_turns_faces_the_other_way_from_that_frame_on(fps: float, last_s: float) -> None:
    frames, turned = round(3 * fps), round(last_s * fps)
    track = walker(3, fps)
    track[frames - turned :] = walker(3, fps, faces=-1)[frames - turned :]
    facing = find_facing(track, stamps(frames, fps), COCO_18)
    assert facing.right.tolist() == [True] * (frames - turned) + [False] * turned
    assert facing.share == 1.0 and facing.note is None


def test_a_head_that_looks_round_for_an_instant_turns_nobody_at_any_frame_rate() -> None:
    seen = 0
    for fps in (30.0, 60.0, 240.0):
        track, glance = walker(3, fps), slice(round(fps), round(1.25 * fps))
        track[glance, COCO_18.index("nose"), 0] -= 60
        assert find_facing(track, stamps(len(track), fps), COCO_18).right.all()
        seen += 1
    assert seen == 3


def test_facing_falls_back_to_the_neck_the_knees_the_hips_and_then_says_it_does_not_know() -> None:
    times, track = stamps(30), walk(30)
    no_ears = lose(track, slice(None), "right_ear", "left_ear")
    assert find_facing(no_ears, times, COCO_18).evidence == "nose against neck"
    headless = lose(track, slice(None), "nose")
    by_knees = find_facing(headless, times, COCO_18)
    assert by_knees.evidence == "bend of the knees" and by_knees.right.all()
    legless = lose(headless, slice(None), "right_ankle", "left_ankle")
    assert find_facing(legless, times, COCO_18).evidence == "displacement of the hips"
    assert not find_facing(legless[::-1].copy(), times, COCO_18).right.any()
    still = np.repeat(legless[:1], 30, axis=0)
    unknown = find_facing(still, times, COCO_18)
    assert unknown.evidence == "none" and unknown.note is not None and "--visible-side" in unknown.note


def test_ears_hidden_for_a_while_leave_the_neck_to_tell() -> None:
    track = walker(3)
    track[45:] = walker(3, faces=-1)[45:]
    track = lose(track, slice(40, 90), "right_ear", "left_ear")
    facing = find_facing(track, stamps(90), COCO_18)
    assert facing.right.tolist() == [True] * 45 + [False] * 45


@pytest.mark.parametrize("faces", [1, -1])
def test_a_skeleton_without_a_face_is_read_by_its_knees_on_a_treadmill(faces: int) -> None:
    full = runner(2, faces=faces)
    track = np.full((len(full), len(MPI_15.keypoints), 3), (np.nan, np.nan, 0.0))
    shared = [name for name in MPI_15.keypoints if name in COCO_18.keypoints]
    for name in shared:
        track[:, MPI_15.index(name)] = full[:, COCO_18.index(name)]
    facing = find_facing(track, stamps(len(track)), MPI_15)
    assert facing.evidence == "bend of the knees" and (facing.right == (faces > 0)).all()


def test_weights_decide_and_divided_evidence_is_told() -> None:
    track = walk(40)
    track[::2, 0, 0] -= 80
    track[::2, 0, 2] = 0.2
    facing = find_facing(track, stamps(40), COCO_18)
    assert facing.right.all() and facing.share is not None and facing.share > 0.75
    track[::2, 0, 2] = 0.9
    facing = find_facing(track, stamps(40), COCO_18)
    assert facing.note is not None and "--visible-side" in facing.note


def test_states_stay_without_evidence_and_change_where_it_pays() -> None:
    costs = np.zeros((30, 2))
    costs[5:8, 1], costs[20:23, 0] = 1.0, 1.0
    path = steady_states(costs, 2.0)
    assert path[0] == 0 and path[-1] == 1 and (np.diff(path) != 0).sum() == 1
    assert 8 <= int(np.flatnonzero(np.diff(path))[0]) + 1 <= 20
    assert (steady_states(costs, 4.0) == 0).all() or (steady_states(costs, 4.0) == 1).all()
    assert len(steady_states(np.zeros((0, 3)), 1.0)) == 0
