"""Maps of windows laid back into the frame: places, overlaps, and background where no window was."""

import numpy as np
import pytest
from numpy.typing import NDArray

from eval.maps import input_size
from eval.roi_look import Look
from eval.roi_maps import lay_back
from eval.roi_window import Window

HW = (368, 656)
HEAT, PAF, STRIDE = 3, 4, 8
ROWS, COLUMNS = input_size(HW, 1.0, STRIDE).grid_hw(STRIDE)


def look(window: Window, heat: NDArray[np.float32], pafs: NDArray[np.float32]) -> Look:
    return Look(window, [], heat, pafs, 0.0, 0.0, 0.0)


def constant(window: Window, joint: float, paf: tuple[float, float]) -> Look:
    cells = (window.height // STRIDE, window.width // STRIDE)
    heat = np.stack([np.full(cells, joint), np.zeros(cells), np.full(cells, 1 - joint)]).astype(np.float32)
    pafs = np.stack([np.full(cells, paf[0]), np.full(cells, paf[1]), np.zeros(cells), np.zeros(cells)])
    return look(window, heat, pafs.astype(np.float32))


def test_without_windows_all_is_background() -> None:
    maps = lay_back([], HW, (HEAT, PAF), STRIDE)
    assert maps.shape == (1, HEAT + PAF, ROWS, COLUMNS)
    assert (maps[0, HEAT - 1] == 1).all() and not maps[0, : HEAT - 1].any() and not maps[0, HEAT:].any()


def test_a_window_on_cells_of_the_grid_keeps_its_values() -> None:
    random = np.random.default_rng(0)
    window = Window(left=10 * STRIDE, top=5 * STRIDE, width=16 * STRIDE, height=24 * STRIDE)
    heat = random.uniform(0, 1, (HEAT, 24, 16)).astype(np.float32)
    pafs = random.uniform(-1, 1, (PAF, 24, 16)).astype(np.float32)
    maps = lay_back([look(window, heat, pafs)], HW, (HEAT, PAF), STRIDE)[0]
    np.testing.assert_allclose(maps[: HEAT - 1, 5:29, 10:26], heat[:-1], atol=1e-6)
    np.testing.assert_allclose(maps[HEAT:, 5:29, 10:26], pafs, atol=1e-6)
    maps[: HEAT - 1, 5:29, 10:26] = 0
    assert not maps[: HEAT - 1].any()


@pytest.mark.parametrize("factor", [0.5, 1.3, 2.7])
def test_a_ramp_over_the_frame_stays_the_same_ramp(factor: float) -> None:
    """Windows of any size: cell (i, j) of their maps is centred at the pixel that `Window` says."""
    rows, columns = 24, 16
    height, width = round(rows * STRIDE * factor), round(columns * STRIDE * factor)
    window = Window(left=101, top=37, width=width, height=height)
    x = window.left + (np.arange(columns) + 0.5) * width / columns - 0.5
    y = window.top + (np.arange(rows) + 0.5) * height / rows - 0.5
    heat = np.zeros((HEAT, rows, columns), np.float32)
    heat[0], heat[1] = x[None, :] / HW[1], y[:, None] / HW[0]
    maps = lay_back([look(window, heat, np.zeros((PAF, rows, columns), np.float32))], HW, (HEAT, PAF), STRIDE)[0]
    inside = np.argwhere(maps[0] > 0)
    assert len(inside) > 20
    # Half a cell from the border on, where interpolation has neighbours on both sides.
    reach = max(STRIDE, STRIDE * factor)
    checked = 0
    for row, column in inside:
        px, py = (column + 0.5) * STRIDE - 0.5, (row + 0.5) * STRIDE - 0.5
        if (
            window.left + reach < px < window.left + width - reach
            and window.top + reach < py < window.top + height - reach
        ):
            assert maps[0, row, column] * HW[1] == pytest.approx(px, abs=1e-2)
            assert maps[1, row, column] * HW[0] == pytest.approx(py, abs=1e-2)
            checked += 1
    assert checked > 5


def test_where_windows_overlap_the_largest_value_and_the_longer_vectors_stand() -> None:
    one = constant(Window(0, 0, 128, 192), 0.8, (0.1, 0.0))
    two = constant(Window(64, 0, 128, 192), 0.3, (0.0, -0.9))
    for looks in ([one, two], [two, one]):
        maps = lay_back(looks, HW, (HEAT, PAF), STRIDE)[0]
        np.testing.assert_allclose(maps[0, 4, [2, 10, 20]], [0.8, 0.8, 0.3], atol=1e-6)
        np.testing.assert_allclose(maps[HEAT - 1, 4, [2, 10, 20]], [0.2, 0.2, 0.7], atol=1e-6)
        np.testing.assert_allclose(maps[HEAT : HEAT + 2, 4, 10], [0.0, -0.9], atol=1e-6)


def test_what_lies_outside_the_frame_is_left_out() -> None:
    assert not lay_back([constant(Window(-400, 0, 128, 192), 0.8, (0, 0))], HW, (HEAT, PAF), STRIDE)[0, 0].any()
    maps = lay_back([constant(Window(600, 300, 128, 192), 0.8, (0, 0))], HW, (HEAT, PAF), STRIDE)[0]
    assert maps[0, -1, -1] == pytest.approx(0.8) and not maps[0, :30].any()
