"""Views: the geometry of one matrix, the same picture for the same number, and nothing changed that is switched off."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError
from training_views import SMALL, script, view_targets

from compress.training.batches import BatchSpec, Order
from compress.training.frames import TrainingPlan
from compress.training.view_pixels import around, cut_view, place, relit, streak, whole, worn
from compress.training.view_settings import ViewAugmentation, Views
from eval.maps import PAD_VALUE
from eval.roi_window import Box, cut, window_around

OFF = ViewAugmentation.mild().model_copy(update={"scale": (1.0, 1.0), "translation": 0.0})


def blob(x: float, y: float, sigma: float) -> np.ndarray:
    """(240, 320, 3): a spot on black."""
    rows, columns = np.mgrid[:240, :320]
    spot = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(spot).astype(np.uint8)[..., None], 3, axis=2)


def centre(view: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Where the spot lies: the mean of places within 12 pixels of `near`, weighted by brightness."""
    rows, columns = np.mgrid[: view.shape[0], : view.shape[1]]
    close = np.hypot(columns - near[0], rows - near[1]) < 12
    bright = np.where(close, view[..., 0].astype(float) ** 2, 0)
    return np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()


@pytest.mark.parametrize("height", [40, 90, 400])  # enlarged; about as it is; shrunk by areas
def test_a_spot_lands_where_the_matrix_says(height: int) -> None:
    rng, looked = np.random.default_rng(3), 0
    image = np.pad(blob(160, 120, height / 16), [(200, 200), (200, 200), (0, 0)])
    for _ in range(8):
        placement = place(
            around(Box(350, 315, height / 3, height / 1.4), 1.4, (128, 96)), (128, 96), ViewAugmentation(), rng
        )
        expected = placement.matrix @ (360.0, 320.0, 1.0)
        if (expected > 20).all() and (expected < (76, 108)).all():
            looked += 1
            assert np.abs(centre(cut_view(image, placement), expected) - expected).max() < 0.35
    assert looked >= 3


def test_switched_off_a_view_is_the_window_that_a_tracker_cuts() -> None:
    image = cv2.resize(np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8), (320, 240))
    box = Box(159.5, 119.5, 60, 128 / 1.4)
    placement = place(around(box, 1.4, (128, 96)), (128, 96), OFF, np.random.default_rng(0))
    theirs = cut(image, window_around(box, 1.4, (128, 96)), (128, 96))
    assert np.abs(cut_view(image, placement).astype(int) - theirs).mean() < 2


def test_a_whole_frame_shows_all_of_it() -> None:
    placement = place(whole((240, 320), (48, 96)), (48, 96), OFF, np.random.default_rng(0))
    corners = placement.matrix @ np.array([[0, 319], [0, 239], [1, 1]])
    assert corners.min() >= -0.5 and corners[0].max() <= 95.5 and corners[1].max() <= 47.5
    assert placement.scale == pytest.approx(0.2)


def test_light_leaves_the_outside_grey_and_nothing_is_done_that_is_off() -> None:
    image = blob(100, 100, 30)
    assert (relit(image, OFF, np.random.default_rng(0)) == image).all()
    assert (worn(image, OFF, np.random.default_rng(0)) == image).all()
    lit = relit(image, ViewAugmentation(brightness=0.5), np.random.default_rng(1))
    assert (lit != image).any()
    away = place(around(Box(-900, -900, 30, 60), 1.4, (64, 48)), (64, 48), OFF, np.random.default_rng(0))
    assert (cut_view(lit, away) == PAD_VALUE).all()


@pytest.mark.parametrize("kind", ["blur", "motion_blur", "jpeg", "cutout"])
def test_each_kind_of_wear_changes_pixels(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 3), dtype=np.uint8)
    changed = worn(image, OFF.model_copy(update={kind: 1.0}), np.random.default_rng(2))
    assert changed.shape == image.shape and changed.dtype == np.uint8 and (changed != image).any()


def test_a_streak_runs_along_its_line() -> None:
    flat, upright = streak(7, 0), streak(7, 90)
    assert flat.sum() == pytest.approx(1) and np.allclose(flat, upright.T)
    assert (flat.sum(axis=1) > 0).sum() == 1 and (flat.sum(axis=0) > 0).sum() >= 7


def test_a_view_follows_from_the_seed_and_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    samples = view_targets(tmp_path)[1].samples(4)
    order = Order(samples, 4, seed=0)
    later = order.batch_of(5, 0).images
    again = view_targets(tmp_path)[1].samples(4)
    assert (Order(again, 4, seed=0).batch_of(5, 0).images == later).all()
    halves = [Order(again, 4, 0, rank, 2).batch_of(5, 0).images for rank in (0, 1)]
    assert (halves[0] == later[::2]).all() and (halves[1] == later[1::2]).all()
    shapes = {tuple(order.batch_of(step, 0).images.shape) for step in range(24)}
    assert shapes == {(4, 3, 64, 48), (4, 3, 48, 32), (4, 3, 48, 64)}
    assert samples.dealt(7, BatchSpec(4, 1, 0)) == [28, 29, 30, 31]


def test_mixup_shows_two_views(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    often, never = (SMALL.model_copy(update={"augmentation": ViewAugmentation(mixup=share)}) for share in (1.0, 0.0))
    mixed, plain = view_targets(tmp_path, views=often), view_targets(tmp_path, views=never)
    one, other = (targets.samples(1).maker.image(3).astype(int) for _, targets in (mixed, plain))
    assert one.shape == other.shape and np.abs(one - other).max() > 0


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValidationError, match="must sum to 1"):
        Views(roi=0.8, frame=0.1)
    with pytest.raises(ValidationError, match="1 must lie between"):
        ViewAugmentation(scale=(1.1, 2.0))
    with pytest.raises(ValidationError, match="`views` is missing"):
        TrainingPlan.model_validate({"data": [{"source": "photos"}], "teacher": "online"})
