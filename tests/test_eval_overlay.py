"""Limbs that were seen and limbs that were guessed must not look alike."""

import numpy as np
from kinematic_walker import walker

from eval.overlay import RIGHT, DrawnPerson, draw_people
from teachers.skeleton import COCO_18

KNEE, ANKLE = COCO_18.index("right_knee"), COCO_18.index("right_ankle")


def along_the_shank(guessed: bool) -> tuple[float, int]:
    """Share of the shank's line that is drawn in the colour of its side, and how often the colour begins."""
    person = walker(1)[10]
    marks = np.zeros(18, bool)
    marks[ANKLE] = guessed
    people = [DrawnPerson(1, person, {}, marks)]
    image = draw_people(np.full((800, 1000, 3), 255, np.uint8), people, COCO_18)
    line = np.linspace(person[KNEE, :2], person[ANKLE, :2], 400)[40:-40].round().astype(int)
    coloured = (np.abs(image[line[:, 1], line[:, 0]].astype(int) - RIGHT) < 40).all(axis=1)
    return float(coloured.mean()), int((np.diff(coloured.astype(int)) == 1).sum())


def test_a_guessed_limb_is_dotted() -> None:
    seen, _ = along_the_shank(guessed=False)
    guessed, dots = along_the_shank(guessed=True)
    assert seen > 0.95 and 0.1 < guessed < 0.8 and dots >= 4


def test_a_guessed_point_far_outside_the_picture_costs_no_time() -> None:
    person = walker(1)[10]
    person[ANKLE, :2] = 1e9, -1e9
    marks = np.zeros(18, bool)
    marks[ANKLE] = True
    image = draw_people(np.zeros((80, 100, 3), np.uint8), [DrawnPerson(1, person, None, marks)], COCO_18)
    assert image.shape == (80, 100, 3)
