"""The recipe of a teacher's training: the one we ship, and the one line that each mistake gets."""

import json
from pathlib import Path

import pytest
from conftest import tiny_spec

from compress.cli.main import run_command
from compress.teacher_training.checks import architecture_spec
from compress.teacher_training.recipe import TeacherRecipe, load_teacher_recipe
from teachers.common.errors import UserError
from teachers.skeleton import MPI_15

ROOT = Path(__file__).parents[1]
GOOD = """\
network:
  architecture: openpose-coco-vgg19
  stages: 2
labels: [a.json]
licence: CC-BY-4.0
schedule:
  steps: 4
  batch_size: 2
  crop: [64, 64]
"""
BAD = {
    "no licence": (("licence: CC-BY-4.0\n", ""), "x.yaml:1 licence: must be given"),
    "licence of two lines": (
        ("CC-BY-4.0", '"one\\ntwo"'),
        r"x.yaml:5 licence: must be one line of text that names the terms, or `unknown`, got 'one\ntwo'",
    ),
    "unknown key": (("licence:", "license:"), "x.yaml:5 license: unknown key (did you mean licence?)"),
    "key of the schedule": (("steps: 4", "step: 4"), "x.yaml:7 schedule.step: unknown key (did you mean steps?)"),
    "misspelt architecture": (
        ("coco-vgg19", "coco-vgg16"),
        "x.yaml:2 network.architecture: no architecture is called 'openpose-coco-vgg16' "
        "(did you mean openpose-coco-vgg19?), and no folder of that name holds a spec.json",
    ),
    "folder that is none": (
        ("architecture: openpose-coco-vgg19\n  stages: 2", "from: nowhere"),
        "x.yaml:2 network.from: no teacher is called 'nowhere' (there is: openpose-mobilenet-thin), "
        "and there is no such folder",
    ),
    "both": (
        ("stages: 2", "from: openpose-mobilenet-thin"),
        "x.yaml:1 network: `architecture` for fresh weights or `from` for given ones, got both",
    ),
    "neither": (
        ("  architecture: openpose-coco-vgg19\n", ""),
        "x.yaml:1 network: `architecture` for fresh weights or `from` for given ones, got neither",
    ),
    "stages of given weights": (
        ("architecture: openpose-coco-vgg19", "from: openpose-mobilenet-thin"),
        "x.yaml:3 network.stages: stands beside `architecture` only: given weights come with their stages",
    ),
    "seven stages": (("stages: 2", "stages: 7"), "x.yaml:3 network.stages: must be at most 6, got 7"),
    "no such file": (
        ("a.json", "b.json"),
        "x.yaml:4 labels.0: no file is called 'b.json'; wanted is a COCO keypoint file, a .json",
    ),
    "a file twice": (("a.json", "a.json, ./a.json"), "x.yaml:4 labels.1: './a.json' is there twice, first at labels.0"),
    "held out from itself": (
        ("licence:", "validation: {labels: a.json}\nlicence:"),
        "x.yaml:5 validation.labels: 'a.json' is there twice, first at labels.0",
    ),
    "a share of a file": (
        ("licence:", "validation: {labels: v.json, share: 0.1}\nlicence:"),
        "x.yaml:5 validation.share: stands without `validation.labels` only: a file is held out whole",
    ),
    "crop": (
        ("[64, 64]", "[64, 60]"),
        "x.yaml:9 schedule.crop: must be multiples of 8, got [64, 60]",
    ),
    "parts": (
        ("steps: 4", "steps: 4\n  gradient_accumulation: 3"),
        "x.yaml:8 schedule.gradient_accumulation: must divide the batch, 2, got 3",
    ),
    "hints": (
        ("licence:", "loss: {hints: 1}\nlicence:"),
        "x.yaml:5 loss.hints: must be 0: hints compares with a teacher's features, and labels have none",
    ),
    "scales the wrong way round": (
        ("licence:", "augmentation: {scale: [1.3, 0.7]}\nlicence:"),
        "x.yaml:5 augmentation: scale: the smallest factor comes first, got 1.3 and 0.7, got a mapping",
    ),
    "no mapping": ((GOOD, "7"), "x.yaml:1: a teacher's recipe is a mapping with the keys network, labels, "),
}


def load(folder: Path, text: str, *overrides: str) -> TeacherRecipe:
    for name in ("a.json", "v.json"):
        (folder / name).touch()
    (folder / "x.yaml").write_text(text)
    return load_teacher_recipe(Path("x.yaml"), overrides)


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_named_with_its_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (old, new), line = BAD[name]
    assert GOOD.count(old) == 1
    with pytest.raises(UserError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert line in str(caught.value).split("\n") or (name == "no mapping" and str(caught.value).startswith(line))


def test_all_mistakes_come_at_once_and_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = GOOD.replace("a.json", "b.json").replace("batch_size: 2", "batch_size: 0")
    with pytest.raises(UserError) as caught:
        load(tmp_path, text, "schedule.stepps=3", "network.stages=0")
    found = [line.split(": ")[0] for line in str(caught.value).split("\n")]
    assert found == [
        "x.yaml:4 labels.0",
        "x.yaml:8 schedule.batch_size",
        "--set schedule.stepps=3",
        "--set network.stages=0 network.stages",
    ]


def test_a_good_recipe_is_written_out_in_full_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load(tmp_path, GOOD, "network.stages=3", "schedule.learning_rate=1e-4")
    assert (recipe.network.stages, recipe.schedule.learning_rate, recipe.augmentation.flip) == (3, 1e-4, True)
    assert load(tmp_path, recipe.to_yaml()) == recipe


def test_the_recipe_that_we_ship_lacks_nothing_but_the_files() -> None:
    path = ROOT / "recipes" / "teacher_train.yaml"
    with pytest.raises(UserError) as caught:
        load_teacher_recipe(path)
    lines = str(caught.value).split("\n")
    assert len(lines) == 2 and all("no file is called 'coco/annotations/person_keypoints_" in line for line in lines)
    assert f"compress teachers train recipes/{path.name}" in path.read_text()


def test_an_architecture_has_the_stages_that_are_asked_for(tmp_path: Path) -> None:
    whole = architecture_spec("openpose-coco-vgg19", None)
    assert len(whole.stages) == 6 and architecture_spec("openpose-coco-vgg19", 6) == whole
    assert architecture_spec("openpose-coco-vgg19", 3).stages == whole.stages[:3]
    (tmp_path / "spec.json").write_text(tiny_spec().to_json())
    for name in (tmp_path, tmp_path / "spec.json"):
        assert architecture_spec(str(name), None) == tiny_spec()
        assert architecture_spec(str(name), 5) == tiny_spec(5)


def test_another_skeleton_and_a_broken_spec_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    from teachers.openpose_vgg import spec

    for text, message in (
        (spec(MPI_15, 1).to_json(), r"network.architecture: must have the skeleton coco-18, .*; got mpi-15"),
        (json.dumps({"format": 1}), r"network.architecture: spec.json: not a network's spec: "),
    ):
        (tmp_path / "spec.json").write_text(text)
        with pytest.raises(UserError, match=message):
            load(tmp_path, GOOD.replace("openpose-coco-vgg19", "spec.json"))


def test_check_takes_the_recipe_of_a_teacher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text("{}")
    Path("x.yaml").write_text(GOOD)
    assert run_command(["check", "x.yaml"]) == 0
    assert "openpose-coco-vgg19, 4 steps" in capsys.readouterr().out
    assert run_command(["check", "x.yaml", "--set", "schedule.batch_size=0"]) == 2
    assert "schedule.batch_size: must be at least 1, got 0" in capsys.readouterr().err
    # The recipe that is shipped names files that its user brings; nothing else is wrong with it.
    assert run_command(["check", str(ROOT / "recipes" / "teacher_train.yaml")]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and all("labels" in line and "no file is called" in line for line in said)
