"""Image, keypoints and maps stay together whatever the augmentation does."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from training_people import relative_l2, standing

from compress.training.augmentation import Augmentation, Warp, draw
from compress.training.ground_truth import GroundTruthSettings, render
from teachers.posenet import PoseNet
from teachers.skeleton import COCO_18, MPI_15, Skeleton

HW = (256, 240)
HEAT = COCO_18.heatmap_channels
PEOPLE = np.stack([standing(85, 120), standing(165, 130, 0.9)])
PEOPLE[1, 4, 2] = 0.0  # one wrist is not labelled
# Fine maps: interpolation is nearly exact between cells of 2 pixels, so that little room is left for mistakes.
FINE = 2
JOINT_TOLERANCE, PAF_TOLERANCE = 0.02, 0.3  # a PAF jumps at a limb's edge, where interpolation is off by up to 1
INTERIOR = (slice(None), slice(4, -4), slice(4, -4))

warps = st.builds(
    lambda scale, turn, flip, crop, seed: draw(
        Augmentation(scale=(scale, scale), rotation_deg=turn, flip=flip, brightness=0, contrast=0),
        HW,
        crop,
        np.random.default_rng(seed),
    ),
    st.floats(0.7, 1.3),
    st.floats(0, 180),
    st.booleans(),
    st.sampled_from([HW, (208, 192), (288, 320)]),
    st.integers(0, 1000),
)


def rendered(people: NDArray[np.floating], hw: tuple[int, int], stride: int, scale: float = 1.0) -> NDArray[np.float32]:
    """Stacked maps; blobs and limbs grow with the image, as they do when maps are warped."""
    drawn = GroundTruthSettings(sigma_px=7 * scale, limb_half_width=8 * scale / stride)
    return np.concatenate(render(people, hw, COCO_18, stride, drawn))


def similarity(scale: float, turn_deg: float, flip: bool = False, shift: tuple[float, float] = (0, 0)) -> Warp:
    """About the middle of HW, written out independently of `draw`."""
    turn = math.radians(turn_deg)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    if flip:
        linear = np.diag([-1.0, 1.0]) @ linear
    middle = (np.array(HW[::-1]) - 1) / 2
    return Warp(np.column_stack([linear, middle - linear @ middle + shift]), HW, flip)


@settings(max_examples=40, deadline=None)
@given(warps)
def test_warped_maps_are_the_maps_of_the_warped_people(warp: Warp) -> None:
    found = warp.maps(rendered(PEOPLE, HW, FINE), COCO_18, FINE)
    wanted = rendered(warp.points(PEOPLE, COCO_18), warp.crop_hw, FINE, warp.scale)
    # What the source does not show is 0 in the warped maps; the keypoints know more.
    shown = 1 - warp.mask(np.zeros((HW[0] // FINE, HW[1] // FINE), np.float32), FINE)
    shown = cv2.erode(shown, np.ones((3, 3), np.uint8))
    found, wanted = (found * shown)[INTERIOR], (wanted * shown)[INTERIOR]
    assert found.shape == wanted.shape
    assert relative_l2(found[: HEAT - 1], wanted[: HEAT - 1]) < JOINT_TOLERANCE
    assert relative_l2(found[HEAT - 1], wanted[HEAT - 1]) < JOINT_TOLERANCE
    assert relative_l2(found[HEAT:], wanted[HEAT:]) < PAF_TOLERANCE


@pytest.mark.parametrize("warp", [similarity(1, 0, True), similarity(1, 0, False, (16, -24)), similarity(1, 180)])
def test_flips_half_turns_and_whole_cells_are_exact(warp: Warp) -> None:
    found = warp.maps(rendered(PEOPLE, HW, 8), COCO_18, 8)
    wanted = rendered(warp.points(PEOPLE, COCO_18), HW, 8)
    assert np.abs(found - wanted)[:, 3:-3, 3:-3].max() < 1e-6
    assert np.abs(wanted).max() == pytest.approx(1, abs=0.2)


def with_a_part_left_out(right: NDArray[np.float32], warp: Warp) -> dict[str, NDArray[np.float32]]:
    """What `Warp.maps` would give if one of its parts were missing; by name, since names say left and right."""
    turn = warp.matrix[:, :2] / warp.scale
    vectors = right[HEAT:].reshape(len(COCO_18.limbs), 2, *right.shape[1:])
    back = np.einsum("ij,ljhw->lihw", np.linalg.inv(turn), vectors).reshape(right[HEAT:].shape)
    wrong = {"vectors": np.concatenate([right[:HEAT], back]).astype(np.float32)}
    if warp.mirrored:
        names = COCO_18.keypoints
        other = {}
        for name in names:
            side, _, part = name.partition("_")
            other[name] = {"left": f"right_{part}", "right": f"left_{part}"}.get(side, name)
        limbs = [(names[start], names[end]) for start, end in COCO_18.limbs]
        unswapped = [limbs.index((other[start], other[end])) for start, end in limbs]
        heat = [names.index(other[name]) for name in names]
        wrong["heatmaps"] = np.concatenate([right[heat], right[HEAT - 1 :]])
        wrong["limbs"] = np.concatenate([right[:HEAT], vectors[unswapped].reshape(right[HEAT:].shape)])
    return wrong


def test_a_part_left_out_would_be_seen() -> None:
    """No tolerance above hides a missing exchange of channels or vectors that are not turned."""
    seen: list[str] = []
    for warp in (similarity(1, 0, True), similarity(1, 30), similarity(1.2, -25, True)):
        wanted = rendered(warp.points(PEOPLE, COCO_18), HW, FINE, warp.scale)
        right = warp.maps(rendered(PEOPLE, HW, FINE), COCO_18, FINE)
        for part, wrong in with_a_part_left_out(right, warp).items():
            where = slice(None, HEAT - 1) if part == "heatmaps" else slice(HEAT, None)
            tolerance = JOINT_TOLERANCE if part == "heatmaps" else PAF_TOLERANCE
            assert relative_l2(right[where], wanted[where]) < tolerance
            assert relative_l2(wrong[where], wanted[where]) > 1.5 * tolerance, part
            seen.append(part)
    assert sorted(set(seen)) == ["heatmaps", "limbs", "vectors"]


@pytest.mark.parametrize("warp", [similarity(1, 35), similarity(1, -80, True), similarity(1.25, 10)])
def test_vectors_point_along_the_moved_limb(warp: Warp) -> None:
    arm = np.zeros((1, 18, 3))
    arm[0, 2], arm[0, 3] = (100, 110, 2), (150, 135, 2)  # right shoulder to right elbow
    moved = warp.points(arm, COCO_18)[0]
    side = "left" if warp.mirrored else "right"
    start, end = COCO_18.index(f"{side}_shoulder"), COCO_18.index(f"{side}_elbow")
    limb = COCO_18.limbs.index((start, end))
    along = moved[end, :2] - moved[start, :2]
    middle = ((moved[start, :2] + moved[end, :2]) / 2 - (FINE - 1) / 2) / FINE
    maps = warp.maps(rendered(arm, HW, FINE), COCO_18, FINE)
    found = maps[HEAT + 2 * limb : HEAT + 2 * limb + 2, round(middle[1]), round(middle[0])]
    assert found == pytest.approx(along / np.linalg.norm(along), abs=1e-4)
    others = [c for c in range(COCO_18.paf_channels) if c // 2 != limb]
    assert not maps[HEAT:][others].any()


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_flipping_twice_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    warp = similarity(1, 0, True)
    maps = rng.random((HEAT + COCO_18.paf_channels, HW[0] // 8, HW[1] // 8), dtype=np.float32)
    image = rng.integers(0, 256, (*HW, 3), dtype=np.uint8)
    assert np.abs(warp.maps(warp.maps(maps, COCO_18, 8), COCO_18, 8) - maps).max() < 1e-6
    assert np.abs(warp.points(warp.points(PEOPLE, COCO_18), COCO_18) - PEOPLE).max() < 1e-4
    assert (warp.image(warp.image(image)) == image).all()
    assert (warp.image(image) == image[:, ::-1]).all()
    assert not (warp.maps(maps, COCO_18, 8) == maps).all()


def test_a_limb_that_the_skeleton_holds_from_the_other_end_changes_sign() -> None:
    chain = Skeleton(
        name="three",
        keypoints=("left", "middle", "right"),
        limbs=((0, 1), (1, 2), (0, 2)),  # the mirror of left-middle is right-middle: held as middle-right
        mirror_pairs=((0, 2),),
        sigmas=(0.1, 0.1, 0.1),
    )
    people = np.array([[(100.0, 100, 1), (120, 140, 1), (150, 90, 1)]])
    warp = similarity(1, 0, True)
    found = warp.maps(np.concatenate(render(people, HW, chain, 8)), chain, 8)
    wanted = np.concatenate(render(warp.points(people, chain), HW, chain, 8))
    assert np.abs(found - wanted).max() < 1e-6
    lopsided = chain.model_copy(update={"limbs": ((0, 1),)})
    with pytest.raises(ValueError, match="no mirror image"):
        warp.points(people, lopsided)


@settings(max_examples=25, deadline=None)
@given(warps, st.integers(60, 180), st.integers(60, 180))
def test_a_bright_dot_lands_where_the_points_say(warp: Warp, x: int, y: int) -> None:
    image = np.full((*HW, 3), 128, np.uint8)
    cv2.circle(image, (x, y), 5, (255, 255, 255), -1)
    people = np.zeros((1, 18, 3))
    people[0, 0] = (x, y, 1)
    wanted = warp.points(people, COCO_18)[0, 0, :2]
    # Not cut off by the crop's edge.
    assume(all(10 < place < size - 10 for place, size in zip(wanted, warp.crop_hw[::-1], strict=True)))
    bright = warp.image(image)[..., 0].astype(float)
    bright = np.clip((bright - bright.min()) / (bright.max() - bright.min()) - 0.2, 0, None)
    rows, columns = np.indices(bright.shape)
    found = np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()
    assert np.abs(found - wanted).max() < 0.6


def test_outside_is_nobody() -> None:
    warp = similarity(1, 0, shift=(80, 0))
    image = warp.image(np.full((*HW, 3), 7, np.uint8))
    maps = warp.maps(rendered(PEOPLE, HW, 8), COCO_18, 8)
    mask = warp.mask(np.zeros((HW[0] // 8, HW[1] // 8), np.float32), 8)
    assert (image[:, :79] == 128).all() and (image[:, 81:] == 7).all()
    assert (maps[HEAT - 1, :, :10] == 1).all()
    assert not np.delete(maps, HEAT - 1, axis=0)[:, :, :10].any()
    assert (mask[:, :10] == 1).all() and not mask[:, 10:].any()


def test_light_changes_the_picture_and_not_what_is_outside() -> None:
    warp = Warp(similarity(1, 0, shift=(80, 0)).matrix, HW, False, 0.5, 90.0)
    image = warp.image(np.full((*HW, 3), 40, np.uint8))
    assert (image[:, 81:] == 110).all() and (image[:, :79] == 128).all()


def test_nothing_switched_on_is_the_identity() -> None:
    warp = draw(Augmentation.none(), HW, HW, np.random.default_rng(3))
    image = np.random.default_rng(0).integers(0, 256, (*HW, 3), dtype=np.uint8)
    maps = rendered(PEOPLE, HW, 8)
    assert (warp.matrix == np.eye(2, 3)).all()
    assert (warp.image(image) == image).all()
    assert np.abs(warp.maps(maps, COCO_18, 8) - maps).max() < 1e-6
    assert (warp.points(PEOPLE, COCO_18) == PEOPLE.astype(np.float32)).all()


def test_draws_stay_in_their_ranges_and_come_again() -> None:
    chosen = Augmentation(scale=(0.8, 1.1), rotation_deg=12, brightness=0.3, contrast=0.1)
    drawn = [draw(chosen, HW, (128, 128), np.random.default_rng(seed)) for seed in range(200)]
    again = draw(chosen, HW, (128, 128), np.random.default_rng(5))
    turns = [abs(math.degrees(math.asin(warp.matrix[1, 0] / warp.scale))) for warp in drawn]
    assert 0.8 <= min(warp.scale for warp in drawn) < 0.82 and 1.08 < max(warp.scale for warp in drawn) <= 1.1
    assert 11 < max(turns) <= 12
    assert 70 < sum(warp.mirrored for warp in drawn) < 130
    assert {abs(warp.gain - 1) <= 0.1 for warp in drawn} == {True}
    assert (again.matrix == drawn[5].matrix).all() and again.offset == drawn[5].offset
    # The crop mostly shows the image, here all of it but for the corners that a turn brings in.
    whole = np.zeros((HW[0] // 8, HW[1] // 8), np.float32)
    assert min(1 - warp.mask(whole, 8).mean() for warp in drawn) > 0.9


@pytest.mark.parametrize(
    "wrong",
    [{"scale": (1.2, 0.8)}, {"scale": (0, 1)}, {"rotation_deg": 200}, {"brightness": 1.0}, {"turn": 3}],
)
def test_augmentations_check_themselves(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Augmentation.model_validate(wrong)


def test_a_warp_checks_itself() -> None:
    with pytest.raises(ValueError, match="scale alike"):
        Warp(np.array([[1.0, 0, 0], [0, 2, 0]]), HW)
    with pytest.raises(ValueError, match="mirrored"):
        Warp(np.array([[-1.0, 0, 0], [0, 1, 0]]), HW)
    with pytest.raises(ValueError, match="multiple of the stride"):
        similarity(1, 0).mask(np.ones((3, 3), np.float32), 7)
    with pytest.raises(ValueError, match="expected"):
        similarity(1, 0).maps(np.zeros((57, 4, 4), np.float32), MPI_15, 8)


ROWS, COLUMNS = 248, 440  # the people of the sample are large enough for the teacher from about here on


def ask(teacher: PoseNet, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The teacher's stacked maps of one image."""
    with torch.no_grad():
        found = teacher(torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32)))
    return torch.cat(list(found), dim=1)[0].numpy()


@pytest.fixture(scope="module")
def frame(sample_images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return cv2.resize(sample_images[0], (COLUMNS, ROWS), interpolation=cv2.INTER_AREA).astype(np.uint8)


@pytest.fixture(scope="module")
def answer(teacher: PoseNet, frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    return ask(teacher, frame)


@pytest.mark.parametrize(("flip", "turn_deg"), [(True, 10), (False, 30)], ids=["flip", "turn"])
def test_the_real_teacher_says_of_the_changed_image_what_the_changed_maps_say(
    teacher: PoseNet,
    frame: NDArray[np.uint8],
    answer: NDArray[np.float32],
    flip: bool,
    turn_deg: float,
) -> None:
    """It is no more symmetric than the people it learnt from: about 0.3 stays between the two; more without a part."""
    matrix = cv2.getRotationMatrix2D(((COLUMNS - 1) / 2, (ROWS - 1) / 2), turn_deg, 1)
    if flip:
        matrix[0] = [0, 0, COLUMNS - 1] - matrix[0]
    warp = Warp(np.asarray(matrix, dtype=np.float64), (ROWS, COLUMNS), flip)
    asked, said = ask(teacher, warp.image(frame)), warp.maps(answer, COCO_18, 8)
    left_out = with_a_part_left_out(said, warp)
    assert len(left_out) == (3 if flip else 1)
    for part, wrong in left_out.items():
        where = slice(None, HEAT - 1) if part == "heatmaps" else slice(HEAT, None)
        near, far = relative_l2(said[where], asked[where]), relative_l2(wrong[where], asked[where])
        assert near < (0.5 if flip else 0.75) * far, f"{part}: {near:.3f} against {far:.3f}"


def test_the_real_teacher_moves_with_the_image_by_whole_cells(
    teacher: PoseNet, frame: NDArray[np.uint8], answer: NDArray[np.float32]
) -> None:
    warp = Warp(np.array([[1.0, 0, -16], [0, 1, -8]]), (ROWS - 16, COLUMNS - 32))
    asked, said = ask(teacher, warp.image(frame)), warp.maps(answer, COCO_18, 8)
    where = (slice(None), slice(4, -4), slice(4, -4))
    assert relative_l2(said[:HEAT][where], asked[:HEAT][where]) < 0.1
    assert relative_l2(said[HEAT:][where], asked[HEAT:][where]) < 0.2
    assert relative_l2(np.roll(said, 1, axis=2)[HEAT:][where], asked[HEAT:][where]) > 0.5
