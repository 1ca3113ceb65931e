"""Tracking: what trackers are told, once each over any number of calls, and that losing one never loses a run."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from compress_recipe_text import GOOD, load, mistakes
from compress_tiny_run import NAMES, QUICK, TinyRun, fidelity, keep_export, records, rows, set_to
from tracking_wandb_file import history
from tracking_wandb_file import records as wandb_records
from training_runs import TinyTraining, killed_at, make_training, prepare

from compress import tracking
from compress.cli import run_command
from compress.progress import Reporter
from compress.tables import cell
from compress.tracking import TRACKERS, lane
from compress.tracking import wandb as door
from compress.tracking.protocol import Files, Place
from compress.tracking.session import open_tracking

METHODS = ("__init__", "config", "candidate", "point", "files", "finish", "abandon")


class Notebook:
    """A tracker in memory that raises, or hangs, where it is told to."""

    told: ClassVar[list[tuple[Any, ...]]] = []
    raises: ClassVar[tuple[str, ...]] = ()
    error: ClassVar[BaseException] = ConnectionResetError("gone")
    hangs: ClassVar[bool] = False

    def __init__(self, place: Place) -> None:
        self.place = place
        self._note("__init__", place.run)

    def config(self, values: Any) -> None:
        self._note("config", values)

    def candidate(self, name: str, row: Any) -> None:
        self._note("candidate", name, row)

    def point(self, series: str, step: int, values: Any) -> None:
        if self.hangs:
            time.sleep(1e6)
        self._note("point", series, step, values)

    def files(self, files: Files) -> None:
        self._note("files", files)

    def finish(self, ok: bool) -> None:
        self._note("finish", ok)

    def abandon(self) -> None:
        self._note("abandon")

    def _note(self, *what: Any) -> None:
        self.told.append(what)
        if what[0] in self.raises:
            raise self.error


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> type[Notebook]:
    """It takes the place of jsonl."""
    for name, value in {"told": [], "raises": (), "error": ConnectionResetError("gone"), "hangs": False}.items():
        monkeypatch.setattr(Notebook, name, value)
    monkeypatch.setattr("compress.tracking.session.TRACKERS", {**TRACKERS, "jsonl": Notebook})
    return Notebook


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """As on a machine on which nobody has ever used wandb; whatever it left in the home folder would be seen."""
    for name in [name for name in os.environ if name.startswith("WANDB_") or name == "NETRC"]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    return home


def run(recipe: TinyRun, out: Path, trackers: str, *more: str) -> int:
    words = set_to(*QUICK, *more, *([f"tracking={trackers}"] if trackers else []))
    return run_command(["run", str(recipe.recipe), "--out", str(out), *words])


def events(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "tracking/jsonl/events.jsonl").read_text().splitlines()]


def of(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in found if event["event"] == kind]


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


def tell(out: Path, name: str, worker: str = "") -> None:
    """All that a tracker can be told."""
    model = out / "candidates/a-1.5/model.onnx"
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"weights")
    with open_tracking([name], out, Reporter(), worker) as found:
        found.config({"recipe": {"teacher": "t", "candidates": [{"name": "a"}]}, "conditions": {"threads": 1}})
        found.point("training/a-1.5/steps.0", 1, {"loss": 2.5, "learning_rate": 1e-3})
        found.point("training/a-1.5/steps.0", 2, {"loss": 1.5, "learning_rate": 1e-3, "images_per_s": 7.0})
        found.candidate("a-1.5", {"name": "a-1.5", "stages": 2, "latency_ms": 1.25, "ap": None, "note": "ap: off"})
        found.files(Files("model", "a-1.5", "77aa", model.parent, [model], {"licence": "MIT"}, on_front=True))
        found.files(Files("report", "report", "88bb", out, [model]))


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_takes_all_it_is_told_and_nothing_twice(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], _no_account: Path
) -> None:
    _needs(name)
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


def _needs(name: str) -> None:
    if name == "wandb":
        pytest.importorskip("wandb")


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
    monkeypatch.setattr("compress.run.open_tracking", lambda names, *others: open_tracking(list(books), *others))
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
    monkeypatch.setattr(lane, "PATIENCE_S", 0.2)
    started = time.monotonic()
    tell(tmp_path / "out", "jsonl")
    assert time.monotonic() - started < 5
    assert "TimeoutError: not done after 0.2 seconds" in capsys.readouterr().err
    assert notebook.told[-1] == ("abandon",)


def test_a_run_that_fails_says_so_to_its_tracker(notebook: type[Notebook], tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_tracking(["jsonl"], tmp_path / "out", Reporter()):
        _ = 1 / 0
    assert notebook.told[-1] == ("finish", False)


def test_wandb_that_is_not_installed_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    tell(tmp_path / "out", "wandb")
    (line,) = capsys.readouterr().err.splitlines()
    assert "wandb was lost at the start (wandb cannot be imported: pip install wandb" in line


# wandb, offline.


def run_files(out: Path) -> list[Path]:
    return sorted((out / "tracking/wandb/wandb").glob("offline-run-*/*.wandb"))


def test_wandb_keeps_a_run_offline_whose_history_can_be_read_back(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _needs("wandb")
    keep_export(monkeypatch, tiny_run)
    out = tmp_path / "out"
    assert run(tiny_run, out, "wandb") == 0
    assert "wandb sync" in capsys.readouterr().err
    (file,) = run_files(out)
    told = {name: value for row in history(file) for name, value in row.items() if name.startswith("candidate/")}
    assert {name.split("/")[1] for name in told} == set(NAMES)
    for row in rows(out):
        # Six digits are written; and JSON knows no difference between 0 and 0.0.
        assert told[f"candidate/{row['name']}/joint_rel_l2"] == pytest.approx(float(row["joint_rel_l2"]), rel=1e-5)
        assert told[f"candidate/{row['name']}/params"] == int(row["params"])
    found = wandb_records(file)
    begun = next(record.run for record in found if record.WhichOneof("record_type") == "run")
    assert (begun.project, begun.run_group, begun.display_name) == ("compress", "out", "out")
    config = {item.key or "/".join(item.nested_key): item.value_json for r in found for item in r.config.update}
    assert str(tiny_run.photos) in config["recipe"] and "conditions" in config
    artefacts = {r.artifact.name: r.artifact for r in found if r.WhichOneof("record_type") == "artifact"}
    if not artefacts:  # sent as requests
        artefacts = {a.name: a for r in found if (a := r.request.log_artifact.artifact).name}
    front = {row["name"] for row in rows(out) if row["on_front"] == "true"} - {"teacher"}
    assert {name for name in artefacts if name.startswith("out-")} == {f"out-{name}" for name in front | {"report"}}
    # Again: the same run goes on, and what it was told is not told again.
    time.sleep(1.1)  # wandb names its folders by the second
    assert run(tiny_run, out, "wandb") == 0
    first, second = run_files(out)
    assert first.name == second.name and not [row for row in history(second) if row]


def test_wandbs_service_killed_in_the_middle_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _needs("wandb")
    out, point, services = tmp_path / "out", door.WandbTracker.point, []

    def killing(self: door.WandbTracker, series: str, step: int, values: Any) -> None:
        point(self, series, step, values)
        if step == 1 and not services:
            assert self._service is not None
            services.append(self._service)
            os.kill(self._service, signal.SIGKILL)
            time.sleep(0.3)

    monkeypatch.setattr(door.WandbTracker, "point", killing)
    before = (sys.exit, sys.excepthook)
    tell(out, "wandb")
    assert services and (sys.exit, sys.excepthook) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert "wandb was lost at point (Connection" in line
    time.sleep(1.1)
    tell(out, "wandb")
    keys = (out / "tracking/wandb/logged.txt").read_text().splitlines()
    assert len(keys) == len(set(keys)) == 6
    last = {name: value for row in history(run_files(out)[-1]) for name, value in row.items()}
    assert last["training/a-1.5/steps.0/step"] == 2 and last["training/a-1.5/steps.0/loss"] == 1.5
    assert last["candidate/a-1.5/latency_ms"] == 1.25


def test_wandbs_service_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _needs("wandb")
    psutil, files, services = pytest.importorskip("psutil"), door.WandbTracker.files, []

    def stopping(self: door.WandbTracker, told: Files) -> None:
        files(self, told)
        if not services:
            assert self._service is not None
            services.append(psutil.Process(self._service))
            services[0].suspend()

    monkeypatch.setattr(door.WandbTracker, "files", stopping)
    monkeypatch.setattr(lane, "PATIENCE_S", 4.0)
    tell(tmp_path / "out", "wandb")
    assert "TimeoutError" in capsys.readouterr().err
    services[0].wait(5)


def test_wandb_goes_online_only_with_a_key(
    monkeypatch: pytest.MonkeyPatch, _no_account: Path, request: pytest.FixtureRequest
) -> None:
    wandb = pytest.importorskip("wandb")
    host = wandb.setup().settings.base_url.split("//")[1]
    request.addfinalizer(wandb.teardown)  # it reads its settings once
    assert door._offline(wandb)
    (_no_account / ".netrc").write_text(f"machine {host}\n  login user\n  password {'0' * 40}\n")
    (_no_account / ".netrc").chmod(0o600)
    assert not door._offline(wandb)
    monkeypatch.setenv("WANDB_MODE", "offline")
    request.addfinalizer(wandb.teardown)  # it reads its settings once
    assert door._offline(wandb)
    (_no_account / ".netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert door._offline(wandb)
    monkeypatch.delenv("WANDB_MODE")
    assert not door._offline(wandb)


def test_a_server_that_is_not_there_leaves_the_run_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb").teardown()  # it reads its settings once, and must not look for the real server
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(door, "_INIT_S", 2.0)
    tell(tmp_path / "out", "wandb")
    said = capsys.readouterr().err
    assert "wandb cannot be reached" in said and "was lost" not in said
    assert len(run_files(tmp_path / "out")) == 1


def test_the_registry_is_what_recipes_may_name() -> None:
    assert set(tracking.TRACKERS) == {"jsonl", "wandb"}
