"""Which study a folder belongs to, and who of its workers is alive: told by content and by beats, never by a path."""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from compress_children import call, start
from compress_tiny_run import TinyRun, keep_export, records
from search_tiny import entries, facts, write_recipe

from compress.cli.main import run_command
from compress.recipe.search_plan import SamplerPlan
from compress.search import recovery
from compress.search.call import SearchPaths, lock_token
from compress.search.history import Notes
from compress.search.recovery import Recovery
from compress.search.study import SearchStudy, StudyPlan, TrialTakenError
from compress.search.trial_evaluator import Trials

TRIALS = 4
SIZE = 6


def search(recipe: Path, out: Path, *more: str) -> int:
    return run_command(["search", str(recipe), "--out", str(out), *more])


def counted(out: Path, url: str | None = None) -> int:
    return len([entry for entry in entries(out, url) if entry.counts])


@pytest.fixture(scope="module")
def done(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that has three trials left. To be copied, not written to."""
    folder = tmp_path_factory.mktemp("identity")
    recipe = write_recipe(folder / "s.yaml", tiny_run, seeds=1, trials=TRIALS)
    assert (
        call(["search", str(recipe), "--out", str(folder / "out"), "--trials", "3"], folder / "l", tiny_run.all_stages)
        == 0
    )
    return folder


@pytest.mark.parametrize("name", ["renamed", "what? 100% {done} #1;"])
def test_a_renamed_folder_goes_on_with_its_study(done: Path, tiny_run: TinyRun, tmp_path: Path, name: str) -> None:
    out = shutil.copytree(done / "out", tmp_path / name)
    before = {path: path.stat().st_mtime_ns for path in (out / "trials").rglob("record.json")}
    assert call(["search", str(done / "s.yaml"), "--out", str(out)], tmp_path / "log", tiny_run.all_stages) == 0
    assert len(facts(out)["trials"]) == TRIALS and facts(out)["name"] == "out"
    assert {path: path.stat().st_mtime_ns for path in before} == before and len(before) == 4
    assert [path.name for path in out.glob("*.sqlite3")] == ["study.sqlite3"]
    assert {path.name for path in tmp_path.iterdir()} == {"log", name}  # nothing beside the folder


def test_a_renamed_folder_finds_its_study_in_a_storage_too(done: Path, tiny_run: TinyRun, tmp_path: Path) -> None:
    url = f"journal:{tmp_path}/journal"
    words = ["search", str(done / "s.yaml"), "--storage", url]
    assert call([*words, "--out", str(tmp_path / "a"), "--trials", "3"], tmp_path / "l", tiny_run.all_stages) == 0
    (tmp_path / "a").rename(tmp_path / "b")
    assert call([*words, "--out", str(tmp_path / "b")], tmp_path / "l", tiny_run.all_stages) == 0
    assert len(facts(tmp_path / "b")["trials"]) == TRIALS and facts(tmp_path / "b")["name"] == "a"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["journal:{}/journal", "sqlite:///{}/study.sqlite3"])
def test_two_folders_on_one_storage_leave_each_others_trials_alone(
    tiny_run: TinyRun, tmp_path: Path, kind: str
) -> None:
    """Both folders end in the study's name, as on two machines without a shared disk."""
    recipe = write_recipe(tmp_path / "s.yaml", tiny_run, seeds=2, trials=2 * SIZE)
    url, outs = kind.format(tmp_path), [tmp_path / place / "out" for place in ("one", "two")]
    running = [
        start(
            ["search", str(recipe), "--out", str(out), "--storage", url],
            tmp_path / f"{out.parent.name}.log",
            tiny_run.all_stages,
        )
        for out in outs
    ]
    for process in running:
        process.join(250)
    said = "".join(path.read_text() for path in sorted(tmp_path.glob("*.log")))
    assert [process.exitcode for process in running] == [0, 0], said
    found = entries(outs[0], url)
    assert {entry.state for entry in found if entry.counts} == {"complete"} and "Traceback" not in said
    assert not [entry for entry in found if entry.state == "failed"]
    workers = {entry.notes.worker for entry in found if entry.counts}
    assert len(workers) == 2


def plan(url: str, heartbeat_s: int = 60) -> StudyPlan:
    return StudyPlan(url, "s", "text", ("macs",), (True,), SamplerPlan(), heartbeat_s)


@pytest.mark.parametrize("kind", ["journal:{}/journal", "sqlite:///{}/study.sqlite3"])
def test_a_count_that_stands_still_is_a_dead_worker_and_one_that_rises_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    study = SearchStudy(plan(kind.format(tmp_path), 1))
    watching = Recovery(study, SearchPaths(tmp_path), 1)
    living, dying = study.take(), study.take()
    for taken in (living, dying):
        taken.note(Notes(worker="elsewhere-1"))
    with dying.alive():
        pass
    with living.alive():
        limit = time.monotonic() + 20
        while len(study.entries()) < 3 and time.monotonic() < limit:
            watching.take_up()
            time.sleep(0.2)
        assert [entry.state for entry in study.entries()] == ["running", "failed", "waiting"]
        with pytest.raises(TrialTakenError):
            dying.note(Notes(worker="elsewhere-1", name="trial-0001"))
        living.note(Notes(worker="elsewhere-1", name="trial-0000"))


def test_who_slept_itself_takes_nobody_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop wakes up after an hour: it looks again before it judges."""
    study, clock = SearchStudy(plan(f"journal:{tmp_path}/journal")), [0.0]
    watching = Recovery(study, SearchPaths(tmp_path), 60)
    study.take().note(Notes(worker="elsewhere-1"))
    monkeypatch.setattr(recovery.time, "monotonic", lambda: clock[0])
    watching.take_up()
    clock[0] += 3600
    watching.take_up()
    assert [entry.state for entry in study.entries()] == ["running"]
    for _ in range(2):
        clock[0] += 60
        watching.take_up()
    assert study.entries()[0].state == "failed"


def test_two_folders_of_one_path_are_two(tmp_path: Path) -> None:
    """As in two containers on one machine, where neither sees the other's locks."""
    out = tmp_path / "out"
    out.mkdir()
    first = lock_token(out)
    out.rename(tmp_path / "moved")
    out.mkdir()
    assert lock_token(tmp_path / "moved") == first != lock_token(out)


def test_a_worker_that_slept_drops_what_another_took_up(
    done: Path, tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its trial is ended by somebody else while it measures."""
    keep_export(monkeypatch, tiny_run)
    measured, url = Trials.record, f"sqlite:///{tmp_path}/study.sqlite3"
    slept: list[str] = []

    def sleeping(self: Trials, recipe: Any) -> Any:
        found = measured(self, recipe)
        if not slept:
            slept.append(recipe.candidates[0].name)
            out = tmp_path / "out"
            other = SearchStudy(
                StudyPlan(
                    url, "out", (out / "recipe.yaml").read_text(), ("macs", "joint_rel_l2"), (True, True), SamplerPlan()
                )
            )
            (running,) = [entry for entry in other.entries() if entry.state == "running"]
            other.fail(running.number, None)
        return found

    monkeypatch.setattr(Trials, "record", sleeping)
    assert search(done / "s.yaml", tmp_path / "out", "--storage", url) == 0
    said = capsys.readouterr().err
    assert "this worker was taken for dead meanwhile, and what it made is dropped" in said and "Traceback" not in said
    found = entries(tmp_path / "out", url)
    assert [entry.state for entry in found if not entry.counts] == ["failed"] and slept == ["stages-2"]
    assert {entry.state for entry in found if entry.counts} == {"complete"} and counted(tmp_path / "out", url) == TRIALS
    assert [r["name"] for r in records(tmp_path / "out")].count("stages-2") == 1
