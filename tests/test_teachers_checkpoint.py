"""A model on disk comes back bit for bit, and whatever differs is named."""

from pathlib import Path

import pytest
import torch
from conftest import LICENCE, tiny_spec
from safetensors.torch import load_file, save, save_file

from teachers.checkpoint import SPEC, WEIGHTS, load_model, load_spec, save_model
from teachers.common.errors import UserError
from teachers.licence import LICENCE_FILE
from teachers.posenet import PoseNet
from teachers.registry import load_teacher, teacher_spec
from teachers.write_safetensors import write_safetensors


@pytest.fixture
def folder(tiny: PoseNet, tmp_path: Path) -> Path:
    save_model(tmp_path / "model", tiny, LICENCE)
    return tmp_path / "model"


def test_round_trip_is_exact(tiny: PoseNet, folder: Path) -> None:
    network, licence = load_model(folder)
    assert licence == LICENCE
    assert network.spec == tiny.spec
    assert network.state_dict().keys() == tiny.state_dict().keys()
    for name, tensor in tiny.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
    assert {path.name for path in folder.iterdir()} == {SPEC, WEIGHTS, LICENCE_FILE}
    assert LICENCE.name in (folder / LICENCE_FILE).read_text()


def test_the_file_is_the_librarys_own_byte_for_byte(tmp_path: Path) -> None:
    """Every type and what is odd about tensors: empty, without dimensions, not contiguous, a name that is not ASCII."""
    tensors = {
        "b": torch.randn(3, 4), "a": torch.randn(2), "half": torch.randn(5).half(), "brain": torch.randn(3).bfloat16(),
        "größe": torch.arange(3), "empty": torch.zeros(0, 3), "one": torch.tensor(2.0), "turned": torch.randn(4, 3).t(),
        "wide": torch.randn(2).double(),
    }  # fmt: skip
    write_safetensors(tmp_path / "ours", tensors, {"licence": '{"name": "größe"}'})
    plain = {name: tensor.contiguous() for name, tensor in tensors.items()}
    assert (tmp_path / "ours").read_bytes() == save(plain, {"licence": '{"name": "größe"}'})
    found = load_file(tmp_path / "ours")
    assert all(torch.equal(tensor, found[name]) for name, tensor in tensors.items())


def test_a_model_folder_is_a_teacher(folder: Path) -> None:
    assert teacher_spec(str(folder)) == tiny_spec()
    assert load_teacher(str(folder))[1] == LICENCE


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("backbone.layers.0.conv.bias", None, "missing"),
        ("backbone.layers.0.conv.bias", torch.zeros(5), r"expected shape \(4,\), found \(5,\)"),
        ("backbone.layers.0.conv.bias", torch.zeros(4).half(), r"expected torch.float32, found torch.float16"),
        ("stowaway", torch.zeros(1), "unexpected"),
    ],
)
def test_what_differs_is_named(folder: Path, name: str, change: torch.Tensor | None, message: str) -> None:
    tensors = load_file(folder / WEIGHTS)
    if change is None:
        del tensors[name]
    else:
        tensors[name] = change
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(UserError, match=f"{name}: {message}"):
        load_model(folder)


def test_weights_cut_short_are_refused(folder: Path) -> None:
    whole = (folder / WEIGHTS).read_bytes()
    cuts = (0, 7, len(whole) // 2, len(whole) - 1)
    for cut in cuts:
        (folder / WEIGHTS).write_bytes(whole[:cut])
        with pytest.raises(UserError, match=WEIGHTS):
            load_model(folder)
    assert cuts


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\x00"])
def test_a_damaged_spec_is_refused(folder: Path, text: str) -> None:
    (folder / SPEC).write_text(text)
    with pytest.raises(UserError, match=SPEC):
        load_model(folder)


def test_an_unknown_teacher_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="openpose-mobilenet-thin"):
        teacher_spec("openpose-mobilnet-thin")
    with pytest.raises(UserError, match=SPEC):
        teacher_spec(str(tmp_path))


def test_a_spec_with_a_byte_order_mark_is_read(tmp_path: Path, tiny: PoseNet) -> None:
    (tmp_path / "spec.json").write_text(tiny.spec.to_json(), encoding="utf-8-sig")
    assert load_spec(tmp_path) == tiny.spec
