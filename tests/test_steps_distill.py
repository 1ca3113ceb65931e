"""distill from the front door: what a run leaves, what a second call costs, what a kill changes, what is refused."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from compress_tiny_run import fact_counts, records, rows, set_to, tree
from conftest import LICENCE
from safetensors.torch import load_file
from training_jobs import one_thread, same
from training_runs import TinyTraining, killed_at, make_training, prepare
from training_targets import tiny_teacher

from compress.cli.main import run_command
from compress.run import teacher_stages
from compress.training.loop import Trainer
from teachers.checkpoint import save_model


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyTraining]:
    """A finished run; what it left may be copied, not written to."""
    with pytest.MonkeyPatch.context() as patch:
        yield make_training(tmp_path_factory.mktemp("distill"), patch)


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch, done: TinyTraining) -> None:
    one_thread(monkeypatch)
    prepare(monkeypatch, done.folder)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "candidates/learnt/weights.safetensors")


def test_its_record_says_how_the_training_went(done: TinyTraining) -> None:
    (record,) = (record for record in records(done.out) if record["name"] == "learnt")
    (note,) = (note for note in record["notes"] if note["kind"] == "training")
    assert note["steps"] == 8 and note["processes"] == 1 and note["device"] == "cpu" and note["precision"] == "no"
    assert [point["step"] for point in note["losses"]] == list(range(1, 9))
    assert [look["step"] for look in note["validations"]] == [0, 4, 8]
    assert note["best"] == min(note["validations"], key=lambda look: look["score"]) != note["before"]
    assert note["best_step"] == note["best"]["step"]
    row = next(row for row in rows(done.out) if row["name"] == "learnt")
    assert row["stages"] == "1" and "distill" in row["steps"] and float(row["joint_rel_l2"]) > 0


def test_a_second_call_computes_nothing(done: TinyTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = shutil.copytree(done.out, tmp_path / "out")
    before, facts = tree(out), fact_counts(out)
    monkeypatch.setattr(Trainer, "__init__", None)  # whoever trains fails
    assert run_command(done.words(out)) == 0
    assert fact_counts(out) == facts and len(facts) > 3
    changed = {name for name, data in tree(out).items() if before.get(name) != data}
    assert not [name for name in changed if name.startswith(("candidates/", ".work/", "records"))]


def test_killed_in_the_middle_of_training_the_same_command_ends_alike(done: TinyTraining, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for checkpoint in (4, 2):
        process = killed_at(done, out, checkpoint)
        process.join(100)
        assert process.exitcode == -9
        assert len(list(out.glob(".work/training-*/checkpoint.safetensors"))) == 1
        assert not (out / "candidates/learnt").exists()
    with pytest.MonkeyPatch.context() as patch:
        steps: list[int] = []
        update = Trainer._update
        patch.setattr(Trainer, "_update", lambda self, parts: (steps.append(self._step), update(self, parts))[1])
        assert run_command(done.words(out)) == 0
    assert steps == [4, 5, 6, 7], "three steps before the first kill, one before the second"
    assert same(weights(out), weights(done.out))
    ours, theirs = ([record["notes"][0] for record in records(one) if record["notes"]] for one in (out, done.out))
    assert [note["losses"] for note in ours] == [note["losses"] for note in theirs] != []


def test_another_teachers_maps_are_never_used(done: TinyTraining, tmp_path: Path) -> None:
    """The same frames, the same cache, a teacher that answers a little differently."""
    teacher = tiny_teacher()
    with torch.no_grad():
        teacher.stages[2].paf[-1].conv.bias += 0.5
    save_model(tmp_path / "model", teacher, LICENCE)
    before = tree(done.folder / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teacher_stages, "export_all_stages", _export)
        assert run_command([*done.words(tmp_path / "out"), *set_to(f"teacher={tmp_path / 'model'}")]) == 0
    after = tree(done.folder / "cache")
    assert {name: data for name, data in after.items() if name in before} == before
    assert len(after) == 2 * len(before) == 24
    assert len({name.split("/")[1] for name in after}) == 2
    assert not same(weights(tmp_path / "out"), weights(done.out))


def _export(network: object) -> object:
    from compress.export.onnx_export import export_all_stages

    return export_all_stages(network)  # type: ignore[arg-type]


MISTAKES = {
    "crop": (
        "crop: [48, 64]",
        "crop: [50, 64]",
        r"learn.yaml:15 candidates.0.steps.1.schedule.crop: must be multiples of 8, got \[50, 64\]",
    ),
    "flip": (
        "      - step: distill\n",
        "      - step: distill\n        augmentation: {flip: true}\n",
        r"learn.yaml:15 candidates.0.steps.1.augmentation.flip: must be false: .*training.flip",
    ),
    "gradient_accumulation": (
        "batch_size: 2,",
        "batch_size: 2, gradient_accumulation: 3,",
        r"learn.yaml:15 candidates.0.steps.1.schedule.gradient_accumulation: must divide the batch, 2",
    ),
    "stop is left out, as in a slice": (
        "    - {source: PHOTOS}",
        "    - {source: PHOTOS, start: 3, stop: 3}",
        r"learn.yaml:6 training.data.0: .*stop must be more than start, 3, got 3",
    ),
    "start beyond the end": (
        "    - {source: PHOTOS}",
        "    - {source: PHOTOS, start: 6}",
        r"training.data.0: .*photos has 6 frames, none from 6 on",
    ),
    "one frame": (
        "    - {source: PHOTOS}",
        "    - {source: PHOTOS, start: 5}",
        r"training.data: 1 frame is too few",
    ),
    "no such source": (
        "    - {source: PHOTOS}",
        "    - {source: PHOTOS-elsewhere}",
        r"learn.yaml:6 training.data.0.source: no file, folder or sample is called",
    ),
    "misspelt": ("  val_frames: 2", "  val_frame: 2", r"learn.yaml:8 training.val_frame: .*did you mean val_frames"),
    "too steep": ("learning_rate: 0.01", "learning_rate: 100", r"learn.yaml:15 .*schedule.learning_rate: "),
    "no steps": ("steps: 8, ", "", r"learn.yaml:15 candidates.0.steps.1.schedule.steps: "),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_told_with_its_place(
    done: TinyTraining, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    old, new, told = (text.replace("PHOTOS", str(done.folder / "photos")) for text in MISTAKES[kind])
    check_refused(done, tmp_path, capsys, (old, new), told)


def test_frames_to_learn_from_are_needed(
    done: TinyTraining, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = done.recipe.read_text()
    block = text[text.index("training:") : text.index("candidates:")]
    told = r"learn.yaml:8 candidates.0.steps.1: learns from frames, and the recipe has no `training` with `data`"
    check_refused(done, tmp_path, capsys, (block, ""), told)


def test_a_source_without_images(done: TinyTraining, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing to see")
    change = (f"- {{source: {done.folder / 'photos'}}}", f"- {{source: {tmp_path / 'empty'}}}")
    check_refused(done, tmp_path, capsys, change, r"empty.* image")


def check_refused(
    done: TinyTraining, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], told: str
) -> None:
    """Exit code 2, one line that matches, nothing written."""
    import re

    text = done.recipe.read_text()
    assert text.count(change[0]) == 1
    recipe = tmp_path / "learn.yaml"
    recipe.write_text(text.replace(*change))
    assert run_command(["run", str(recipe), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert re.search(told, said), said
    assert "Traceback" not in said and not (tmp_path / "out").exists()


def test_a_training_that_fails_is_told_in_its_row(done: TinyTraining, tmp_path: Path) -> None:
    """The other candidates are finished; the record names the error."""
    words = [*done.words(tmp_path / "out"), *set_to("training.cache_gib=1e-9", "training.scales=[0.3]")]
    assert run_command(words) == 1
    (record,) = (record for record in records(tmp_path / "out") if record["name"] == "learnt")
    assert record["error"].startswith("UserError: training: the teacher's maps would take")
