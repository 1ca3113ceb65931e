"""MODEL in all its forms, which one is the default, and compress predict."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from compress_made_up import measured, record
from conftest import LICENCE, tiny_spec
from kinematic_videos import HW, KnownPeople, even_times, grey_video, model_of, nobody, walker

from compress.cli.main import run_command
from compress.export.onnx_export import cut_at_stage, export_all_stages, save_artefact
from compress.measure.kinematics import Kinematics
from compress.results.records import Record, append_record
from compress.run.model_lookup import default_model, open_model
from eval.people_json import read_people
from teachers.checkpoint import save_model
from teachers.common.errors import UserError
from teachers.posenet import PoseNet
from teachers.skeleton import COCO_18

Said = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate's folder as a run leaves it."""
    torch.manual_seed(0)
    network = PoseNet(tiny_spec(2)).eval()
    folder = tmp_path_factory.mktemp("runs") / "candidates" / "stages-2"
    save_model(folder, network, LICENCE)
    save_artefact(cut_at_stage(export_all_stages(network), 2), network, LICENCE, folder / "model.onnx")
    return folder


def write_image(path: Path, hw: tuple[int, int] = HW) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (*hw, 3), np.uint8))
    return path


def test_a_folder_and_its_artefact_are_the_same_model(candidate: Path) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 80)).astype(np.float32)
    by_folder, by_file = open_model(str(candidate), 1), open_model(str(candidate / "model.onnx"), 1)
    assert (by_folder.name, by_folder.kind, by_file.name, by_file.kind) == ("stages-2", "folder", "model.onnx", "onnx")
    assert by_folder.spec == by_file.spec == tiny_spec(2) and by_folder.licence == by_file.licence == LICENCE
    for ours, theirs in zip(by_folder.session.run(image), by_file.session.run(image), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    facts = json.dumps(by_folder.facts())
    assert str(candidate.parent.parent) not in facts and '"stages": 2' in facts


def test_a_folder_with_weights_alone_is_exported_once(
    candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "imported"
    folder.mkdir()
    for name in ("spec.json", "weights.safetensors"):
        (folder / name).write_bytes((candidate / name).read_bytes())
    first = open_model(str(folder), 1)
    written = first.artefact.stat().st_mtime_ns
    again = open_model(str(folder), 1)
    assert again.artefact == first.artefact and again.artefact.stat().st_mtime_ns == written
    assert first.artefact.parent == tmp_path / "cache" / "artefacts"
    assert [path.name for path in first.artefact.parent.iterdir()] == [first.artefact.name]
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 80)).astype(np.float32)
    expected = open_model(str(candidate), 1).session.run(image)
    np.testing.assert_allclose(first.session.run(image)[0], expected[0], atol=1e-5)


def test_what_is_no_model_is_answered_with_what_would_do(
    candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").touch()
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    foreign = onnx.load_model(candidate / "model.onnx")
    del foreign.metadata_props[:]
    onnx.save_model(foreign, tmp_path / "foreign.onnx")
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "model.onnx").write_bytes((candidate / "model.onnx").read_bytes())
    (mixed / "spec.json").write_text(tiny_spec(3).to_json(), encoding="utf-8")
    said = {
        "openpose-mobilnet-thin": "did you mean openpose-mobilenet-thin",
        "missing.onnx": "there is no such file",
        "empty": "holds no spec.json",
        "a.txt": "this is another file",
        "junk.onnx": "not a whole ONNX file",
        "foreign.onnx": "was not made by us",
        "mixed": "two different networks",
        str(candidate.parent.parent): f"give one of: {candidate}",
    }
    for text, expected in said.items():
        with pytest.raises(UserError, match=r".") as error:
            open_model(text, 1)
        assert expected in str(error.value)
    assert len(said) == 8


def angles(tier: str | None) -> Kinematics:
    numbers = dict.fromkeys(("fps", "oks", "people_recall", "median_deg", "p95_deg", "rmse_deg", "error_over_noise"))
    return Kinematics(
        clip="made up", frames=9, tracks=1, velocity_rmse_deg_s=None, tier=tier, tier_reasons=(), joints={},
        conditions={}, **numbers,
    )  # fmt: skip


def leave_run(run: Path, tiers: dict[int, str | None], seconds: float) -> None:
    """A run whose candidates with so many stages are good for so much; fewer stages are faster."""
    records: list[Record] = [record("teacher", measured(6).replaced(angles("transparent")))]
    records[0] = records[0].model_copy(update={"role": "teacher"})
    for stages, tier in tiers.items():
        name = f"stages-{stages}"
        records.append(record(name, measured(stages).replaced(*([angles(tier)] if tier else []))))
        (run / "candidates" / name).mkdir(parents=True)
        (run / "candidates" / name / "model.onnx").touch()
    run.mkdir(exist_ok=True)
    for one in records:
        append_record(run / "records.jsonl", one)
    os.utime(run / "records.jsonl", (seconds, seconds))


def test_the_default_is_the_fastest_that_is_good_enough_in_the_newest_run(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert default_model(runs).model == "openpose-mobilenet-thin" and "no run" in default_model(runs).reason
    leave_run(runs / "old", {5: "transparent"}, 1e9)
    assert default_model(runs).model == str(runs / "old" / "candidates" / "stages-5")
    leave_run(runs / "new", {5: "equivalent", 4: "usable with care", 3: "not for angles", 2: None}, 2e9)
    chosen = default_model(runs)
    assert chosen.model == str(runs / "new" / "candidates" / "stages-4") and "usable with care" in chosen.reason
    (runs / "new" / "candidates" / "stages-4" / "model.onnx").unlink()
    assert default_model(runs).model.endswith("stages-5")
    leave_run(runs / "none", {4: None, 3: "not for angles"}, 3e9)
    chosen = default_model(runs)
    assert chosen.model == "openpose-mobilenet-thin" and "no candidate of" in chosen.reason


def predict(monkeypatch: pytest.MonkeyPatch, folder: Path, session: KnownPeople, *words: str | Path) -> int:
    model = model_of(nobody, folder)
    object.__setattr__(model, "session", session)
    monkeypatch.setattr("compress.cli.predict.open_model", lambda *_: model)
    return run_command(["predict", "known", *map(str, words), "--out", str(folder / "out")])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_predict_writes_people_overlay_and_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    truth = walker(1)[0]
    image = write_image(tmp_path / "walk.png")
    assert predict(monkeypatch, tmp_path, KnownPeople(lambda _: [truth]), image, "--maps", "--scales", "1", "1.5") == 0
    assert names_in(tmp_path / "out") == ["walk_keypoints.json", "walk_maps.npz", "walk_overlay.png"]
    (person,) = read_people(tmp_path / "out" / "walk_keypoints.json")
    knee = COCO_18.index("right_knee")
    assert person.keypoints[knee, :2] == pytest.approx(truth[knee], abs=0.8)
    with np.load(tmp_path / "out" / "walk_maps.npz") as maps:
        assert sorted(maps) == ["heatmaps", "pafs", "scales"] and maps["scales"].tolist() == [1.0, 1.5]
        assert maps["heatmaps"].shape == (19, 46, 62) and maps["pafs"].shape == (38, 46, 62)
    overlay = cv2.imread(str(tmp_path / "out" / "walk_overlay.png"))
    assert overlay is not None and overlay.shape == (*HW, 3)
    assert (overlay != cv2.imread(str(image))).any()
    said = capsys.readouterr().out
    assert "walk: 1 person; network" in said and "decoding" in said


def test_images_of_one_name_do_not_overwrite_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [write_image(tmp_path / folder / "x.png") for folder in ("a", "b")]
    images.append(write_image(tmp_path / "a" / "x_2.png"))
    assert predict(monkeypatch, tmp_path, KnownPeople(nobody), *images) == 0
    names = [name for name in names_in(tmp_path / "out") if name.endswith("json")]
    assert names == ["x_2_2_keypoints.json", "x_2_keypoints.json", "x_keypoints.json"]


def test_folders_and_videos_are_images_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_image(tmp_path / "many" / "one.png").parent
    write_image(folder / "two.png")
    video = grey_video(tmp_path / "clip.mp4", even_times(3))
    session = KnownPeople(nobody)
    assert predict(monkeypatch, tmp_path, session, folder, video) == 0
    assert session.calls == 3  # of a video the first frame
    names = [name.removesuffix("_keypoints.json") for name in names_in(tmp_path / "out") if name.endswith("json")]
    assert names == ["clip_frame_000000", "one", "two"]


@pytest.mark.parametrize(("words", "code"), [(["good.png", "bad.png", "gone.png"], 1), (["bad.png", "gone.png"], 2)])
def test_unreadable_images_are_named_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, words: Sequence[str], code: int
) -> None:
    write_image(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG junk")
    assert predict(monkeypatch, tmp_path, KnownPeople(nobody), *(tmp_path / word for word in words)) == code
    said = capsys.readouterr().err
    assert "warning: bad: " in said and "no such file" in said
    assert ("none of the images" in said) == (code == 2)
    assert (tmp_path / "out" / "good_keypoints.json").exists() == (code == 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scales", "0"], "--scales: must lie between 0.1 and 10, got 0"),
        (["--threads", "0"], "between 1 and 512"),
        (["--threads", "1000000"], "between 1 and 512"),
        (["--out", "FILE"], "cannot be written"),
    ],
)
def test_calls_that_cannot_be_end_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, words: list[str], said: str
) -> None:
    image = write_image(tmp_path / "x.png")
    (tmp_path / "out").touch() if "FILE" in words else None
    words = [] if "FILE" in words else words
    assert predict(monkeypatch, tmp_path, KnownPeople(nobody), image, *words) == 2
    assert said in capsys.readouterr().err


def test_the_whole_command_with_a_real_artefact(candidate: Path, tmp_path: Path, capsys: Said) -> None:
    image = write_image(tmp_path / "noise.png")
    assert run_command(["predict", str(candidate), str(image), "--out", str(tmp_path / "out"), "--threads", "1"]) == 0
    assert names_in(tmp_path / "out") == ["noise_keypoints.json", "noise_overlay.png"]
    assert "people" in capsys.readouterr().out
    assert run_command(["predict", "openpose-mobilnet-thin", str(image), "--out", str(tmp_path / "out")]) == 2
    assert "did you mean openpose-mobilenet-thin" in capsys.readouterr().err
