"""What views are learnt from: people who are found once, answers that belong to the pixels, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from training_jobs import one_thread, student, tiny_schedule, train
from training_targets import tiny_teacher
from training_views import SMALL, script, somebody, view_targets

from compress.common.display import shown
from compress.training.augmentation import Warp
from compress.training.batches import Batch
from compress.training.crops import FrameBalance
from compress.training.ensemble import TeacherEnsemble, unmirrored
from compress.training.job import TrainingJob
from compress.training.losses import Energies, LossSettings
from compress.training.reparameterization import Reparameterization
from compress.training.target_cache import mean_squares
from compress.training.view_answers import TeacherAnswers
from compress.training.view_settings import Ensemble
from teachers.common.errors import UserError


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)


def test_one_pass_is_the_teacher_and_two_are_their_mean() -> None:
    teacher, images = tiny_teacher(), torch.rand(2, 3, 32, 48) * 255
    alone = TeacherEnsemble(teacher, Ensemble())(images)
    assert torch.allclose(alone.heatmaps, teacher(images).heatmaps, rtol=1e-3, atol=1e-3)
    large = torch.nn.functional.interpolate(images, size=(64, 96), mode="bicubic", antialias=True).clamp(0, 255)
    small = torch.nn.functional.interpolate(
        teacher(large).pafs, size=alone.pafs.shape[2:], mode="bilinear", antialias=True
    )
    both = TeacherEnsemble(teacher, Ensemble(heights=(32, 64)))(images)
    assert torch.allclose(both.pafs, (alone.pafs + small) / 2, rtol=1e-3, atol=1e-3)


def test_a_mirrored_answer_comes_back_as_the_geometry_has_it() -> None:
    spec = tiny_teacher().spec
    maps = torch.rand(1, spec.skeleton.heatmap_channels + spec.skeleton.paf_channels, 4, 6)
    height, width = 4 * spec.stride, 6 * spec.stride
    warp = Warp(np.array([[-1.0, 0, width - 1], [0, 1, 0]]), (height, width), mirrored=True)
    assert np.allclose(
        unmirrored(maps, spec.skeleton)[0].numpy(), warp.maps(maps[0].numpy(), spec.skeleton, spec.stride)
    )


def test_people_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = script(monkeypatch)
    view_targets(tmp_path)[1].prepare()
    assert len(looks) == 6  # four photographs to learn from, two held out
    targets = view_targets(tmp_path)[1]
    targets.prepare()
    assert len(looks) == 6
    targets.photos[0].file.write_bytes(b"")
    targets.photos[1].file.unlink()
    view_targets(tmp_path)[1].prepare()
    assert len(looks) == 7


def test_photographs_without_people_are_told_and_all_of_them_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[int] = []
    script(monkeypatch, lambda image: somebody(image) if len(seen) % 2 else seen.append(1) or [])
    with shown():
        targets = view_targets(tmp_path)[1]
        assert {bool(photo.people) for photo in targets.photos} == {True, False}
    assert "no person is found in 1 of 4 photographs" in capsys.readouterr().err
    script(monkeypatch, lambda image: [])
    with pytest.raises(UserError, match="finds no person in any"):
        view_targets(tmp_path, views=SMALL.model_copy(update={"find_scale": 0.5}))[1].prepare()


def test_stored_answers_are_those_to_the_same_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    targets = view_targets(tmp_path, teacher="cached", stored_views=12)[1]
    samples = targets.samples(4)
    assert len(samples) == 12 and targets.answers(None) is None
    for index in (0, 7, 11):
        found = samples.sample(index, np.random.default_rng(0))
        image = torch.from_numpy(found.image.transpose(2, 0, 1).copy())[None].float()
        assert np.allclose(found.heatmaps, targets.ensemble(image).heatmaps[0], rtol=2**-10, atol=1e-3)


def test_a_store_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    targets = view_targets(tmp_path, teacher="cached", stored_views=12)[1]
    store = targets.samples(4).store
    assert store is not None
    files = sorted(store.folder.glob("*.npy"))
    assert len(files) == 3
    before = [file.read_bytes() for file in files]
    files[1].write_bytes(before[1][:100])
    files[2].unlink()
    asked: list[int] = []
    monkeypatch.setattr(type(targets), "_answers", lambda *given: asked.append(given[2]) or np.load(files[0]))
    targets.samples(4)
    assert asked == [1, 2] and files[0].read_bytes() == before[0]


def test_answers_that_would_not_fit_are_refused_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    targets = view_targets(tmp_path, teacher="cached", stored_views=1_000_000, cache_gib=0.01)[1]
    with pytest.raises(UserError, match="a smaller stored_views"):
        targets.samples(4)
    sizes = view_targets(tmp_path, views={"sizes": [[61, 48]], "frame_size": [48, 64]})[1]
    with pytest.raises(UserError, match="multiples of"):
        sizes.prepare()


@pytest.mark.parametrize("teacher", ["online", "cached"])
def test_a_student_learns_from_views(teacher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    targets, views = view_targets(tmp_path, teacher=teacher, stored_views=24)
    schedule = tiny_schedule(steps=60, learning_rate=0.03, validate_every=20)
    job = TrainingJob(
        network=student(),
        samples=views.samples(schedule.batch_size, targets.frame_balance(0.5)),
        held_out=targets.held_out,
        energies=targets.energies,
        schedule=schedule,
        loss=LossSettings(),
        reparameterization=Reparameterization(),
        seed=0,
        ship_stages=2,
        answers=targets.answers(0.5),
    )
    facts = train(job, tmp_path / "training").facts
    assert facts["best"]["score"] < 0.9 * facts["before"]["score"]
    assert len(targets.held_out) == 2 * 3  # two photographs: two sizes of windows, whole frames


def test_views_that_are_answered_online_count_as_stored_ones_do() -> None:
    """One formula, on the device for a batch and in numpy for a sample."""
    teacher, images = tiny_teacher(), torch.rand(3, 3, 32, 48) * torch.tensor([20.0, 120.0, 255.0])[:, None, None, None]
    joints = len(teacher.spec.skeleton.keypoints)
    balance = FrameBalance(Energies(0.02, 0.5, 0.01), exponent=0.5)
    maps = TeacherEnsemble(teacher, Ensemble())(images)
    stacked = torch.cat((maps.heatmaps, maps.pafs), 1).numpy()
    mask = torch.ones(3, *maps.heatmaps.shape[2:])
    batch = Batch(images, maps.heatmaps * 0, maps.pafs * 0, mask)
    online = TeacherAnswers(TeacherEnsemble(teacher, Ensemble()), balance)(batch).mask[:, 0, 0].numpy()
    stored = [balance.weight(mean_squares(one, joints)) for one in stacked]
    np.testing.assert_allclose(online, stored, rtol=1e-4)
    assert len(set(stored)) == 3 and max(stored) < balance.most
