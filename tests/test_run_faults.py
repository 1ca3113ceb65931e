"""A run that is killed, stopped, damaged or starved of disk goes on by the same command, to the same tables."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from compress_children import Fate, call, start
from compress_tiny_run import NAMES, QUICK, TinyRun, fact_counts, fidelity, journal, records, rows, set_to, tree

ROUNDS = 3


def words_for(run: TinyRun, out: Path, *more: str) -> list[str]:
    return ["run", str(run.recipe), "--out", str(out), *more]


def check_like_undisturbed(run: TinyRun, out: Path) -> None:
    """The tables of an undisturbed run, every fact measured once, rounds continued, nothing half left."""
    assert fidelity(out) == fidelity(run.out)
    same = ("name", "steps", "stages", "params", "macs", "size_bytes", "note")
    assert [[row[column] for column in same] for row in rows(out)] == [
        [row[column] for column in same] for row in rows(run.out)
    ]
    assert fact_counts(out).values() and Counter(fact_counts(out).values()) == Counter(fact_counts(run.out).values())
    assert sorted(record["name"] for record in records(out)) == sorted(NAMES)
    rounds = Counter(entry["fact"]["scale"] for entry in journal(out) if "seconds" in entry["fact"])
    assert rounds == {0.25: ROUNDS, 0.5: ROUNDS}
    assert all(float(row["latency_ratio_ci_low"]) <= float(row["latency_ratio"]) for row in rows(out))
    assert {path for path in tree(out) if not path.startswith("figures/")} == {
        path for path in tree(run.out) if not path.startswith("figures/")
    }


def test_killed_again_and_again_a_run_still_ends_like_an_undisturbed_one(tiny_run: TinyRun, tmp_path: Path) -> None:
    draw, kills, code = random.Random(0), 0, -signal.SIGKILL
    log, out = tmp_path / "log", tmp_path / "out"
    while code == -signal.SIGKILL and kills < 60:
        # Three writes open every call: a kill before the fourth would never get anywhere.
        fate = Fate(at_flush=draw.randint(1, 3) if kills < 2 else draw.randint(4, 9 + kills))
        code = call(words_for(tiny_run, out), log, tiny_run.all_stages, fate)
        kills += code == -signal.SIGKILL
    assert code == 0, log.read_text()
    assert kills > 5
    check_like_undisturbed(tiny_run, out)


def test_a_kill_in_the_middle_of_the_program_itself(tiny_run: TinyRun, tmp_path: Path) -> None:
    """`python -m compress` as a user starts it, killed once it has noted some facts."""
    out = shutil.copytree(tiny_run.out, tmp_path / "out")
    for name in ("records.jsonl", "candidates.csv", "latency.csv", "report.md", "report.html"):
        (out / name).unlink()
    kept = [line for line in (out / "journal.jsonl").read_text().splitlines() if '"frame"' not in line][:5]
    (out / "journal.jsonl").write_text("\n".join(kept) + "\n")  # exported and built, nothing measured
    with subprocess.Popen(
        [sys.executable, "-m", "compress", *words_for(tiny_run, out)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        limit = time.monotonic() + 60
        while time.monotonic() < limit and _lines(out / "journal.jsonl") < 8:
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL and not (out / "candidates.csv").exists()
    noted = journal(out)
    assert len(noted) >= 8
    assert call(words_for(tiny_run, out), tmp_path / "log", tiny_run.all_stages) == 0
    assert journal(out)[: len(noted)] == noted
    check_like_undisturbed(tiny_run, out)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_ctrl_c_is_answered_in_one_line_that_says_how_to_go_on(tiny_run: TinyRun, tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    for flush in (1, 2, 12, 30):
        fate = Fate(at_flush=flush, interrupted=True)
        assert call(words_for(tiny_run, out), log, tiny_run.all_stages, fate) == 130
        *before, last = log.read_text().splitlines()
        assert last.startswith("compress: stopped; ") and last.endswith("the same command goes on from here")
        assert "Traceback" not in "".join(before)
        assert not [path for path in tree(out) if "partial" in path]
    assert len(journal(out)) > 8
    assert call(words_for(tiny_run, out), log, tiny_run.all_stages) == 0
    check_like_undisturbed(tiny_run, out)


@pytest.fixture
def ctrl_c_is_heard() -> Iterator[None]:
    """A suite that is started in the background of a script has Ctrl-C ignored, and its children inherit that.

    A handler of Python's is not inherited: a child begins with the system's own answer.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_ctrl_c_while_the_program_is_still_loading(tiny_run: TinyRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "compress", *words_for(tiny_run, out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        seen = next(line for line in process.stderr if "numpy" in line)
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
    assert seen and process.returncode == 130
    assert len(said) == 1 and said[0].startswith("compress: stopped; ")
    assert not out.exists()


DAMAGE = {
    "records cut short": ("records.jsonl", lambda whole: whole[:-100]),
    "journal cut short": ("journal.jsonl", lambda whole: whole[:-20]),
    "journal gone": ("journal.jsonl", None),
    "artefact gone": ("candidates/stages-2/model.onnx", None),
    "artefact cut short": ("candidates/stages-1/model.onnx", lambda whole: whole[: len(whole) // 2]),
    "artefact empty": ("candidates/teacher/model.onnx", lambda whole: b""),
    "weights gone": ("candidates/stages-2/weights.safetensors", None),
    "weights cut short": ("candidates/stages-2/weights.safetensors", lambda whole: whole[:-1]),
    "weights changed": ("candidates/stages-2/weights.safetensors", lambda whole: whole[:-1] + b"\x7f"),
    "spec is garbage": ("candidates/stages-1/spec.json", lambda whole: b"{"),
    "recipe of a candidate gone": ("candidates/stages-1/recipe.yaml", None),
    "all stages cut short": (".work/all-stages-*.onnx", lambda whole: whole[: len(whole) // 2]),
    "tables gone": ("candidates.csv", None),
    "report cut short": ("report.html", lambda whole: whole[:1000]),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_the_same_command_repairs(tiny_run: TinyRun, tmp_path: Path, kind: str) -> None:
    name, change = DAMAGE[kind]
    out = shutil.copytree(tiny_run.out, tmp_path / "out")
    before = _repaired(out)
    (path,) = out.glob(f"{name}*")
    whole = path.read_bytes()
    path.unlink()
    if change is not None:
        assert change(whole) != whole
        path.write_bytes(change(whole))
    # What is needed of the all-stages file is asked for only where something has to be built from it.
    if kind.startswith("all stages"):
        (out / "candidates/stages-1/model.onnx").unlink()
    log = tmp_path / "log"
    assert call(words_for(tiny_run, out), log, tiny_run.all_stages) == 0, log.read_text()
    if kind == "records cut short":
        check_like_undisturbed(tiny_run, out)
    else:
        assert _repaired(out) == before


def _repaired(out: Path) -> dict[str, bytes]:
    """Every file, but for the journal, and for the order of the keys in a weights file's header, which is random."""
    found = tree(out)
    del found["journal.jsonl"]
    weights = {path: data for path, data in found.items() if path.endswith(".safetensors")}
    assert len(weights) == len(NAMES)
    return found | {path: bytes(sorted(data)) for path, data in weights.items()}


def test_a_full_disk_is_told_and_costs_nothing_that_was_finished(tiny_run: TinyRun, tmp_path: Path) -> None:
    """A limit on file sizes stands for the disk: too small for the recipe, weights, exported graph, report."""
    log, out = tmp_path / "log", tmp_path / "out"
    noted: list[object] = []
    for limit, name in (
        (500, "recipe.yaml"),
        (20_000, "all-stages"),
        (105_000, ""),
        (1_000_000, "report.html"),
    ):
        assert call(words_for(tiny_run, out), log, tiny_run.all_stages, Fate(file_limit=limit)) == 1
        *_, last = log.read_text().splitlines()
        assert (
            last.startswith(f"compress: {out}/")
            and f"{name}" in last
            and ": File too large" in last
            and "goes on from here" in last
        )
        assert "Traceback" not in log.read_text() and not [path for path in tree(out) if "partial" in path]
        assert not noted or journal(out)[: len(noted)] == noted
        noted = list(journal(out)) if (out / "journal.jsonl").exists() else []
    assert len(noted) > 20
    assert call(words_for(tiny_run, out), log, tiny_run.all_stages) == 0, log.read_text()
    assert journal(out) == noted
    check_like_undisturbed(tiny_run, out)


def test_a_journal_that_can_grow_no_more(tiny_run: TinyRun, tmp_path: Path) -> None:
    """The disk is full in the middle of a line: what stands before it counts, the torn line does not."""
    log, out = tmp_path / "log", tmp_path / "out"
    shutil.copytree(tiny_run.out, out)
    (out / "records.jsonl").unlink()
    lines = (out / "journal.jsonl").read_bytes().splitlines(keepends=True)
    padding = b'{"fact": "%s", "key": "of another run"}\n' % (b"x" * 5_000_000)
    kept = lines[:12]
    (out / "journal.jsonl").write_bytes(padding + b"".join(kept))
    limit = (out / "journal.jsonl").stat().st_size + 100
    assert call(words_for(tiny_run, out), log, tiny_run.all_stages, Fate(file_limit=limit)) == 1
    assert (out / "journal.jsonl").stat().st_size == limit and "journal.jsonl: File too large" in log.read_text()
    assert call(words_for(tiny_run, out), log, tiny_run.all_stages) == 0, log.read_text()
    whole = (out / "journal.jsonl").read_bytes()
    assert whole.startswith(padding + b"".join(kept))
    _, torn, *added = whole.removeprefix(padding + b"".join(kept[:-1])).splitlines(keepends=True)
    assert len(torn) == 101 and added
    (out / "journal.jsonl").write_bytes(b"".join(kept + added))
    check_like_undisturbed(tiny_run, out)


def test_two_runs_at_once_in_one_folder(tiny_run: TinyRun, tmp_path: Path) -> None:
    out = tmp_path / "out"
    processes = [start(words_for(tiny_run, out), tmp_path / f"{n}.log", tiny_run.all_stages) for n in range(3)]
    for process in processes:
        process.join(60)
    assert sorted(process.exitcode or 0 for process in processes) == [0, 2, 2]
    refused = [n for n, process in enumerate(processes) if process.exitcode]
    for number in refused:
        said = (tmp_path / f"{number}.log").read_text()
        assert said == f"compress: {out}: another run is writing here; wait for it, or give --out another folder\n"
    check_like_undisturbed(tiny_run, out)


def test_a_fresh_start_that_was_cut_short_is_taken_up(tiny_run: TinyRun, tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    shutil.copytree(tiny_run.out, out)
    changed = words_for(tiny_run, out, *set_to(*QUICK, "candidates.0.name=only-{stages}"))
    assert call([*changed, "--fresh"], log, tiny_run.all_stages, Fate(at_flush=1)) == -signal.SIGKILL
    assert call([*changed, "--fresh"], log, tiny_run.all_stages) == 0, log.read_text()
    assert [row["name"] for row in rows(out)] == ["teacher", *(name.replace("stages", "only") for name in NAMES[1:])]


def test_a_reader_of_our_output_that_leaves_is_no_error_to_talk_about() -> None:
    """As in `compress teachers list | head -0`."""
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "compress", "teachers", "list"]
    done = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
