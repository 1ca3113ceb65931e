"""Runtimes: one contract test for all. Those that are not installed are skipped, and say so."""

import gc
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LICENCE, tiny_spec
from eval_tiny_artefact import skip_if, write_tiny_artefact

from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import ExportRequest
from compress.export.shipping import Image, ship
from eval.runtimes import RUNTIMES
from eval.runtimes.facts import FORMAT, facts_file
from teachers.common.errors import UserError
from teachers.common.install import install_command
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

HW = (64, 80)


def _tiny() -> PoseNet:
    torch.manual_seed(0)
    return PoseNet(tiny_spec()).eval()


@pytest.fixture(scope="module")
def onnx_artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_artefact(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


@pytest.fixture(scope="module", params=RUNTIMES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A runtime's name and an artefact of the tiny network in its own format."""
    name: str = request.param
    exporter = next(one for one in EXPORTERS.values() if one.runtime == name)
    skip_if(name, RUNTIMES[name].missing() or exporter.missing())
    path = tmp_path_factory.mktemp(name) / f"model{exporter.suffix}"
    frame = np.random.default_rng(0).integers(0, 256, (*HW, 3), np.uint8)
    ship(_tiny(), exporter, path, ExportRequest(HW, "fp32", LICENCE), Image(frame, "random"))
    return name, path


def test_maps_are_the_networks_at_every_thread_count(made: tuple[str, Path]) -> None:
    name, artefact = made
    runtime = RUNTIMES[name]
    assert runtime.name == name
    assert runtime.version[0].isdigit()
    image = np.random.default_rng(1).uniform(0, 255, (1, 3, *HW)).astype(np.float32)
    with torch.inference_mode():
        expected = _tiny()(torch.from_numpy(image))
    for threads in (1, 2):
        session = runtime.load(artefact, threads)
        found = session.run(image)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
        np.testing.assert_array_equal(session.outputs(image, ["pafs"])[0], found[1])
        del session  # one runtime has one pool for all of its artefacts


def test_maps_stay_when_the_next_session_runs(made: tuple[str, Path]) -> None:
    """Sessions share memory in some runtimes: results that were handed out must not be written over."""
    name, artefact = made
    gc.collect()
    one, other = (RUNTIMES[name].load(artefact, 1) for _ in range(2))
    kept = one.run(np.full((1, 3, *HW), 10.0, np.float32))[0]
    before = kept.copy()
    for value in range(20):
        for session in (one, other):
            session.run(np.full((1, 3, *HW), float(value), np.float32))
    np.testing.assert_array_equal(kept, before)


def test_spec_and_licence_travel(made: tuple[str, Path]) -> None:
    name, artefact = made
    carried = RUNTIMES[name].load(artefact, 1).metadata()
    assert PoseNetSpec.model_validate_json(carried["spec"]) == tiny_spec()
    assert Licence.model_validate_json(carried["licence"]) == LICENCE


def _copy(artefact: Path, folder: Path) -> Path:
    shutil.copytree(artefact.parent, folder)
    return folder / artefact.name


def test_what_is_no_artefact_is_a_users_mistake(made: tuple[str, Path], tmp_path: Path) -> None:
    name, artefact = made
    runtime = RUNTIMES[name]
    files = [path.name for path in artefact.parent.iterdir() if path.suffix != ".json"]
    assert files
    for number, file in enumerate(files):
        whole = (artefact.parent / file).read_bytes()
        for title, content in {"empty": b"", "cut": whole[: len(whole) // 2], "zeros": bytes(64)}.items():
            path = _copy(artefact, tmp_path / f"{title}{number}")
            path.with_name(file).write_bytes(content)
            with pytest.raises(UserError, match=title):
                runtime.load(path, 1)
    with pytest.raises(UserError, match="no such artefact"):
        runtime.load(tmp_path / f"missing{artefact.suffix}", 1)


def test_facts_beside_an_artefact_are_checked(made: tuple[str, Path], tmp_path: Path) -> None:
    name, artefact = made
    if not facts_file(artefact).exists():
        assert name == "onnxruntime"
        return
    facts = json.loads(facts_file(artefact).read_text())
    flipped = _copy(artefact, tmp_path / "flipped")
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 1
    flipped.write_bytes(data)
    with pytest.raises(UserError, match="damaged"):
        RUNTIMES[name].load(flipped, 1)
    wrong = {
        "is of format 2": facts | {"format": FORMAT + 1},
        "does not hold the facts": facts | {"files": {"../elsewhere": "0"}},
        "does not hold the facts of": {"format": FORMAT},
        "must be a JSON object": [],
    }
    for number, (message, content) in enumerate(wrong.items()):
        path = _copy(artefact, tmp_path / str(number))
        facts_file(path).write_text(json.dumps(content))
        with pytest.raises(UserError, match=message):
            RUNTIMES[name].load(path, 1)
    path = _copy(artefact, tmp_path / "alone")
    facts_file(path).unlink()
    with pytest.raises(UserError, match=f"{artefact.name}.json is missing"):
        RUNTIMES[name].load(path, 1)


def test_another_size_than_a_fixed_one_is_refused(made: tuple[str, Path]) -> None:
    name, artefact = made
    image = np.zeros((1, 3, 72, 80), np.float32)
    session = RUNTIMES[name].load(artefact, 1)
    exporter = next(one for one in EXPORTERS.values() if one.runtime == name)
    if exporter.fixed_size:
        with pytest.raises(UserError, match="was exported for an input of 64x80, got 72x80"):
            session.run(image)
    else:
        assert session.run(image)[0].shape == (1, 19, 9, 10)


@pytest.mark.parametrize("name", [name for name in RUNTIMES if ".onnx" in RUNTIMES[name].suffixes])
def test_onnx_at_any_size(name: str, onnx_artefact: Path, tmp_path: Path) -> None:
    runtime = RUNTIMES[name]
    skip_if(name, runtime.missing())
    session = runtime.load(onnx_artefact, 1)
    for height, width in ((16, 24), (64, 40), (8, 8)):
        image = np.random.default_rng(1).uniform(0, 255, (1, 3, height, width)).astype(np.float32)
        found = session.run(image)
        assert [maps.shape for maps in found] == [(1, count, height // 8, width // 8) for count in (19, 38)]
    with pytest.raises(UserError, match="takes picture, expected one input, `image`"):
        runtime.load(write_tiny_artefact(tmp_path / "other.onnx", image="picture"), 1)


def test_the_number_of_threads_arrives(made: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What each library was told, read from the library itself where it says so."""
    name, artefact = made
    gc.collect()
    session = RUNTIMES[name].load(artefact, 2)
    session.run(np.zeros((1, 3, *HW), np.float32))
    if name == "executorch":
        from executorch.extension.pybindings import portable_lib

        assert portable_lib._threadpool_get_thread_count() == 2
        with pytest.raises(UserError, match="one thread pool for all artefacts"):
            RUNTIMES[name].load(artefact, 1)
    elif name == "onnxruntime":
        assert session._session.get_session_options().intra_op_num_threads == 2  # type: ignore[attr-defined]
    elif name == "litert":
        from ai_edge_litert import interpreter

        asked: list[int] = []
        real = interpreter.Interpreter
        monkeypatch.setattr(
            interpreter, "Interpreter", lambda *a, num_threads: (asked.append(num_threads), real(*a))[1]
        )
        RUNTIMES[name].load(artefact, 2)
        assert asked == [2]
    else:
        held = session._run.__closure__[0].cell_contents  # type: ignore[attr-defined]
        cells = {cell.cell_contents for cell in session._run.__closure__}  # type: ignore[attr-defined]
        told = [one.opt.num_threads for one in cells if hasattr(one, "opt")]
        if name == "openvino":
            told = [held.get_compiled_model().get_property("INFERENCE_NUM_THREADS")]
        # OpenVINO starts no more than the cores that this process may use.
        most = len(os.sched_getaffinity(0)) if name == "openvino" else 2
        assert told == [min(2, most)]


def test_a_runtime_that_is_not_installed_names_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("eval.runtimes.base._is_there", lambda module: False)
    others = [name for name in RUNTIMES if name != "onnxruntime"]
    assert len(others) >= 4
    for name in others:
        with pytest.raises(UserError, match=re.escape(install_command(name))):
            RUNTIMES[name].load(tmp_path / "any", 1)


def test_what_runs_on_a_phone_loads_no_torch(onnx_artefact: Path) -> None:
    """Measured, not read from the imports: nothing that these modules import imports it either."""
    code = (
        "import sys, pathlib, eval.latency, eval.memory, eval.memory_probe, eval.allocation\n"
        "from eval.runtimes import RUNTIMES\n"
        "RUNTIMES['onnxruntime'].load(pathlib.Path(sys.argv[1]), 1)\n"
        "assert 'onnxruntime' in sys.modules\n"
        "print(sorted({'torch', 'cv2', 'scipy', 'pydantic', 'onnx', 'openvino', 'ncnn'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(onnx_artefact)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
