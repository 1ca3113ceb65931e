"""Processes that are killed at random moments, a full disk, several searches at once: nothing is lost or twice."""

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest
from compress_children import Fate, call, start
from compress_tiny_run import TinyRun
from search_postgres import postgres, programs
from search_tiny import entries, facts, front, write_recipe

from compress.recipe.search_plan import SamplerPlan
from compress.search.call import SearchPaths
from compress.search.history import Notes, TrialEntry
from compress.search.recovery import MOST_RETRIES, Recovery
from compress.search.study import SearchStudy, StudyPlan

SEEDS = 2
SIZE = 2 * 3 * SEEDS
"""Recipes in the space, all of which are tried: whatever happens on the way, the front is that of the whole space."""


@pytest.fixture(scope="module")
def undisturbed(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    recipe = write_recipe(folder / "s.yaml", tiny_run, seeds=SEEDS, trials=SIZE)
    assert call(words(recipe, folder / "out"), folder / "log", tiny_run.all_stages) == 0
    return folder


def words(recipe: Path, out: Path, *more: str) -> list[str]:
    return ["search", str(recipe), "--out", str(out), *more]


def tried(found: list[TrialEntry]) -> list[str]:
    return [json.dumps(dict(entry.choices), sort_keys=True) for entry in found if entry.counts]


def check_like_undisturbed(out: Path, undisturbed: Path, url: str | None = None) -> None:
    """No trial twice, none lost, no number another."""
    ours, theirs = entries(out, url), entries(undisturbed / "out")
    assert len(tried(ours)) == SIZE and sorted(tried(ours)) == sorted(tried(theirs))
    assert all(entry.state == "complete" for entry in ours if entry.counts)
    expected = {json.dumps(dict(e.choices), sort_keys=True): e.notes.measured for e in theirs if e.counts}
    for entry in ours:
        if entry.counts:
            assert entry.notes.measured == pytest.approx(expected[json.dumps(dict(entry.choices), sort_keys=True)])
    assert len(front(out)) == len(front(undisturbed / "out")) >= 3
    for one, other in zip(front(out), front(undisturbed / "out"), strict=True):
        assert one == pytest.approx(other)
    assert sum(trial["state"] == "complete" for trial in facts(out)["trials"]) == SIZE


def test_killed_again_and_again_a_search_still_ends_like_an_undisturbed_one(
    undisturbed: Path, tiny_run: TinyRun, tmp_path: Path
) -> None:
    draw, kills, code = random.Random(0), 0, -signal.SIGKILL
    log, out = tmp_path / "log", tmp_path / "out"
    while code == -signal.SIGKILL and kills < 60:
        if kills % 2:  # at a moment of its own, wherever that is; or in the middle of a durable write
            process = start(words(undisturbed / "s.yaml", out), log, tiny_run.all_stages)
            process.join(draw.uniform(0.3, 0.6 + 0.4 * kills))
            process.kill()
            process.join()
            code = process.exitcode or 0
        else:
            fate = Fate(at_flush=draw.randint(6, 16 + 12 * kills))
            code = call(words(undisturbed / "s.yaml", out), log, tiny_run.all_stages, fate)
        kills += code == -signal.SIGKILL
    assert code == 0, log.read_text()
    assert kills > 5
    check_like_undisturbed(out, undisturbed)
    # One worker, one seed: not only the front is the same, but everything that was proposed on the way. Not in the same
    # order: a trial that a kill cut off is tried again behind those that were enqueued with it.
    assert sorted(tried(entries(out))) == sorted(tried(entries(undisturbed / "out")))


def workers_of(command: psutil.Process) -> list[psutil.Process]:
    """The processes that its server forked."""
    with_server = [child for child in command.children() if any("forkserver" in word for word in child.cmdline())]
    return [worker for server in with_server for worker in server.children()]


@contextmanager
def somewhere(tmp_path: Path) -> Iterator[str]:
    """A storage for several commands at once: PostgreSQL where it is installed."""
    if programs() is None:
        yield f"sqlite:///{tmp_path}/shared.sqlite3"
        return
    with postgres() as url:
        yield url


@pytest.mark.timeout(900)
def test_four_workers_of_two_commands_that_are_killed_in_turn(
    undisturbed: Path, tiny_run: TinyRun, tmp_path: Path
) -> None:
    out, draw, kills = tmp_path / "out", random.Random(1), 0
    with somewhere(tmp_path) as url:
        storage = ["--storage", url]
        commands: list[ForkServerProcess] = []
        count = 2 if url.startswith("postgresql") else 1

        def begin() -> None:
            line = words(undisturbed / "s.yaml", out, "--workers", str(4 // count), *storage)
            commands.append(start(line, tmp_path / f"log{len(commands)}", tiny_run.all_stages))

        begin()
        limit = time.monotonic() + 600
        while not (out / "trials" / "teacher").exists() and time.monotonic() < limit:
            time.sleep(0.1)
        if count == 2:
            begin()
        while any(one.is_alive() for one in commands) and time.monotonic() < limit:
            time.sleep(draw.uniform(0.2, 1.5))
            alive = [w for one in commands if one.is_alive() for w in _workers(one.pid or 0)]
            if alive and kills < 8:
                draw.choice(alive).kill()
                kills += 1
        said = "".join((tmp_path / f"log{n}").read_text() for n in range(len(commands)))
        for one in commands:
            one.join(60)
        assert [one.exitcode for one in commands] == [0] * count, said
        assert kills >= 1 and "Traceback" not in said, said
        assert b"not-a-secret" not in said.encode() + b"".join(p.read_bytes() for p in out.rglob("*") if p.is_file())
        driver = url.replace("postgresql:", "postgresql+psycopg:")
        check_like_undisturbed(out, undisturbed, driver)


def _workers(pid: int) -> list[psutil.Process]:
    try:
        return workers_of(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return []


def test_a_heartbeat_that_stops_is_noticed_by_the_databases_clock(tmp_path: Path) -> None:
    if programs() is None:
        pytest.skip("needs a database server")
    with postgres() as url:
        plan = StudyPlan(url.replace(":", "+psycopg:", 1), "beating", "text", ("macs",), (True,), SamplerPlan(), 1)
        study = SearchStudy(plan)
        recovery = Recovery(study, SearchPaths(tmp_path), 1)
        study.enqueue({"x": 1}, Notes(enqueued_as="enqueued-0"))
        living, dying = study.take(), study.take()
        for taken, worker in ((living, "another-a"), (dying, "another-b")):
            taken.note(Notes(worker=worker))
        with dying.alive():
            pass
        with living.alive():
            limit = time.monotonic() + 20
            while len(study.entries()) < 3 and time.monotonic() < limit:
                recovery.take_up()
                time.sleep(0.2)
            states = [entry.state for entry in study.entries()]
    assert states == ["running", "failed", "waiting"]


def test_a_trial_that_ends_its_process_every_time_is_given_up(tmp_path: Path) -> None:
    file = tmp_path / "s.sqlite3"
    plan = StudyPlan(f"sqlite:///{file}", "poison", "text", ("macs",), (True,), SamplerPlan(), own_file=file)
    study = SearchStudy(plan)
    recovery = Recovery(study, SearchPaths(tmp_path), 60)
    study.enqueue({}, Notes(enqueued_as="enqueued-0"))
    for _ in range(MOST_RETRIES + 1):
        taken = study.take()
        taken.note(Notes(enqueued_as="enqueued-0", worker="dead", **_history(taken.notes)))  # type: ignore[arg-type]
        recovery.take_up()
    found = study.entries()
    assert len(found) == MOST_RETRIES + 1 and {entry.state for entry in found} == {"failed"}
    assert [entry.counts for entry in found] == [False] * MOST_RETRIES + [True]
    assert f"{MOST_RETRIES + 1} times" in (found[-1].notes.error or "") and found[-1].root == 0


def _history(notes: Notes) -> dict[str, object]:
    return {"first": notes.first, "retry_of": notes.retry_of, "retries": notes.retries}


def test_a_full_disk_is_told_and_costs_nothing_that_was_finished(
    undisturbed: Path, tiny_run: TinyRun, tmp_path: Path
) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    ended = []
    for limit in (300, 30_000, 105_000, 200_000, 1_000_000):
        code = call(words(undisturbed / "s.yaml", out), log, tiny_run.all_stages, Fate(file_limit=limit))
        said = log.read_text()
        assert code == 1 and "Traceback" not in said, said
        assert said.splitlines()[-1].endswith("the same command goes on from here"), said
        ended.append(said.splitlines()[-1])
    assert len(set(ended)) >= 3
    assert call(words(undisturbed / "s.yaml", out), log, tiny_run.all_stages) == 0, log.read_text()
    check_like_undisturbed(out, undisturbed)


def test_two_searches_in_one_folder(undisturbed: Path, tiny_run: TinyRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    processes = [
        start(words(undisturbed / "s.yaml", out), tmp_path / f"{n}.log", tiny_run.all_stages) for n in range(2)
    ]
    for process in processes:
        process.join(400)
        assert process.exitcode is not None
    assert sorted(process.exitcode or 0 for process in processes) == [0, 2]
    refused = next(n for n, process in enumerate(processes) if process.exitcode)
    assert "another run is writing here" in (tmp_path / f"{refused}.log").read_text()
    check_like_undisturbed(out, undisturbed)
