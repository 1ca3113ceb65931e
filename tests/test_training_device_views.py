"""Views made on the device, here on a CPU by the same code: geometry, determinism, wear, and a training that learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LICENCE
from pydantic import ValidationError
from training_jobs import PLAIN, one_thread, same, student, tiny_schedule, weights
from training_views import SMALL, script, view_targets

from compress.common.progress import Reporter
from compress.training.batches import Order
from compress.training.device_photos import DevicePhotos
from compress.training.device_views import DeviceViews, sampled
from compress.training.device_wear import compressed, worn
from compress.training.frames import TrainingPlan
from compress.training.job import TrainingJob
from compress.training.loop import Trainer
from compress.training.losses import LossSettings
from compress.training.view_pixels import Placement, cut_view
from compress.training.view_settings import ViewAugmentation, Views

CPU = torch.device("cpu")
OFF = ViewAugmentation.mild().model_copy(update={"scale": (1.0, 1.0), "translation": 0.0})
ON = SMALL.model_copy(update={"on_device": True})


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)
    script(monkeypatch)


def device_views(folder: Path, views: Views = ON, batch: int = 4) -> DeviceViews:
    targets, _ = view_targets(folder, views=views)
    assert targets.views is not None
    found = targets.views.samples(batch)
    assert isinstance(found, DeviceViews)
    return replace(found, photos=DevicePhotos.of(targets.views.photos, CPU, side=160))


def test_a_batch_follows_from_the_seed_and_its_step(tmp_path: Path) -> None:
    views, again = device_views(tmp_path), device_views(tmp_path)
    batch = views.batch(7)
    assert torch.equal(batch.images, again.batch(7).images) and not torch.equal(
        batch.images.float().mean((1, 2, 3)), views.batch(9).images.float().mean((1, 2, 3))
    )
    assert batch.images.dtype == torch.uint8 and batch.heatmaps.shape[1] == 0 and bool((batch.mask == 1).all())
    shapes = {tuple(views.batch(step).images.shape) for step in range(24)}
    assert shapes == {(4, 3, 64, 48), (4, 3, 48, 32), (4, 3, 48, 64)}
    halves = [Order(views, 4, 0, rank, 2).batch_of(7, 0).images for rank in (0, 1)]
    assert torch.equal(halves[0], batch.images[::2]) and torch.equal(halves[1], batch.images[1::2])


@pytest.mark.parametrize("scale", [0.2, 0.45, 0.9, 1.7])  # each copy of a photograph, and enlarged
def test_a_cut_is_that_of_the_cpu(tmp_path: Path, scale: float) -> None:
    _, views = view_targets(tmp_path)
    photos = DevicePhotos.of(views.photos, CPU, side=160)
    angle, size = 0.3, (64, 48)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.concatenate([linear, (np.array([24, 32]) - linear @ (80, 60))[:, None]], 1)
    found, inside = sampled(photos, torch.tensor([1]), torch.from_numpy(matrix)[None].float(), size)
    theirs = cut_view(views.photos[1].read(), Placement(matrix, size)).astype(float)
    ours = found[0].permute(1, 2, 0).numpy()
    middle = inside[0].numpy()
    # Far below half size the photographs of noise have nothing left that two ways of averaging agree on.
    apart, alike = (14, 0.85) if scale < 0.3 else (8, 0.97)
    assert middle.any() and np.abs(ours - theirs)[middle].mean() < apart
    away = ~inside[0].numpy()
    assert scale > 0.4 or (away.any() and np.abs(ours[away] - 128).mean() < 8)
    assert np.corrcoef(ours[middle].ravel(), theirs[middle].ravel())[0, 1] > alike


def test_switched_off_nothing_is_worn_and_each_kind_changes_pixels() -> None:
    views = torch.rand(3, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 255
    assert torch.equal(worn(views, OFF, torch.Generator().manual_seed(1)), views)
    for kind in ("blur", "motion_blur", "jpeg", "cutout"):
        changed = worn(views, OFF.model_copy(update={kind: 1.0}), torch.Generator().manual_seed(1))
        assert changed.shape == views.shape and all(
            (one != other).any() for one, other in zip(changed, views, strict=True)
        )
        assert changed.min() >= 0 and changed.max() <= 255


def test_a_flat_view_stays_flat_under_jpeg_and_blur() -> None:
    flat = torch.full((2, 3, 16, 24), 96.0)
    assert (compressed(flat, torch.tensor([30.0, 90.0])) - flat).abs().max() < 4
    noisy = torch.rand(1, 3, 16, 24) * 255
    coarse, fine = (float((compressed(noisy, torch.tensor([q])) - noisy).abs().mean()) for q in (30.0, 90.0))
    assert fine < 0.5 * coarse
    blurred = worn(flat, OFF.model_copy(update={"blur": 1.0, "motion_blur": 1.0}), torch.Generator().manual_seed(0))
    assert (blurred - flat).abs().max() < 0.01


def test_a_training_learns_from_them_and_goes_on_as_it_would_have(tmp_path: Path) -> None:
    targets, found = view_targets(tmp_path, views=ON)
    schedule = tiny_schedule(steps=4, validate_every=4)
    job = TrainingJob(
        network=student(), samples=device_views(tmp_path), held_out=targets.held_out[:1], energies=targets.energies,
        schedule=schedule, loss=LossSettings(), reparameterization=PLAIN, seed=0, ship_stages=2,
        answers=targets.answers(0.0), licence=LICENCE,
    )  # fmt: skip
    assert found.mode == "online"
    one, two = (weights(Trainer(job, tmp_path / name, Reporter()).run()) for name in "ab")
    assert same(one, two) and not same(one, student().state_dict())


def test_stored_answers_do_not_go_with_it_and_old_recipes_keep_their_text() -> None:
    with pytest.raises(ValidationError, match="stored answers are to pixels that OpenCV makes"):
        TrainingPlan.model_validate({"data": [{"source": "a"}], "views": {"on_device": True}, "teacher": "cached"})
    assert "on_device" not in Views().model_dump(mode="json") and ON.model_dump(mode="json")["on_device"] is True
    assert not {"cwd", "pkd"} & LossSettings().model_dump(mode="json").keys()
    assert LossSettings(cwd=2.0).model_dump(mode="json")["cwd"] == 2.0
