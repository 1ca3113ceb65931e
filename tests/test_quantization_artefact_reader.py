"""An int8 artefact read back is the network and the grids that it was written from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LICENCE
from training_targets import tiny_teacher

from compress.core.candidate import Candidate, content_id
from compress.export.onnx_export import cut_at_stage, export_all_stages, save_artefact
from compress.quantization.artefact_reader import read_artefact
from compress.quantization.calibrate import Fitted, fit
from compress.quantization.equalization import folded
from compress.quantization.qdq_graph import quantized_graph
from compress.reconstruction.visitor import convolutions
from compress.run.builder import largest_difference
from compress.steps.base import SettingError
from compress.steps.context import StepContext
from compress.steps.load_model import LoadModel
from eval.runtimes import RUNTIMES
from teachers.common.errors import UserError
from teachers.registry import teacher_spec

ZOO = Path(__file__).resolve().parents[1] / "zoo" / "thin-3-int8" / "model.onnx"


@pytest.fixture(scope="module")
def made() -> Fitted:
    network = folded(tiny_teacher())
    images = torch.randint(0, 256, (2, 3, 64, 80), generator=torch.Generator().manual_seed(1)).float()
    return fit(network, [images], frozenset([*convolutions(network)][1:]))  # the first layer stays in float


@pytest.fixture(scope="module")
def artefact(made: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("artefact") / "model.onnx"
    save_artefact(quantized_graph(made.network, made.quantization), made.network, LICENCE, path)
    return path


def test_it_is_the_network_it_was_written_from(made: Fitted, artefact: Path) -> None:
    found = read_artefact(artefact)
    assert found.quantization == made.quantization and found.licence == LICENCE
    theirs = made.network.state_dict()
    assert found.network.state_dict().keys() == theirs.keys()
    for name, tensor in found.network.state_dict().items():
        # A bias is written in steps of 32 bits.
        np.testing.assert_allclose(tensor.numpy(), theirs[name].numpy(), rtol=1e-4, atol=1e-5)
    again = artefact.with_name("again.onnx")
    save_artefact(quantized_graph(found.network, found.quantization), found.network, LICENCE, again)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 80)).astype(np.float32)
    sessions = [RUNTIMES["onnxruntime"].load(path, 1) for path in (artefact, again)]
    for ours, his in zip(*(session.run(image) for session in sessions), strict=True):
        np.testing.assert_array_equal(ours, his)


def test_the_zoos_model_is_read_bit_by_bit() -> None:
    network, licence, quantization = read_artefact(ZOO)
    candidate = Candidate(network, licence, content_id(network, quantization), quantization=quantization)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 80)).astype(np.float32)
    assert largest_difference(candidate, ZOO, [image]) == 0.0


def test_load_model_puts_it_in_the_candidates_place(artefact: Path) -> None:
    teacher = Candidate.of(tiny_teacher(), LICENCE)
    step = LoadModel(model=str(artefact))
    assert step.ends and step.files == (str(artefact),)
    made = step.apply(teacher, StepContext(seed=0))
    assert made.quantization is not None and made.spec == step.check(teacher.spec)


def test_what_is_no_whole_artefact_is_told(artefact: Path, tmp_path: Path) -> None:
    teacher = tiny_teacher()
    whole = tmp_path / "float.onnx"
    save_artefact(cut_at_stage(export_all_stages(teacher), 1), teacher, LICENCE, whole)
    cut, none = tmp_path / "cut.onnx", tmp_path / "none.onnx"
    cut.write_bytes(artefact.read_bytes()[:1000])
    for path, message in ((whole, "holds no stages"), (cut, "not a whole ONNX file"), (none, "no such file")):
        with pytest.raises(UserError, match=message):
            read_artefact(path)
        with pytest.raises(SettingError, match="model"):
            LoadModel(model=str(path)).check(teacher.spec)


def test_a_model_of_other_keypoints_is_refused() -> None:
    spec = teacher_spec("openpose-mobilenet-thin")
    other = spec.model_copy(update={"skeleton": spec.skeleton.model_copy(update={"name": "other"})})
    with pytest.raises(SettingError, match="finds the keypoints of"):
        LoadModel(model=str(ZOO)).check(other)
