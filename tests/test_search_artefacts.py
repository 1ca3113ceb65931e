"""Two machines that share a study and an object store, and no disk: each draws the whole report."""

import shutil
from pathlib import Path

import fsspec
import pytest
from compress_tiny_run import TinyRun, keep_export, records
from search_tiny import write_recipe

from compress.cli.main import run_command
from compress.search.artefact_store import Artefacts
from teachers.common.errors import UserError

pytestmark = pytest.mark.usefixtures("without_pictures")

TRIALS = 4


def test_a_trial_measured_elsewhere_comes_through_the_store(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_export(monkeypatch, tiny_run)
    recipe = write_recipe(tmp_path / "s.yaml", tiny_run, trials=TRIALS, sampler="tpe")
    here, there = tmp_path / "here" / "out", tmp_path / "there" / "out"
    shared = ["--storage", f"sqlite:///{tmp_path}/study.sqlite3", "--artefacts", "memory://bucket/search"]
    assert run_command(["search", str(recipe), "--out", str(here), *shared]) == 0
    assert run_command(["search", str(recipe), "--out", str(there), *shared]) == 0
    names = [record["name"] for record in records(here)]
    assert len(names) == TRIALS + 1 and names == [record["name"] for record in records(there)]
    for name in names[1:]:
        one, other = (out / "candidates" / name / "model.onnx" for out in (here, there))
        assert one.read_bytes() == other.read_bytes()
        assert (there / "trials" / name / "recipe.yaml").read_bytes() == (
            here / "trials" / name / "recipe.yaml"
        ).read_bytes()
    assert not [path for path in there.rglob("*") if "partial" in path.name]


def test_a_trial_without_its_record_is_not_taken(tmp_path: Path) -> None:
    """The record goes last, so without it the copy was cut off."""
    trial = tmp_path / "one" / "trials" / "t"
    trial.mkdir(parents=True)
    (trial / "recipe.yaml").write_text("x")
    store = Artefacts(f"file://{tmp_path}/store")
    store.put(tmp_path / "one", "t")
    assert not store.pull(tmp_path / "two", "t") and not (tmp_path / "two" / "trials").exists()
    (trial / "record.json").write_text("{}")
    store.put(tmp_path / "one", "t")
    assert store.pull(tmp_path / "two", "t") and (tmp_path / "two" / "trials" / "t" / "recipe.yaml").read_text() == "x"
    shutil.rmtree(tmp_path / "store")
    assert not store.pull(tmp_path / "three", "t")


@pytest.mark.parametrize(
    ("url", "expected"),
    [("nosuch://bucket/x", "Protocol not known: nosuch"), ("file:///dev/null/x", "/dev/null")],
)
def test_a_store_that_cannot_be_used(
    url: str, expected: str, tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path / "s.yaml", tiny_run, trials=TRIALS, sampler="tpe")
    assert run_command(["search", str(recipe), "--out", str(tmp_path / "out"), "--artefacts", url]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"compress: --artefacts {url}: ") and expected in said and not (tmp_path / "out").exists()


def test_a_password_is_never_said() -> None:
    with pytest.raises(UserError) as caught:
        Artefacts("nosuch://me:hunter2@host/x")
    assert "hunter2" not in str(caught.value) and "me:***@host" in str(caught.value)


def test_a_store_that_names_files_outside_is_refused(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/evil/trials/t/record.json", b"{}")
    memory.store["/evil/trials/t/../../../x"] = memory.store["/evil/trials/t/record.json"]
    try:
        with pytest.raises(UserError, match="outside"):
            Artefacts("memory://evil").pull(tmp_path, "t")
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    finally:
        del memory.store["/evil/trials/t/../../../x"]
