"""Runtimes: maps of the right shape at any size, several sessions at once, clear errors for what is no artefact."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from eval_tiny_artefact import write_tiny_artefact

from eval.runtimes import RUNTIMES
from teachers.errors import UserError


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_artefact(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.mark.parametrize("name", RUNTIMES)
def test_maps_at_any_size_and_thread_count(name: str, artefact: Path) -> None:
    runtime = RUNTIMES[name]
    assert runtime.name == name
    assert runtime.version[0].isdigit()
    sessions = [runtime.load(artefact, threads) for threads in (1, 2)]
    for height, width in ((16, 24), (64, 40), (8, 8)):
        image = np.random.default_rng(1).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
        first, second = (session.run(image) for session in sessions)
        assert first[0].shape == (1, 19, height // 8, width // 8)
        assert first[1].shape == (1, 38, height // 8, width // 8)
        assert all(maps.dtype == np.float32 for maps in first)
        np.testing.assert_allclose(first[0], second[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", RUNTIMES)
def test_maps_stay_when_the_next_session_runs(name: str, artefact: Path) -> None:
    """Sessions share an arena: results that were handed out must not be written over."""
    one, other = (RUNTIMES[name].load(artefact, 1) for _ in range(2))
    kept = one.run(np.full((1, 3, 64, 64), 10.0, np.float32))[0]
    before = kept.copy()
    for value in range(20):
        other.run(np.full((1, 3, 64, 64), float(value), np.float32))
    np.testing.assert_array_equal(kept, before)


@pytest.mark.parametrize("name", RUNTIMES)
def test_what_is_no_artefact_is_a_users_mistake(name: str, artefact: Path, tmp_path: Path) -> None:
    whole = artefact.read_bytes()
    contents = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"spec: 1\n", "zeros": bytes(64)}
    for title, content in contents.items():
        path = tmp_path / f"{title}.onnx"
        path.write_bytes(content)
        with pytest.raises(UserError, match=title):
            RUNTIMES[name].load(path, 1)
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(UserError, match="no such artefact"):
            RUNTIMES[name].load(path, 1)
    with pytest.raises(UserError, match="takes picture, expected one input, `image`"):
        RUNTIMES[name].load(write_tiny_artefact(tmp_path / "other.onnx", image="picture"), 1)


def test_what_runs_on_a_phone_loads_no_torch(artefact: Path) -> None:
    """Measured, not read from the imports: nothing that these modules import imports it either."""
    code = (
        "import sys, pathlib, eval.latency, eval.memory, eval.memory_probe, eval.allocation\n"
        "from eval.runtimes import RUNTIMES\n"
        "RUNTIMES['onnxruntime'].load(pathlib.Path(sys.argv[1]), 1)\n"
        "assert 'onnxruntime' in sys.modules\n"
        "print(sorted({'torch', 'cv2', 'scipy', 'pydantic', 'onnx'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(artefact)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
