"""Input sizes, padding, averaging over scales and the L2 that everything is judged by."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.maps import PAD_VALUE, average_scales, difference, input_size, prepare
from teachers.posenet import Maps

sides = st.integers(16, 4000)
scales = st.floats(0.1, 4.0)


def test_the_sample_videos_sizes_are_the_documented_ones() -> None:
    found = {scale: input_size((994, 1768), scale, 8) for scale in (0.5, 1.0, 1.5, 2.0)}
    assert {scale: size.padded_hw for scale, size in found.items()} == {
        0.5: (184, 328),
        1.0: (368, 656),
        1.5: (552, 984),
        2.0: (736, 1312),
    }
    assert found[1.0].content_hw == (368, 655)


@given(sides, sides, scales)
def test_inputs_are_multiples_of_the_stride_and_hold_the_image(height: int, width: int, scale: float) -> None:
    size = input_size((height, width), scale, 8)
    for content, padded in zip(size.content_hw, size.padded_hw, strict=True):
        assert padded % 8 == 0
        assert content <= padded < content + 8
    assert size.content_hw[0] == round(368 * scale)


def test_padding_is_128_at_the_right_and_bottom() -> None:
    image = np.full((100, 177, 3), 7, dtype=np.uint8)
    pixels = prepare(image, 0.51, 8)
    rows, columns = input_size((100, 177), 0.51, 8).content_hw
    assert pixels.dtype == np.float32
    assert np.all(pixels[:, :, :rows, :columns] == 7)
    assert pixels[:, :, rows:].size
    assert np.all(pixels[:, :, rows:] == PAD_VALUE)
    assert np.all(pixels[:, :, :, columns:] == PAD_VALUE)


def test_channels_stay_bgr() -> None:
    image = np.zeros((368, 368, 3), dtype=np.uint8)
    image[:, :, 0] = 255
    assert prepare(image, 1.0, 8)[0].mean(axis=(1, 2)).tolist() == [255, 0, 0]


def test_one_scale_averages_to_itself() -> None:
    maps = torch.rand(1, 5, 46, 82)
    assert torch.equal(average_scales([maps], (994, 1768), [1.0], 8), maps)


def test_constant_maps_average_to_their_mean() -> None:
    chosen = (0.5, 1.0, 2.0)
    grids = [tuple(side // 8 for side in input_size((994, 1768), scale, 8).padded_hw) for scale in chosen]
    maps = [torch.full((1, 2, *grid), float(value)) for grid, value in zip(grids, (1, 2, 6), strict=True)]
    torch.testing.assert_close(average_scales(maps, (994, 1768), chosen, 8), torch.full((1, 2, 46, 82), 3.0))


def test_a_bump_stays_where_it_is_when_scales_are_averaged() -> None:
    chosen = (0.5, 1.0, 1.5, 2.0)
    maps = []
    for scale in chosen:
        rows, columns = input_size((994, 1768), scale, 8).grid_hw(8)
        y = (torch.arange(rows) + 0.5) / rows
        x = (torch.arange(columns) + 0.5) / columns
        maps.append(torch.exp(-((y[:, None] - 0.3) ** 2 + (x[None] - 0.6) ** 2) / 0.01)[None, None])
    averaged = average_scales(maps, (994, 1768), chosen, 8)[0, 0]
    peak = np.unravel_index(int(averaged.argmax()), averaged.shape)
    assert abs((peak[0] + 0.5) / 46 - 0.3) < 0.02
    assert abs((peak[1] + 0.5) / 82 - 0.6) < 0.02


def test_differences_are_norms_over_all_elements() -> None:
    teacher = Maps(torch.ones(1, 3, 2, 2), torch.full((1, 4, 2, 2), 2.0))
    ours = Maps(torch.ones(1, 3, 2, 2), torch.full((1, 4, 2, 2), 3.0))
    ours.heatmaps[:, -1] += 2  # the background alone
    found = difference(ours, teacher)
    assert found.heat_l2 == pytest.approx(4.0)
    assert found.heat_rel_l2 == pytest.approx(4.0 / np.sqrt(12))
    assert found.joint_rel_l2 == 0.0
    assert found.paf_l2 == pytest.approx(4.0)
    assert found.paf_rel_l2 == pytest.approx(0.5)


def test_a_dead_teacher_is_refused() -> None:
    dead = Maps(torch.zeros(1, 3, 2, 2), torch.zeros(1, 4, 2, 2))
    with pytest.raises(ValueError, match="all zero"):
        difference(dead, dead)
