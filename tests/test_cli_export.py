"""compress export: proved, whole, or refused. Parity must be able to fail."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import LICENCE, tiny_spec
from eval_tiny_artefact import skip_if

from compress.cli.main import run_command
from compress.core.candidate import content_id
from compress.core.qparams import Int8, QuantParams
from compress.export import parity
from compress.export.exporters import EXPORTERS
from compress.export.exporters.base import ConversionError, ExportRequest, kept_quiet
from compress.export.onnx_export import load_graph, save_graph
from compress.export.parity import LIMITS, Expected, ParityError, compare_people, prove
from compress.export.shipping import Image, ship
from compress.quantization.calibrate import Fitted, fit
from compress.quantization.equalization import folded
from compress.quantization.integer_network import int8_maps
from compress.reconstruction.visitor import convolutions
from compress.run.load_candidate import saved_candidate
from eval.artefact_identity import network_of
from eval.people import Person
from eval.runtimes import RUNTIMES
from eval.runtimes.facts import read_facts
from teachers.checkpoint import load_model, save_model
from teachers.common.errors import UserError
from teachers.common.install import install_command
from teachers.posenet import PoseNet

FRAME = Image(np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8), "random")


def _tiny(seed: int = 0) -> PoseNet:
    torch.manual_seed(seed)
    return PoseNet(tiny_spec(1)).eval()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", _tiny(), LICENCE)
    return tmp_path / "model"


def test_the_contract_holds_for_every_converter() -> None:
    assert len(EXPORTERS) >= 6
    for name, exporter in EXPORTERS.items():
        assert exporter.name == name and exporter.suffix.startswith(".") and "fp32" in exporter.precisions
        assert exporter.runtime is None or exporter.suffix in RUNTIMES[exporter.runtime].suffixes
    loaded = {exporter.runtime for exporter in EXPORTERS.values()}
    assert set(RUNTIMES) <= loaded


@pytest.mark.parametrize("name", [name for name, one in EXPORTERS.items() if "fp16" in one.precisions])
def test_half_precision_is_smaller_and_within_its_limits(name: str, tmp_path: Path) -> None:
    exporter = EXPORTERS[name]
    skip_if(name, exporter.missing())
    sizes = {}
    for precision in ("fp32", "fp16"):
        path = tmp_path / precision / f"model{exporter.suffix}"
        shipped = ship(_tiny(), exporter, path, ExportRequest((64, 80), precision, LICENCE), FRAME)
        if name != "onnx":
            facts = json.loads(path.with_name(f"{path.name}.json").read_text())
            assert facts["precision"] == precision
            assert ("reason" in facts["parity"]) == (exporter.runtime is None)
        sizes[precision] = sum(
            one.stat().st_size for one in path.parent.rglob("*") if one.suffix in (".bin", ".onnx") and one.is_file()
        )
        if shipped.parity is not None and precision == "fp16":
            assert 1e-6 < shipped.parity.max_abs < LIMITS["fp16"].map_error
    assert sizes["fp16"] < (0.9 if name == "onnx" else 0.6) * sizes["fp32"]  # its names and spec are text


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("name", [name for name, one in EXPORTERS.items() if "int8" in one.precisions])
def test_an_int8_artefact_carries_the_candidates_own_numbers(name: str, mixed: bool, tmp_path: Path) -> None:
    exporter = EXPORTERS[name]
    if hint := exporter.missing():
        pytest.skip(hint)
    made = _int8(mixed)
    path = tmp_path / f"model{exporter.suffix}"
    shipped = ship(made.network, exporter, path, _request(made, made), FRAME)
    assert path in shipped.files
    assert shipped.parity is None or shipped.parity.rel_l2 < 0.01
    if exporter.runtime is not None and name != "onnx":
        facts = read_facts(path)
        assert (facts.precision, facts.network) == ("int8", content_id(made.network, made.quantization))


def test_a_core_ml_package_has_every_grid_and_every_int8_weight(tmp_path: Path) -> None:
    """No runtime here loads it, so its numbers are read out of the file."""
    exporter = EXPORTERS["coreml"]
    if hint := exporter.missing():
        pytest.skip(hint)
    import coremltools as ct

    made = _int8(False)
    path = tmp_path / "model.mlpackage"
    assert ship(made.network, exporter, path, _request(made, made), FRAME).parity is None
    model = ct.models.MLModel(str(path), skip_model_load=True)
    function = model.get_spec().mlProgram.functions["main"]
    operations = list(function.block_specializations[function.opset].operations)
    held = {
        one.outputs[0].name: one.attributes["val"].immediateValue.tensor for one in operations if one.type == "const"
    }
    found = {
        (held[one.inputs["scale"].arguments[0].name].floats.values[0], _zero_point(held, one.inputs))
        for one in operations
        if one.type == "quantize"
    }
    grids = {(np.float32(grid.scale), grid.zero - 128) for grid in made.quantization.grids.values()}
    assert len(grids) >= 8 and {(np.float32(scale), zero) for scale, zero in found} == grids
    assert sum(one.type == "constexpr_affine_dequantize" for one in operations) == len(made.quantization.weights)


def _zero_point(held: Mapping[str, Any], inputs: Mapping[str, Any]) -> int:
    """As of int8. The converter writes a zero point of -128 as uint8 with none, and leaves out what is 0."""
    unsigned = list(held[inputs["output_dtype"].arguments[0].name].strings.values) == ["uint8"]
    if "zero_point" not in inputs:
        return -128 if unsigned else 0
    raw = held[inputs["zero_point"].arguments[0].name].bytes.values
    return int(np.frombuffer(raw, np.uint8)[0]) - 128 if unsigned else int(np.frombuffer(raw, np.int8)[0])


def test_an_int8_artefact_on_other_grids_is_refused(tmp_path: Path) -> None:
    made = _int8(False)
    grids = made.quantization.grids
    narrow = {name: QuantParams(scale=0.3 * grid.scale, zero=grid.zero) for name, grid in grids.items()}
    other = Fitted(made.network, made.quantization.model_copy(update={"grids": narrow}))
    with pytest.raises(ParityError, match=r"by a relative L2 of .* at most 0\.0"):
        ship(made.network, EXPORTERS["onnx"], tmp_path / "x.onnx", _request(other, made), FRAME)
    assert list(tmp_path.iterdir()) == []


def test_weights_whose_sums_overflow_are_not_written_for_openvino(tmp_path: Path) -> None:
    exporter = EXPORTERS["openvino"]
    if hint := exporter.missing():
        pytest.skip(hint)
    made = _int8(False)
    name, steps = next(iter(made.quantization.weights.items()))
    with torch.no_grad():
        made.network.get_submodule(name).get_parameter("weight")[0] = 127 * steps[0]
    with pytest.raises(UserError, match="openvino: the network's int8 sums may overflow the 16 bits"):
        ship(made.network, exporter, tmp_path / "x.xml", _request(made, made), FRAME)
    assert list(tmp_path.iterdir()) == []


def _request(made: Fitted, expected: Fitted) -> ExportRequest:
    int8 = int8_maps(expected.network, expected.quantization)
    return ExportRequest((64, 80), "int8", LICENCE, quantization=made.quantization, int8=int8)


def _int8(mixed: bool) -> Fitted:
    """The tiny network on grids; mixed: its first layer and the heads of its last stage stay float."""
    network = folded(_tiny())
    images = torch.randint(0, 256, (2, 3, 64, 80), generator=torch.Generator().manual_seed(1)).float()
    layers = convolutions(network)
    return fit(network, [images], frozenset(layers[1:-2] if mixed else layers))


def test_an_artefact_of_another_network_is_refused_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = EXPORTERS["onnx"]
    real = type(exporter).convert
    monkeypatch.setattr(type(exporter), "convert", lambda self, _, path, request: real(self, _tiny(1), path, request))
    with pytest.raises(ParityError, match=r"model.onnx: heatmaps differ from the network's by .*; at most 0.0001"):
        ship(_tiny(), exporter, tmp_path / "model.onnx", ExportRequest((64, 80), "fp32", LICENCE), FRAME)
    assert list(tmp_path.iterdir()) == []


def test_keypoints_that_moved_are_refused_although_the_maps_are_near(monkeypatch: pytest.MonkeyPatch) -> None:
    network = _tiny()

    class Nudged:
        def run(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
            with torch.inference_mode():
                maps = network(torch.from_numpy(image))
            return maps.heatmaps.numpy() + np.float32(5e-5), maps.pafs.numpy()

    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 80)).astype(np.float32)
    assert prove(Expected(network), Nudged(), [image], "random", LIMITS["fp32"]).max_abs == pytest.approx(
        5e-5, rel=1e-2
    )
    found = iter([[_person((0, 0.2), (5, 5))], [_person((0, 0), (5, 5))]])
    monkeypatch.setattr(parity, "decode", lambda *_: next(found))
    with pytest.raises(ParityError, match=r"1 of 2 keypoints are not where the network's are, within 0.1 pixels"):
        prove(Expected(network), Nudged(), [image], "random", LIMITS["fp32"])
    with pytest.raises(ValueError, match="at least one image"):
        prove(Expected(network), Nudged(), [], "random", LIMITS["fp32"])


def _person(*points: tuple[float, float]) -> Person:
    return Person(np.array([(x, y, 0.0 if np.isnan(x) else 0.9) for x, y in points], np.float32), 1.0)


def test_people_are_compared_with_the_nearest() -> None:
    nothing = (np.nan, np.nan)
    left, right = _person((0, 0), (0, 10), nothing), _person((50, 0), (50, 10), (50, 20))
    assert compare_people([right, left], [left, right], 1.0) == (5, 0, 0.0)
    moved = _person((50, 0), (50, 13), (50, 20))
    assert compare_people([left, moved], [left, right], 1.0) == (5, 1, 3.0)
    assert compare_people([left], [left, right], 1.0)[:2] == (5, 3)
    assert compare_people([left, right], [left], 1.0)[:2] == (2, 3)
    assert compare_people([], [], 1.0) == (0, 0, 0.0)


def test_the_command_writes_and_tells(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(model.parent)
    assert run_command(["export", "model", "--to", "onnx", "--height", "64", "--width", "80"]) == 0
    assert "model.onnx: onnx fp32, input of any size" in capsys.readouterr().out
    assert RUNTIMES["onnxruntime"].load(model.parent / "model.onnx", 1).metadata()["spec"]


def test_an_onnx_file_of_ours_is_a_model_everywhere(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exported, packed and unpacked again from the file alone: the same network, weight by weight."""
    monkeypatch.chdir(model.parent)
    network, licence = load_model(model)
    assert run_command(["export", "model", "--to", "onnx"]) == 0
    assert saved_candidate("model.onnx").id == content_id(network) == network_of(Path("model.onnx"))[0]
    assert run_command(["export", "model.onnx", "--to", "onnx", "--out", "again.onnx"]) == 0
    assert run_command(["pack", "again.onnx", "--out", "m.posepack"]) == 0
    assert run_command(["unpack", "m.posepack", "--out", "back"]) == 0
    found, its_licence = load_model(Path("back"))
    assert content_id(found) == content_id(network) and its_licence == licence
    assert licence.name in Path("back/LICENCE.txt").read_text()
    capsys.readouterr()
    assert run_command(["export", "model.onnx", "--to", "onnx"]) == 2
    assert "would be written over the model itself" in capsys.readouterr().err
    assert run_command(["pack", "model.onnx", "--out", "./model.onnx"]) == 2
    assert "--out: is the model itself" in capsys.readouterr().err
    foreign = load_graph(Path("model.onnx"))
    del foreign.metadata_props[:]
    save_graph(foreign, Path("foreign.onnx"))
    for words in (
        ["export", "foreign.onnx", "--to", "onnx", "--out", "x.onnx"],
        ["pack", "foreign.onnx", "--out", "x"],
    ):
        assert run_command(words) == 2
        assert "is no artefact of ours" in capsys.readouterr().err
    assert not Path("x.onnx").exists() and not Path("x").exists()


def test_a_shipped_int8_model_is_read_from_its_file() -> None:
    found = saved_candidate("thin-3-int8")
    assert isinstance(found.quantization, Int8) and found.id == content_id(found.network, found.quantization)
    assert found.licence.name != "unknown"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "openvno"], "openvno: no such format (did you mean openvino?)"),
        (["--to", "onnx", "--height", "65"], "height: must be a multiple of 8 from 16 on, got 65; 64 would do"),
        (["--to", "onnx", "--precision", "int8"], "is a float network; int8 needs grids found on frames"),
        (["--to", "onnx", "--out", "model.pte"], "model.pte: the name of an artefact for onnx ends with .onnx"),
    ],
)
def test_wrong_use_is_one_line(words: list[str], message: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["export", str(model), *words]) == 2
    assert message in capsys.readouterr().err


def test_a_converter_that_is_not_installed_names_its_extra(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("eval.runtimes.base._is_there", lambda module: False)
    others = [name for name in EXPORTERS if name != "onnx"]
    assert len(others) >= 5
    for name in others:
        assert run_command(["export", str(model), "--to", name]) == 2
        assert install_command(name) in capsys.readouterr().err


def test_what_a_converter_prints_is_kept_and_told_when_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    import os

    with kept_quiet("x"):
        os.write(1, b"noise\n")
    with pytest.raises(ConversionError, match="x: KeyError: 'a'; it said: the last words"), kept_quiet("x"):
        os.write(2, b"the last words\n")
        raise KeyError("a")
    assert capfd.readouterr() == ("", "")
