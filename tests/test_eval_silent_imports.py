"""Nothing is left in the user's home, nobody is told that this runs: a process of its own with an empty home."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from compress_tiny_run import TinyRun, tree

ROOT = Path(__file__).parent.parent
OURS = ".cache/pose-compress/"

EVERYTHING = """
import importlib, pkgutil, sys
sys.path.insert(0, "tests")
import compress, eval, students, teachers
for package in (compress, eval, students, teachers):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from compress.cli.main import run_command
from eval.runtimes import RUNTIMES
out, written = sys.argv[1:]
for runtime in RUNTIMES.values():
    if runtime.missing() is None:
        runtime.start()
assert run_command(["report", out, "--out", written + "/report"]) == 0
words = ["predict", out + "/candidates/stages-1", out + "/../photos/photo0.png", "--out", written + "/people"]
assert run_command(words) == 0
"""
SCRIPT = """
import runpy, sys
sys.argv[:] = [sys.argv[1], *sys.argv[2:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
WANDB = """
import sys
sys.path.insert(0, "tests")
from pathlib import Path
from tracking_calls import tell
tell(Path(sys.argv[1]), "wandb")
"""


def left_by(home: Path, program: str, *arguments: str | Path) -> set[str]:
    """Runs the program with `home` as home, and with nothing in the environment; what lies in it afterwards."""
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return {name for name in tree(home) if not name.startswith(OURS)}


def test_all_that_is_ours_leaves_nothing_outside_its_cache(tiny_run: TinyRun, tmp_path: Path) -> None:
    assert left_by(tmp_path / "home", EVERYTHING, tiny_run.out, tmp_path / "written") == set()
    assert tree(tmp_path / "home"), "matplotlib's list of fonts is kept, and was looked for where it would lie"
    assert (tmp_path / "written/report/report.html").is_file() and list((tmp_path / "written/people").iterdir())


def test_the_single_file_of_bench_leaves_nothing(tiny_run: TinyRun, tmp_path: Path) -> None:
    from compress.cli.bench import script_text

    (tmp_path / "alone.py").write_text(script_text())
    artefact = tiny_run.out / "candidates/stages-1/model.onnx"
    words = [
        tmp_path / "alone.py",
        artefact,
        "--height",
        "64",
        "--width",
        "64",
        "--rounds",
        "3",
        "--out",
        tmp_path / "t",
    ]
    assert left_by(tmp_path / "home", SCRIPT, *words) == set()
    assert (tmp_path / "t").is_file()


def test_wandb_leaves_nothing_outside_the_run(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    assert left_by(tmp_path / "home", WANDB, tmp_path / "out") == set()
    assert (tmp_path / "out/tracking/wandb").is_dir()


@pytest.mark.parametrize(("library", "way"), [("onnxruntime", "import_onnxruntime"), ("openvino", "import_openvino")])
def test_the_door_keeps_quiet_what_would_not_be(library: str, way: str, tmp_path: Path) -> None:
    """What the library leaves by itself is what the door keeps away; a library that leaves nothing any more is fine."""
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    use = "; import time; time.sleep(0.5)"
    by_itself = left_by(tmp_path / "open", f"import {library}{use}")
    assert left_by(tmp_path / "home", f"from eval.silent_imports import {way}; {way}(){use}") == set()
    if library == "onnxruntime" and not by_itself:
        pytest.skip("this build of onnxruntime has no telemetry")
