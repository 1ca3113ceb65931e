"""Packed photographs: one file that travels, its people with it, and what is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from compress_tiny_run import make_photos
from training_jobs import one_thread
from training_targets import tiny_teacher
from training_views import script, view_targets

from compress.cli.main import run_command
from compress.training.frames import DataPart
from compress.training.photo_pack import pack_photos
from eval.frame_pack import open_pack, write_pack
from eval.frames import Frame, draw_sample, open_source
from eval.roi_window import Box
from teachers.checkpoint import save_model
from teachers.common.errors import UserError


def jpeg(value: int) -> bytes:
    return cv2.imencode(".jpg", np.full((24, 32, 3), value, np.uint8))[1].tobytes()


def test_what_was_packed_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "photos.npz"
    box = Box(10.0, 12.5, 4.0, 8.0)
    write_pack(path, [("a.jpg", jpeg(20), [box, box]), ("b.jpg", jpeg(200), [])], "photos-1")
    source = open_source(str(path))
    assert source.names() == ["a.jpg", "b.jpg"] and source.fingerprint(0) != source.fingerprint(1)
    means = [frame.image.mean() for _, frame in source.read([0, 1]) if isinstance(frame, Frame)]
    assert means == pytest.approx([20, 200], abs=2) and draw_sample(source, 5, 0).indices == (0, 1)
    pack = open_pack(path)
    assert pack.people(0, "photos-1") == (box, box) and pack.people(1, "photos-1") == ()
    assert pack.people(0, "photos-2") is None, "found by another teacher"


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_damaged_file_is_told(tmp_path: Path, share: float) -> None:
    path = tmp_path / "photos.npz"
    write_pack(path, [("a.jpg", jpeg(20), [])], "photos-1")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match="no file of packed photographs"):
        open_source(str(path))


def test_arrays_that_do_not_fit_together_are_told(tmp_path: Path) -> None:
    parts = {
        "data": np.zeros(4, np.uint8),
        "names": np.array(["a"]),
        "people": np.zeros((0, 5)),
        "found_by": np.array(""),
    }
    np.savez(tmp_path / "a.npz", ends=np.array([9]), **parts)
    with pytest.raises(UserError, match="do not fit together"):
        open_pack(tmp_path / "a.npz")


def test_people_travel_with_their_photographs_and_nobody_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_thread(monkeypatch)
    looks = script(monkeypatch)
    _, views = view_targets(tmp_path)
    packed = tmp_path / "photos.npz"
    views.pack(packed)
    assert len(looks) == 6
    there, found = view_targets(tmp_path, data=(DataPart(source=str(packed)),))
    assert len(found.photos) == 4 and all(photo.people for photo in found.photos) and len(looks) == 6
    assert there.views is found


def test_photographs_shrink_until_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch)
    _, views = view_targets(tmp_path)
    size, longest = pack_photos(tmp_path / "a.npz", views.photos, "x")
    assert longest == 1024 and size < 50_000_000
    with pytest.raises(UserError, match="even at a longest side of 256; fewer of them"):
        pack_photos(tmp_path / "b.npz", views.photos, "x", most=500)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from conftest import LICENCE

    one_thread(monkeypatch)
    script(monkeypatch)
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path / "cache"))
    save_model(tmp_path / "model", tiny_teacher(), LICENCE)
    photos = make_photos(tmp_path / "photos", 4)
    recipe = tmp_path / "r.yaml"
    views = "{sizes: [[64, 48]], frame_size: [48, 64], find_scale: 0.25}"
    recipe.write_text(
        f"teacher: {tmp_path / 'model'}\ndata: {{source: {photos}, images: 1}}\nscales: [0.25]\n"
        f"training: {{data: [{{source: {photos}}}], val_frames: 1, teacher: online, views: {views}}}\n"
        "candidates: [{name: a, steps: [{step: distill, schedule: {steps: 1, batch_size: 1}}]}]\n"
        "measure: {latency: false, memory: false}\nobjectives: [params]\n"
    )
    assert run_command(["pack-photos", str(recipe), "--out", str(tmp_path / "p.npz")]) == 0
    assert "a source of training.data" in capsys.readouterr().out and len(open_pack(tmp_path / "p.npz").titles) == 4
    assert run_command(["pack-photos", str(recipe), "--out", str(tmp_path / "p.zip")]) == 2
