"""Seen from the side, the front or the back: for each stretch of time."""

import numpy as np
import pytest
from kinematic_figures import lose, stamps
from kinematic_walker import exchanged, jumping_jack, noisy, runner, walker

from eval.angles import named_points
from eval.views import VIEW_NAMES, find_views, given_view, shoulder_width
from teachers.skeleton import COCO_18

UPPER = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear")


@pytest.mark.parametrize("faces", [1, -1])
def test_walkers_and_runners_are_seen_from_the_side(faces: int) -> None:
    for make in (walker, runner):
        views = find_views(noisy(make(3, faces=faces), 2.0), stamps(90), COCO_18)
        assert views.main == ("right" if faces > 0 else "left") and len(views.stretches) == 1
        assert views.within("side").all() and views.evidence == "nose against ears"
        assert views.width is not None and views.width < 0.3
        assert set(views.near) == {float(faces)} and set(views.frontal) == {0.0}


def test_who_jumps_before_the_camera_is_seen_from_the_front_or_the_back() -> None:
    front = find_views(noisy(jumping_jack(3), 2.0), stamps(90), COCO_18)
    back = find_views(noisy(jumping_jack(3, back=True), 2.0), stamps(90), COCO_18)
    assert (front.main, back.main) == ("front", "back")
    assert len(front.stretches) == len(back.stretches) == 1
    assert front.within("front").all() and not front.within("side").any()
    assert set(front.frontal) == {1.0} and set(back.frontal) == {-1.0} and set(front.near) == {0.0}
    assert front.width == pytest.approx(0.67, abs=0.03) and front.note is None


def test_whole_bodies_whose_labels_are_exchanged_for_a_while_still_face_the_camera() -> None:
    track = exchanged(jumping_jack(3), slice(40, 60), UPPER)
    assert {part.view for part in find_views(track, stamps(90), COCO_18).stretches} == {"front"}


def test_somebody_upside_down_is_not_seen_from_the_back() -> None:
    track = jumping_jack(3)
    track[..., :2] = 1200 - track[..., :2]
    assert find_views(track, stamps(90), COCO_18).main == "front"


@pytest.mark.parametrize("fps", [30.0, 60.0, 240.0])
def test_views_change_with_the_person_and_not_with_single_frames(fps: float) -> None:
    side, front = walker(4, fps), jumping_jack(4, fps)
    half = round(2 * fps)
    track = np.concatenate([side[:half], front[half:]])
    views = find_views(track, stamps(len(track), fps), COCO_18)
    assert [(part.view, part.start, part.stop) for part in views.stretches] == [
        ("right", 0, half),
        ("front", half, len(track)),
    ]
    glance = slice(half // 2, half // 2 + round(0.2 * fps))
    track[glance] = front[glance]
    assert len(find_views(track, stamps(len(track), fps), COCO_18).stretches) == 2


def test_a_turn_through_the_front_changes_signs() -> None:
    track = np.concatenate([walker(2), jumping_jack(2), walker(2, faces=-1)])
    views = find_views(track, stamps(180), COCO_18)
    assert [part.view for part in views.stretches] == ["right", "front", "left"]
    assert views.signs("right").tolist() == [1.0] * 60 + [-1.0] * 120
    assert views.signs("left").tolist() == [1.0] * 120 + [-1.0] * 60
    assert views.within("side").sum() == 120
    words = views.in_words(stamps(180))
    assert words.startswith("facing image right (0.00 to 1.97 s), seen from the front (2.00")


def test_a_view_may_be_given_and_of_unknown_shoulders_the_side_is_assumed() -> None:
    given = given_view("back", 5)
    assert given.main == "back" and given.evidence == "given" and given.in_words(stamps(5)) == "seen from the back"
    unseen = lose(jumping_jack(2), slice(None), "right_shoulder", "left_shoulder", "neck")
    views = find_views(unseen, stamps(60), COCO_18)
    assert views.within("side").all() and views.width is None
    nobody = find_views(lose(walker(1), slice(None)), stamps(30), COCO_18)
    assert nobody.main == "right" and nobody.note is not None
    assert find_views(walker(1)[:1], stamps(1), COCO_18).main == "right"


def test_width_is_signed_by_the_side_that_is_seen_and_free_of_size() -> None:
    seen = 0
    for height in (100.0, 800.0):
        for back, sign in ((False, 1), (True, -1)):
            points = named_points(jumping_jack(1, height=height, back=back), COCO_18)
            width, weight = shoulder_width(points)
            assert np.allclose(width, sign * 0.2 / 0.3) and (weight == 1).all()
            seen += 1
    assert seen == 4 and VIEW_NAMES == ("right", "left", "front", "back")
