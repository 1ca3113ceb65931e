"""Peak memory of a fresh process: it sees what the artefact needs, not what this process or its settings hold."""

from pathlib import Path

import numpy as np
import pytest
from eval_tiny_artefact import write_tiny_artefact

from eval.memory import ProbeError, peak_memory

MIB = 2**20


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_artefact(tmp_path_factory.mktemp("tiny") / "tiny.onnx")


def test_larger_inputs_need_more_memory(artefact: Path) -> None:
    small = peak_memory(artefact, (64, 64), "onnxruntime", 1)
    large = peak_memory(artefact, (1600, 2400), "onnxruntime", 1)
    image = 3 * 1600 * 2400 * 4
    assert small.peak_bytes > small.before_load_bytes > 10 * MIB
    assert large.peak_bytes - small.peak_bytes > 0.9 * image
    assert abs(large.before_load_bytes - small.before_load_bytes) < 8 * MIB, "the image does not belong to it"


def test_this_process_and_its_settings_do_not_count(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = peak_memory(artefact, (64, 64), "onnxruntime", 1)
    ballast = np.ones(300 * MIB, np.uint8)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    monkeypatch.setenv("MALLOC_TOP_PAD_", str(200 * MIB))
    during = peak_memory(artefact, (64, 64), "onnxruntime", 1)
    assert ballast.any()
    assert abs(during.peak_bytes - before.peak_bytes) < 16 * MIB


def test_a_folder_called_eval_where_the_user_stands_is_not_ours(
    artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "__init__.py").write_text("raise RuntimeError('not ours')")
    monkeypatch.chdir(tmp_path)
    assert peak_memory(artefact, (64, 64), "onnxruntime", 1).peak_bytes > 10 * MIB


def test_an_error_of_the_process_comes_back(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=r"missing\.onnx: no such artefact"):
        peak_memory(tmp_path / "missing.onnx", (64, 64), "onnxruntime", 1)
