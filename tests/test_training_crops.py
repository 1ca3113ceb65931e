"""Crops of the cached maps: bit for bit what the teacher said, and the picture of the same place beside them."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import tiny_spec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compress.training.augmentation import Augmentation, Warp, draw
from compress.training.crops import FrameBalance, TeacherSamples, aligned, full_frame, learnable
from compress.training.losses import Energies
from compress.training.samples import TrainingSample
from compress.training.target_cache import CachedTarget, TargetIndex
from eval.maps import PAD_VALUE, padded

SPEC = tiny_spec()
STRIDE, HEAT = SPEC.stride, SPEC.skeleton.heatmap_channels
CHANNELS = HEAT + SPEC.skeleton.paf_channels


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def stored(folder: Path, hw: tuple[int, int], seed: int = 0) -> CachedTarget:
    """A picture, and maps whose every value tells its cell: an interpolated one could not pass for another."""
    draw_ = np.random.default_rng(seed)
    rows, columns = -(-hw[0] // STRIDE), -(-hw[1] // STRIDE)
    maps = draw_.uniform(-0.2, 1.1, (CHANNELS, rows, columns)).astype(np.float16)
    entry = CachedTarget(folder / f"{seed}.image.npy", folder / f"{seed}.maps.npy")
    np.save(entry.image, draw_.integers(0, 256, (*hw, 3), dtype=np.uint8))
    np.save(entry.maps, maps)
    return entry


def check_copied(sample: TrainingSample, entry: CachedTarget, crop_hw: tuple[int, int]) -> None:
    """Somewhere on the grid the sample is the padded picture and its maps, cut out."""
    image, maps = entry.load()
    canvas, values = _around(np.asarray(image), np.asarray(maps).astype(np.float32), crop_hw)
    rows, columns = crop_hw[0] // STRIDE, crop_hw[1] // STRIDE
    assert sample.image.shape == (*crop_hw, 3) and sample.image.dtype == np.uint8
    assert sample.heatmaps.shape == (HEAT, rows, columns) and sample.mask.min() == 1.0
    # Where the picture lies is found by comparing pixels, not by asking the code that is tested.
    places = [
        (y, x)
        for y in range(values.shape[1] - rows + 1)
        for x in range(values.shape[2] - columns + 1)
        if np.array_equal(canvas[y * STRIDE :, x * STRIDE :][: crop_hw[0], : crop_hw[1]], sample.image)
    ]
    assert len(places) == 1
    (y, x), found = places[0], np.concatenate([sample.heatmaps, sample.pafs])
    wanted = values[:, y : y + rows, x : x + columns]
    same = [channel for channel in range(CHANNELS) if channel != HEAT - 1]
    assert np.array_equal(found[same], wanted[same])
    assert np.abs(found[HEAT - 1] - wanted[HEAT - 1]).max() <= 2**-23  # it is stored as 1 minus itself on the way


def _around(
    image: NDArray[np.uint8], maps: NDArray[np.float32], crop_hw: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Grey, and maps of nobody, so far around that a crop lies inside wherever it was drawn."""
    margin = [1 + side // STRIDE for side in crop_hw]
    pixels = [(margin[axis] * STRIDE, margin[axis] * STRIDE + -image.shape[axis] % STRIDE) for axis in (0, 1)]
    canvas = np.pad(image, (*pixels, (0, 0)), constant_values=int(PAD_VALUE))
    values = np.pad(maps, ((0, 0), *((side, side) for side in margin)))
    background = values[HEAT - 1]
    inside = np.zeros(background.shape, bool)
    inside[margin[0] : margin[0] + maps.shape[1], margin[1] : margin[1] + maps.shape[2]] = True
    background[~inside] = 1.0
    return canvas, values


@settings(max_examples=80, deadline=None)
@example(hw=(92, 123), cells=(11, 15), seed=0)
@example(hw=(64, 64), cells=(8, 8), seed=1)
@given(
    hw=st.tuples(st.integers(40, 130), st.integers(40, 130)),
    cells=st.tuples(st.integers(2, 14), st.integers(2, 14)),
    seed=st.integers(0, 2**32),
)
def test_crops_are_copies_of_what_is_stored(
    tmp_path_factory: pytest.TempPathFactory, hw: tuple[int, int], cells: tuple[int, int], seed: int
) -> None:
    entry = stored(tmp_path_factory.mktemp("entry"), hw)
    crop_hw = (cells[0] * STRIDE, cells[1] * STRIDE)
    samples = TeacherSamples(TargetIndex(((entry,),)), SPEC, Augmentation.none(), crop_hw)
    check_copied(samples.sample(0, np.random.default_rng(seed)), entry, crop_hw)


def test_crops_lie_everywhere_and_the_same_seed_gives_the_same(tmp_path: Path) -> None:
    samples = TeacherSamples(TargetIndex(((stored(tmp_path, (32, 40)),),)), SPEC, Augmentation.none(), (16, 16))
    seen = {tuple(samples.sample(0, np.random.default_rng(seed)).heatmaps[:3, 0, 0]) for seed in range(300)}
    assert len(seen) == 3 * 4  # (4 - 2 + 1) * (5 - 2 + 1) places
    one, two = (samples.sample(0, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(one, two, strict=True))


def test_light_alone_leaves_the_maps_as_they_are(tmp_path: Path) -> None:
    entry = stored(tmp_path, (96, 128))
    light = Augmentation(scale=(1, 1), rotation_deg=0, flip=False, brightness=0.3, contrast=0.3)
    changed, plain = (
        TeacherSamples(TargetIndex(((entry,),)), SPEC, how, (48, 64)).sample(0, np.random.default_rng(3))
        for how in (light, Augmentation.none())
    )
    assert np.array_equal(changed.heatmaps, plain.heatmaps) and np.array_equal(changed.pafs, plain.pafs)
    assert not np.array_equal(changed.image, plain.image)


def test_a_warp_that_turns_or_scales_is_left_alone() -> None:
    for how in (Augmentation(scale=(0.9, 0.9), flip=False), Augmentation(scale=(1, 1), rotation_deg=5, flip=False)):
        warp = draw(how, (96, 128), (48, 64), np.random.default_rng(0))
        assert aligned(warp, STRIDE) is warp
    moved = draw(Augmentation.none(), (96, 128), (48, 64), np.random.default_rng(0))
    assert np.abs(aligned(moved, STRIDE).matrix - moved.matrix).max() <= STRIDE / 2


@pytest.mark.parametrize("hw", [(96, 128), (92, 123), (1, 1)])
def test_a_whole_frame_is_what_is_measured(tmp_path: Path, hw: tuple[int, int]) -> None:
    entry = stored(tmp_path, hw)
    image, maps = entry.load()
    sample = full_frame(entry, SPEC)
    assert np.array_equal(sample.image.transpose(2, 0, 1)[None].astype(np.float32), padded(np.asarray(image), STRIDE))
    assert np.array_equal(np.concatenate([sample.heatmaps, sample.pafs]), np.asarray(maps).astype(np.float32))
    assert sample.mask.shape == sample.heatmaps.shape[1:] and sample.mask.min() == 1.0


def test_larger_scales_are_drawn_more_often_but_not_by_their_area(tmp_path: Path) -> None:
    small, large = stored(tmp_path, (32, 40), 0), stored(tmp_path, (64, 80), 1)
    samples = TeacherSamples(TargetIndex(((small, large),)), SPEC, Augmentation.none(), (16, 16))
    of_large = set(map(tuple, np.asarray(large.load()[1])[:3].reshape(3, -1).T.tolist()))
    drawn = [
        tuple(samples.sample(0, np.random.default_rng(seed)).heatmaps[:3, 0, 0].tolist()) in of_large
        for seed in range(500)
    ]
    assert np.mean(drawn) == pytest.approx(2 / 3, abs=0.06)


def test_cv2_moves_by_whole_pixels_exactly() -> None:
    """What makes a crop of the picture a copy; a build of OpenCV that rounds otherwise would be found here."""
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    moved = cv2.warpAffine(image, np.array([[1.0, 0, -7], [0, 1, -5]]), (40, 30), flags=cv2.INTER_LINEAR)
    assert np.array_equal(moved, image[5:35, 7:47])


def test_nothing_is_learnt_beside_an_edge_at_which_the_frame_was_cut() -> None:
    """The crop's upper left corner is the frame's: cut below and to the right alone."""
    warp = Warp(np.array([[1.0, 0, 0], [0, 1, 0]]), (32, 48))
    mask = learnable(warp, (64, 64), (4, 6), 1)
    expected = np.ones((4, 6))
    expected[-1], expected[:, -1] = 0, 0
    np.testing.assert_array_equal(mask, expected)


def test_a_whole_frame_is_learnt_to_its_edges() -> None:
    warp = Warp(np.array([[1.0, 0, 3], [0, 1, 0]]), (32, 48))
    assert learnable(warp, (32, 40), (4, 6), 2).min() == 1


def test_a_crop_from_the_middle_loses_a_strip_all_around() -> None:
    warp = Warp(np.array([[-1.0, 0, 80], [0, 1, -16]]), (48, 48), mirrored=True)
    mask = learnable(warp, (200, 200), (6, 6), 2)
    assert mask.sum() == mask[2:4, 2:4].sum() == 4


def test_a_frame_that_shows_little_counts_more_the_more_even_frames_are() -> None:
    mean = Energies(joints=0.02, background=1.0, pafs=0.05)
    quarter = np.array([0.005, 1.0, 0.0125])
    assert FrameBalance(mean, 1.0).weight(quarter) == pytest.approx(4.0)
    assert FrameBalance(mean, 0.5).weight(quarter) == pytest.approx(2.0)
    assert FrameBalance(mean, 1.0).weight(np.zeros(3)) == 30.0
    assert FrameBalance(mean, 1.0).weight(4 * quarter) == pytest.approx(1.0)


def test_the_weight_of_a_frame_is_on_its_cells(tmp_path: Path) -> None:
    entry = stored(tmp_path, (32, 40))
    heat = SPEC.skeleton.heatmap_channels
    joints, background, pafs = entry.energies(heat - 1)
    plain = TeacherSamples(TargetIndex(((entry,),)), SPEC, Augmentation.none(), (16, 16))
    # Everywhere four times what this frame shows: its cells count 4 ** 0.5 times.
    even = replace(plain, balance=FrameBalance(Energies(4 * joints, background, 4 * pafs), 0.5))
    masks = [samples.sample(0, np.random.default_rng(1)).mask for samples in (plain, even)]
    assert np.allclose(masks[1], 2 * masks[0], rtol=1e-5)
    assert masks[0].max() == 1.0
