"""compress bench: the single file runs alone, and its numbers are those that eval.latency would give."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from eval_tiny_artefact import write_tiny_artefact

from compress.bench import standalone
from compress.cli.main import run_command
from compress.report.bench_times import read_bench
from eval.energy_counters import Counter
from eval.latency import Round, summarise, turn

WITHOUT = (
    "import sys\n"
    "class Refuse:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] in {'torch', 'compress', 'eval', 'teachers', 'onnx', 'cv2', 'pydantic'}:\n"
    "            raise ImportError(f'{name} is not here')\n"
    "sys.meta_path.insert(0, Refuse())\n"
    "import runpy\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


@pytest.fixture
def artefacts(tmp_path: Path) -> list[Path]:
    one = write_tiny_artefact(tmp_path / "one.onnx")
    return [one, Path(shutil.copy(one, tmp_path / "two.onnx"))]


def test_the_file_alone_times_and_writes(artefacts: list[Path], tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "compress_bench.py"
    assert run_command(["bench", "--script", str(alone)]) == 0
    asked = {"--height": "32", "--width": "40", "--rounds": "4", "--threads": "2", "--out": "t.json"}
    words = [*map(str, artefacts), *(word for pair in asked.items() for word in pair)]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(alone), *words],
        cwd=alone.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "two.onnx" in done.stdout
    found = json.loads((alone.parent / "t.json").read_text())
    assert sorted(path.name for path in alone.parent.iterdir()) == ["compress_bench.py", "t.json"]
    assert (found["threads"], found["input_hw"], found["rounds"]) == (2, [32, 40], 4)
    assert [row["file"] for row in found["artefacts"]] == ["one.onnx", "two.onnx"]
    for row, path in zip(found["artefacts"], artefacts, strict=True):
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert row["runtime"] == "onnxruntime" and row["version"][0].isdigit()
        assert 0 < row["median_ms"] <= row["p90_ms"]
        assert row["ratio_ci_low"] <= row["ratio"] <= row["ratio_ci_high"]
    assert found["artefacts"][0]["ratio"] == 1
    assert found["machine"]["cores"] >= 1
    assert found["energy"], "the counter, or why there is none"
    assert all(row["energy_mj"] is None or row["energy_mj"] > 0 for row in found["artefacts"])


def test_energy_is_measured_where_there_is_a_counter(artefacts: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(10**9))
    monkeypatch.setattr(standalone, "find_counter", lambda: (Counter("made up", lambda: float(next(ticks))), ""))
    monkeypatch.chdir(artefacts[0].parent)
    assert run_command(["bench", *map(str, artefacts), "--height", "16", "--width", "16", "--rounds", "3"]) == 0
    found = read_bench(Path("bench.json"))
    assert found.energy == "made up"
    assert [row.energy_mj for row in found.artefacts] == [pytest.approx(1000.0)] * 2, "a joule with every run"


def test_a_network_of_another_project_is_timed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its input is called, and whatever it says about itself."""
    foreign = write_tiny_artefact(tmp_path / "foreign.onnx", image="picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(standalone, "INPUT_HW", (16, 24))
    assert run_command(["bench", str(foreign), "--rounds", "3"]) == 0
    assert json.loads(Path("bench.json").read_text())["input_hw"] == [16, 24]


def test_its_statistics_are_those_of_eval_latency() -> None:
    seconds = np.random.default_rng(3).uniform(0.01, 0.02, (9, 3))
    names = ["a", "b", "c"]
    rounds = [Round(1.0, dict(zip(names, row, strict=True)), False, 0) for row in seconds]
    expected = summarise(rounds, "a", seed=0)
    found = standalone.summarise(seconds)
    assert len(found) == 3
    for name, timing in zip(names, found, strict=True):
        for field, value in timing.items():
            assert value == pytest.approx(getattr(expected[name].total, field))
    for count in range(1, 6):
        for number in range(3 * count):
            assert standalone.turn(count, number) == turn(list(range(count)), number)  # type: ignore[type-var,arg-type,comparison-overlap]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.onnx"], "missing.onnx: no such file"),
        (["picture.png"], r"picture.png: must end in .onnx, .xml"),
        ([], "no ARTEFACT was given"),
        (["one.onnx", "--rounds", "2"], "--rounds: must lie between 3 and 1000000, got 2"),
        (["one.onnx", "--threads", "0"], "--threads: must lie between 1 and 512, got 0"),
        (["cut.onnx"], "cut.onnx: onnxruntime cannot load it"),
        (["one.onnx", "--height", "3", "--rounds", "3"], "one.onnx: does not run at 3x656"),
        (["one.onnx", "--height", "16", "--width", "16", "--out", "no/where.json"], "no/where.json: cannot be written"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str],
    message: str,
    artefacts: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(artefacts[0].parent)
    Path("cut.onnx").write_bytes(artefacts[0].read_bytes()[:1000])
    before = sorted(Path().iterdir())
    assert run_command(["bench", *words]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert sorted(Path().iterdir()) == before


def test_a_runtime_that_is_not_here_is_named(artefacts: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    for name in ("ncnn", "openvino"):
        with pytest.raises(standalone.WrongUseError, match=f"{name} is not installed here: pip install {name}"):
            standalone.load(artefacts[0], name, 1)
