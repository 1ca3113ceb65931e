"""`compress teachers train`: a MODEL from labels, stopped and gone on with, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from compress_children import command_in_two
from conftest import LICENCE, tiny_spec
from training_labels import drawn_people

from compress.cli.main import run_command
from compress.core.candidate import content_id
from compress.teacher_training.checks import architecture_spec
from compress.training import loop
from compress.training.augmentation import Augmentation
from compress.training.labelled_data import HeldOut, LabelledCrops, WholeImages, open_labelled
from compress.training.samples import TrainingSample
from students.init import fresh_network
from teachers.checkpoint import load_model, save_model
from teachers.spec import InputSpec

Said = pytest.CaptureFixture[str]
RECIPE = """\
network: {architecture: spec.json}
labels: [train.json]
validation: {labels: val.json}
licence: CC0-1.0
schedule: {steps: 6, batch_size: 2, crop: [64, 64], validate_every: 2}
"""
TRAIN = ["teachers", "train", "x.yaml", "--out", "out"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a recipe, two label files, a spec."""
    monkeypatch.chdir(tmp_path)
    drawn_people(tmp_path / "train.json", 4)
    drawn_people(tmp_path / "val.json", 2, seed=1)
    (tmp_path / "x.yaml").write_text(RECIPE)
    (tmp_path / "spec.json").write_text(tiny_spec(2).to_json())
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")} - {".lock"}


def refused(words: list[str], capsys: Said) -> str:
    capsys.readouterr()
    assert run_command(words) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_the_folder_becomes_a_model_and_says_so_a_second_time(folder: Path, capsys: Said) -> None:
    assert run_command(TRAIN) == 0
    out = folder / "out"
    assert files(out) == {"spec.json", "weights.safetensors", "LICENCE.txt", "recipe.yaml", "training.json"}
    network, licence = load_model(out)
    assert network.spec == tiny_spec(2)
    assert (licence.name, licence.source) == ("CC0-1.0", "trained from scratch on train.json")
    assert "CC0-1.0" in (out / "LICENCE.txt").read_text()
    facts = json.loads((out / "training.json").read_text())
    assert facts["steps"] == 6 and facts["images"] == {"train": 4, "held_out": 2, "left_out": 0}
    assert [look["step"] for look in facts["validations"]] == [0, 2, 4, 6] and facts["losses"]
    before = {name: (out / name).stat().st_mtime_ns for name in ("weights.safetensors", "training.json")}
    capsys.readouterr()
    assert run_command(TRAIN) == 0
    said = capsys.readouterr().out
    assert "trained already" in said and "6 steps on 4 images" in said
    assert all((out / name).stat().st_mtime_ns == moment for name, moment in before.items())
    assert run_command(["predict", "out", "val/0.png", "--out", "found"]) == 0


def test_a_stopped_training_goes_on_to_the_same_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    assert run_command([*TRAIN[:-1], "whole"]) == 0
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    look, looks = loop.validate, []

    def interrupted(*given: object) -> object:
        looks.append(given)
        if len(looks) == 3:  # at step 4; the checkpoint is that of step 3
            raise KeyboardInterrupt
        return look(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "validate", interrupted)
    capsys.readouterr()
    assert run_command(TRAIN) == 130
    assert "stopped; the last checkpoint" in capsys.readouterr().err
    assert (folder / "out" / ".work" / loop.CHECKPOINT).is_file() and not (folder / "out" / "spec.json").exists()
    assert run_command(TRAIN) == 0
    assert "training: 3 of 6" in capsys.readouterr().err
    stopped, whole = (load_model(folder / name)[0] for name in ("out", "whole"))
    assert content_id(stopped) == content_id(whole)
    assert not (folder / "out" / ".work").exists()


@pytest.fixture
def begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A training that was stopped before its first step."""

    def stop(*given: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(loop, "validate", stop)
        assert run_command(TRAIN) == 130
    yield


@pytest.mark.usefixtures("begun")
def test_a_folder_of_another_training_is_left_alone(folder: Path, capsys: Said) -> None:
    assert "holds the run of another recipe" in refused([*TRAIN, "--set", "seed=1"], capsys)
    labels = (folder / "train.json").read_text()
    (folder / "train.json").write_text(labels.replace('"iscrowd": 0', '"iscrowd": 0, "mine": 1'))
    assert "other labels, images or weights" in refused(TRAIN, capsys)
    (folder / "train.json").write_text(labels)
    (folder / "train" / "0.png").unlink()
    assert "other labels, images or weights" in refused(TRAIN, capsys)
    assert run_command([*TRAIN, "--fresh"]) == 0
    assert json.loads((folder / "out" / "training.json").read_text())["images"]["left_out"] == 1


def test_folders_of_others_are_left_alone(folder: Path, capsys: Said) -> None:
    for name in ("records.jsonl", "photo.jpg"):
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / name).touch()
        said = refused([*TRAIN, "--fresh"], capsys)
        assert "another command's results" in said or "is not empty" in said
        assert files(folder / "out") == {name}
        (folder / "out" / name).unlink()


def test_a_run_never_goes_into_a_teachers_folder(folder: Path, capsys: Said) -> None:
    assert run_command(TRAIN) == 0
    (folder / "run.yaml").write_text(
        "teacher: out\ndata: {source: val}\ncandidates: [{name: a, steps: [{step: remove_stages, stages: 1}]}]\n"
    )
    before = files(folder / "out")
    said = refused(["run", "run.yaml", "--out", "out", "--fresh"], capsys)
    assert "weights.safetensors, so another command's results" in said and files(folder / "out") == before


def broken(content: dict[str, object], name: str) -> dict[str, object]:
    if name == "no keypoints":
        return {**content, "annotations": [{"image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9]}]}
    if name == "other names":
        return {**content, "categories": [{"id": 1, "name": "person", "keypoints": ["head", "tail"]}]}
    ours = [one for one in content["annotations"] if one["image_id"] == 0]
    return {**content, "images": [{"id": 0, "file_name": "gone.png"}], "annotations": ours}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no keypoints", r"train.json: has no keypoint labels"),
        ("other names", r"train.json: no category has COCO's 17 keypoints .*found person with 2: head, tail"),
        ("no images", r"train.json: 0 images with labelled people to learn from and 2 to hold out"),
    ],
)
def test_labels_that_teach_nothing_get_a_sentence(folder: Path, capsys: Said, name: str, message: str) -> None:
    content = json.loads((folder / "train.json").read_text())
    (folder / "train.json").write_text(json.dumps(broken(content, name)))
    said = refused(TRAIN, capsys)
    import re

    assert re.search(message, said), said
    assert not (folder / "out").exists(), "a refused call must leave nothing behind"


def test_weights_that_are_given_are_where_it_begins(folder: Path, capsys: Said) -> None:
    given = fresh_network(tiny_spec(2), 5)
    save_model(folder / "given", given, LICENCE)
    more = ["--set", "schedule.learning_rate=1e-9", "--set", "reparameterization.batch_norm=false"]
    (folder / "x.yaml").write_text(RECIPE.replace("architecture: spec.json", "from: given"))
    assert run_command([*TRAIN, *more]) == 0
    network, licence = load_model(folder / "out")
    for name, tensor in given.state_dict().items():
        assert np.allclose(network.state_dict()[name], tensor, atol=1e-4), name
    assert licence.name == "Apache-2.0; for the images it was trained on: CC0-1.0"
    assert licence.source == "made up for a test; trained further on train.json"


def test_a_share_is_held_out_and_images_are_drawn(folder: Path) -> None:
    spec = tiny_spec()
    data = open_labelled(["train.json", "val.json"], 5, HeldOut(share=0.4), spec, 3)
    again, other = (open_labelled(["train.json", "val.json"], 5, HeldOut(share=0.4), spec, seed) for seed in (3, 4))
    assert (len(data.train), len(data.held_out), data.skipped) == (3, 2, 0)
    drawn = {(one.file.names()[one.index], len(one.file)) for one in (*data.train, *data.held_out)}
    assert len(drawn) == 5
    assert data.digest == again.digest != other.digest


def test_samples_come_in_the_order_of_channels_that_the_network_takes(folder: Path) -> None:
    bgr = tiny_spec()
    rgb = bgr.model_copy(update={"input": InputSpec(channels="rgb")})
    data = open_labelled(["train.json"], None, HeldOut(labels="val.json"), bgr, 0)
    crops: list[TrainingSample] = [
        LabelledCrops(data.train, spec, Augmentation(), (64, 64)).sample(0, np.random.default_rng(0))
        for spec in (bgr, rgb)
    ]
    assert (crops[0].image == crops[1].image[..., ::-1]).all() and (crops[0].image != crops[1].image).any()
    whole = WholeImages(data.held_out, bgr)
    assert len(whole) == 2 and len(list(whole)) == 2
    assert whole[0].image.shape == (368, 192, 3) and whole[0].heatmaps.shape == (19, 46, 24)
    assert whole[0].heatmaps[:-1].max() > 0.8


def test_two_processes_train_together(folder: Path) -> None:
    codes = command_in_two(TRAIN, folder)
    said = [(folder / f"said-{rank}").read_text() for rank in range(2)]
    assert codes == [0, 0], said
    assert "6 steps on 4 images" in said[0]
    assert "steps" not in said[1] and "training" not in said[1], "one process alone speaks"
    facts = json.loads((folder / "out" / "training.json").read_text())
    assert facts["processes"] == 2
    assert load_model(folder / "out")[0].spec == architecture_spec("spec.json", None)
