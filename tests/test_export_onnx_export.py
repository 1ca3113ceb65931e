"""The artefact: dynamic size, equal to its network, nothing of the exporting machine inside."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import LICENCE

from compress.core.candidate import Candidate
from compress.export.onnx_export import cut_at_stage, export_all_stages, save_artefact, stage_outputs
from compress.export.parity import ParityError
from compress.run.builder import largest_difference
from compress.steps.context import StepContext
from compress.steps.remove_stages import RemoveStages
from eval.runtimes import RUNTIMES
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec


@pytest.fixture(scope="module")
def network() -> PoseNet:
    from conftest import tiny_spec

    torch.manual_seed(0)
    return PoseNet(tiny_spec()).eval()


@pytest.fixture(scope="module")
def whole(network: PoseNet) -> onnx.ModelProto:
    return export_all_stages(network)


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_an_artefact_equals_its_network_at_any_size(
    network: PoseNet, whole: onnx.ModelProto, tmp_path: Path, stage: int
) -> None:
    candidate = RemoveStages(stages=stage).apply(Candidate.of(network, LICENCE), StepContext(seed=0))
    path = tmp_path / "model.onnx"
    save_artefact(cut_at_stage(whole, stage), candidate.network, LICENCE, path)
    random = np.random.default_rng(0)
    inputs = [random.uniform(0, 255, (1, 3, *hw)).astype(np.float32) for hw in ((64, 80), (16, 24), (184, 328))]
    assert largest_difference(candidate, path, inputs) < 1e-4


def test_another_networks_artefact_is_refused(network: PoseNet, whole: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_artefact(cut_at_stage(whole, 2), network, LICENCE, path)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 80)).astype(np.float32)
    with pytest.raises(ParityError, match="differ from the network's"):
        largest_difference(Candidate.of(network, LICENCE), path, [image])


def test_all_stages_come_from_one_pass(network: PoseNet, whole: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "all.onnx"
    onnx.save_model(whole, path)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 80)).astype(np.float32)
    names = [name for stage in (1, 2, 3) for name in stage_outputs(stage)]
    found = RUNTIMES["onnxruntime"].load(path, threads=1).outputs(image, names)
    expected = [part for maps in network.all_stages(torch.from_numpy(image)) for part in maps]
    assert len(found) == 6
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-5)


def test_spec_and_licence_travel_in_the_artefact(network: PoseNet, whole: onnx.ModelProto, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    save_artefact(cut_at_stage(whole, 3), network, LICENCE, path)
    model = onnx.load_model(path)
    carried = {prop.key: prop.value for prop in model.metadata_props}
    assert PoseNetSpec.model_validate_json(carried["spec"]) == network.spec
    assert Licence.model_validate_json(carried["licence"]) == LICENCE
    assert [value.name for value in model.graph.output] == ["heatmaps", "pafs"]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in shape] == [1, 3, 0, 0]


def test_the_artefact_names_no_file_of_the_exporting_machine(whole: onnx.ModelProto) -> None:
    data = whole.SerializeToString()
    assert len(data) > 1000
    for trace in (b".py", b"stack_trace", str(Path(__file__).parent.parent).encode()):
        assert trace not in data
