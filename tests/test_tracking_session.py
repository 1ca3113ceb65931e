"""Tracking: what trackers are told, once each over any number of calls, and that losing one never loses a run."""

import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from compress_recipe_text import GOOD, load, mistakes
from compress_tiny_run import NAMES, QUICK, TinyRun, fidelity, keep_export, records, rows, set_to
from tracking_calls import METHODS, Notebook, events, no_account, of, run, tell
from training_runs import TinyTraining, killed_at, make_training, prepare

from compress.api import run as api_run
from compress.cli.main import run_command
from compress.common.progress import Reporter
from compress.results.tables import cell
from compress.tracking import TRACKERS, thread
from compress.tracking.session import open_tracking

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> type[Notebook]:
    """It takes the place of jsonl."""
    for name, value in {"told": [], "raises": (), "error": ConnectionResetError("gone"), "hangs": False}.items():
        monkeypatch.setattr(Notebook, name, value)
    monkeypatch.setattr("compress.tracking.session.TRACKERS", {**TRACKERS, "jsonl": Notebook})
    return Notebook


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return no_account(monkeypatch, tmp_path)


# What a recipe may say.


@pytest.mark.parametrize(
    ("written", "meant"),
    [("wandb", ("wandb",)), ("[jsonl, wandb]", ("jsonl", "wandb")), ("none", ()), ("null", ()), ("[]", ()), ("", ())],
)
def test_a_recipe_names_one_tracker_several_or_none(written: str, meant: tuple[str, ...]) -> None:
    recipe = load(GOOD + f"tracking: {written}\n")
    assert recipe.tracking == meant
    assert ("tracking" in recipe.to_yaml()) == bool(meant)
    assert load(recipe.to_yaml()) == recipe
    name = recipe.candidates[0].name
    assert recipe.only(name) == load(GOOD).only(name), "the recipe beside a candidate makes it anywhere"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("wandbb", "x.yaml:17 tracking: expected one of the names there are, got 'wandbb' (did you mean wandb?)"),
        ("[jsonl, wandbb]", "x.yaml:17 tracking.1: expected one of the names there are, got 'wandbb'"),
        ("[wandb, wandb]", "x.yaml:17 tracking: must name each tracker once, got a list"),
        ("7", "x.yaml:17 tracking: expected one of the names there are, got 7"),
    ],
)
def test_a_tracker_that_is_not_there_is_a_mistake(written: str, told: str) -> None:
    (line,) = mistakes(GOOD + f"tracking: {written}\n")
    assert line.startswith(told)


# Every tracker.


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_takes_all_it_is_told_and_nothing_twice(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], _no_account: Path
) -> None:
    if name in ("wandb", "tensorboard"):
        pytest.importorskip(name)
    before, environment = (sys.exit, sys.excepthook), dict(os.environ)
    for _ in range(2):
        tell(tmp_path / "out", name)
    tell(tmp_path / "out", name, worker="worker-1")
    assert "warning" not in capsys.readouterr().err
    for place in ("", "worker-1/"):
        keys = (tmp_path / f"out/tracking/{place}{name}/logged.txt").read_text().splitlines()
        assert len(keys) == len(set(keys)) == 6
    assert (sys.exit, sys.excepthook) == before and dict(os.environ) == environment
    assert not list(_no_account.iterdir())


def test_jsonl_holds_each_thing_once(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        tell(out, "jsonl")
    found = events(out)
    assert [event["event"] for event in found] == [
        "config",
        "point",
        "point",
        "candidate",
        *["files"] * 2,
        *["finish"] * 2,
    ]
    assert of(found, "point")[1] | {"time": 0} == {
        "event": "point", "time": 0, "series": "training/a-1.5/steps.0", "step": 2,
        "values": {"loss": 1.5, "learning_rate": 1e-3, "images_per_s": 7.0},
    }  # fmt: skip
    assert of(found, "files")[0]["files"] == [{"path": "model.onnx", "bytes": 7}]


@pytest.mark.parametrize("told", [1, 3, 4, 6])
def test_a_kill_between_a_line_and_its_note_gives_no_line_twice(tmp_path: Path, told: int) -> None:
    out = tmp_path / "out"
    tell(out, "jsonl")
    whole = events(out)[:6]
    _keep(out / "tracking/jsonl/events.jsonl", told)
    _keep(out / "tracking/jsonl/logged.txt", told - 1)
    tell(out, "jsonl")
    assert [event | {"time": 0} for event in events(out)[:6]] == [event | {"time": 0} for event in whole]
    assert len(events(out)) == 7


def _keep(file: Path, lines: int) -> None:
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:lines]))


def test_what_changed_back_is_told_again(notebook: type[Notebook], tmp_path: Path) -> None:
    for threads in (1, 2, 2, 1):
        with open_tracking(["jsonl"], tmp_path / "out", Reporter()) as found:
            found.config({"threads": threads})
    assert [what[1]["threads"] for what in notebook.told if what[0] == "config"] == [1, 2, 1]


# A run, undisturbed.


def test_a_tracked_run_has_the_results_of_an_untracked_one(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_export(monkeypatch, tiny_run)
    plain, out = tmp_path / "plain", tmp_path / "out"
    assert run(tiny_run, plain, "") == 0 and not (plain / "tracking").exists()
    for _ in range(2):
        assert run(tiny_run, out, "jsonl") == 0
    ours, theirs = ({r["name"]: (r["key"], r["id"]) for r in records(one)} for one in (out, plain))
    assert ours == theirs and list(ours) == NAMES and fidelity(out) == fidelity(plain)
    found = events(out)
    assert Counter(event["event"] for event in found) == {"config": 1, "candidate": 4, "files": 5, "finish": 2}
    (config,) = of(found, "config")
    assert config["recipe"]["tracking"] == ["jsonl"] and len(config["recipe"]["candidates"]) == 3
    assert config["conditions"]["images"] == 3 and config["command"].startswith("compress run")
    told = [{key: cell(value) for key, value in event["row"].items()} for event in of(found, "candidate")]
    assert told == rows(out), "candidates.csv, and no joint angles were asked for"
    front = {row["name"] for row in rows(out) if row["on_front"] == "true"}
    *models, report = of(found, "files")
    assert {event["name"] for event in models if event["on_front"]} == front - {"teacher"} != set()
    assert {"model.onnx", "spec.json", "weights.safetensors", "LICENCE.txt"} == {f["path"] for f in models[1]["files"]}
    assert {"report.html", "report.md", "figures/pareto.png"} <= {file["path"] for file in report["files"]}
    assert run_command(["run", str(tiny_run.recipe), "--out", str(out), *set_to(*QUICK), "--fresh"]) == 0
    assert not (out / "tracking").exists()


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyTraining]:
    """A finished run that trains, untracked; from now on its recipe is tracked."""
    with pytest.MonkeyPatch.context() as patch:
        made = make_training(tmp_path_factory.mktemp("tracked"), patch)
        made.recipe.write_text(made.recipe.read_text() + "tracking: jsonl\n")
        yield made


def points(out: Path) -> dict[tuple[str, int], dict[str, float]]:
    """Each at most once."""
    found = of(events(out), "point")
    assert max(Counter((event["series"], event["step"]) for event in found).values()) == 1
    return {(event["series"], event["step"]): event["values"] for event in found}


def test_curves_are_those_of_the_record_also_after_a_kill(
    training: TinyTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(monkeypatch, training.folder)
    out = tmp_path / "out"
    process = killed_at(training, out, 5)
    process.join(100)
    assert process.exitcode == -9
    early = points(out)
    assert ("training/learnt/steps.1", 3) in early and ("training/learnt/steps.1", 8) not in early
    assert all(early[one].keys() >= {"learning_rate", "images_per_s"} for one in early if one[0].startswith("training"))
    assert run_command(training.words(out)) == 0
    found = points(out)
    (note,) = (record["notes"][0] for record in records(out) if record["notes"])
    assert {step: found["training/learnt/steps.1", step]["loss"] for step in range(1, 9)} == {
        point["step"]: point["loss"] for point in note["losses"]
    }
    looks = {step: values["score"] for (series, step), values in found.items() if series == "validation/learnt/steps.1"}
    assert looks == {look["step"]: look["score"] for look in note["validations"]} and len(looks) == 3


# Losing it.


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), SystemExit(3)], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("method", METHODS[:-1])
def test_a_tracker_that_raises_is_warned_of_once_and_told_the_rest_later(
    notebook: type[Notebook], tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str, error: BaseException
) -> None:
    notebook.raises, notebook.error = (method, "abandon"), error
    tell(tmp_path / "out", "jsonl")
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert "jsonl was lost at" in line and type(error).__name__ in line and "the run goes on" in line
    assert notebook.told[-1][0] == ("abandon" if method != "__init__" else "__init__")
    first, notebook.told, notebook.raises = notebook.told, [], ()
    tell(tmp_path / "out", "jsonl")
    kept = [what for what in first if what[0] not in (method, "__init__", "abandon", "finish")]
    done = [what[0] for what in notebook.told]
    assert done[0] == "__init__" and done[-1] == "finish" and len(kept) + len(done) - 2 == 6
    assert not capsys.readouterr().err


def test_a_run_ends_well_whichever_call_its_tracker_raises_at(
    training: TinyTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One run with a tracker for each method, which raises there and nowhere else."""
    prepare(monkeypatch, training.folder)
    books = {f"at-{name}": type(name, (Notebook,), {"raises": (name,), "told": []}) for name in METHODS[:-1]}
    monkeypatch.setattr("compress.tracking.session.TRACKERS", books)
    monkeypatch.setattr(api_run, "open_tracking", lambda names, *others: open_tracking(list(books), *others))
    assert run_command(training.words(tmp_path / "out")) == 0
    assert fidelity(tmp_path / "out") == fidelity(training.out)
    said = capsys.readouterr().err
    for name, book in books.items():
        assert said.count(f"{name} was lost") == 1
        assert Counter(what[0] for what in book.told)[name.removeprefix("at-")] == 1
    assert len(books) == 6


def test_a_tracker_that_hangs_is_waited_for_a_limited_time(
    notebook: type[Notebook], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.hangs = True
    monkeypatch.setattr(thread, "PATIENCE_S", 0.2)
    started = time.monotonic()
    tell(tmp_path / "out", "jsonl")
    assert time.monotonic() - started < 5
    assert "TimeoutError: not done after 0.2 seconds" in capsys.readouterr().err
    assert notebook.told[-1] == ("abandon",)


def test_a_run_that_fails_says_so_to_its_tracker(notebook: type[Notebook], tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_tracking(["jsonl"], tmp_path / "out", Reporter()):
        _ = 1 / 0
    assert notebook.told[-1] == ("finish", False)
