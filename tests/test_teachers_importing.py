"""Weights files of every kind: the network equals one written independently, and what does not fit is named."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from openpose_published import COCO, MPI, published, weights
from safetensors.torch import save_file
from teachers_caffe import caffemodel
from teachers_caffe import published as published_caffe
from torch import Tensor, nn

from teachers.checkpoint import load_model
from teachers.common.errors import UserError
from teachers.file_kinds import kind_of
from teachers.importing import CMU, Imported, import_files, write_model
from teachers.licence import Licence

State = dict[str, Tensor]
TERMS = Licence(name="my own", source="me")


def state_file(path: Path, state: State) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


def caffe_file(path: Path, stages: int = 1, heads: tuple[int, int] = COCO) -> Path:
    """The same weights as `weights(stages, heads)`, in Caffe's format."""
    state = weights(stages, heads, modules=False)
    layers = dict.fromkeys(name.rpartition(".")[0] for name in state)
    blobs = {name: (state[f"{name}.weight"].numpy(), state[f"{name}.bias"].numpy()) for name in layers}
    path.write_bytes(caffemodel(blobs))
    return path


def require_equal(imported: Imported, stages: int, heads: tuple[int, int]) -> None:
    """Every stage's maps against the plain torch network that the weights were made with."""
    pixels = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (1, 3, 64, 48)).astype(np.float32))
    with torch.inference_mode():
        expected = published(stages, heads)(pixels / 256 - 0.5)
        found = imported.network.all_stages(pixels)
    assert len(found) == len(expected) == stages
    compared = 0
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip((ours.pafs, ours.heatmaps), theirs, strict=True):
            assert float(other.std()) > 0.01
            assert float((one - other).norm() / other.norm()) < 1e-4
            compared += 1
    assert compared == 2 * stages


@pytest.mark.parametrize(
    "name, stages, heads, modules",
    [("body.pth", 2, COCO, True), ("body.safetensors", 1, COCO, False), ("body.bin", 1, MPI, True)],
)
def test_every_stage_equals_an_independent_network(
    tmp_path: Path, name: str, stages: int, heads: tuple[int, int], modules: bool
) -> None:
    imported = import_files([state_file(tmp_path / name, weights(stages, heads, modules))])
    assert imported.kind == ("openpose-coco-vgg19" if heads == COCO else "openpose-mpi-vgg19")
    assert not imported.network.training
    assert imported.notes == (f"{name}: the network has {stages} of the 6 published stages",)
    require_equal(imported, stages, heads)


def test_caffe_with_its_prototxt_in_any_order(tmp_path: Path) -> None:
    weights_file, prototxt = caffe_file(tmp_path / "w.caffemodel"), tmp_path / "p.prototxt"
    prototxt.write_text(published_caffe(COCO, 1)[0])
    require_equal(import_files([prototxt, weights_file]), 1, COCO)
    require_equal(import_files([weights_file]), 1, COCO)
    prototxt.write_text(published_caffe(MPI, 1)[0])
    with pytest.raises(UserError, match=r"w\.caffemodel: the weights are of coco-18, the prototxt is of mpi-15"):
        import_files([weights_file, prototxt])


def test_mpi_weights_given_as_coco_are_told(tmp_path: Path) -> None:
    path = caffe_file(tmp_path / "w.caffemodel", heads=MPI)
    with pytest.raises(UserError, match="holds openpose-mpi-vgg19, not openpose-coco-vgg19"):
        import_files([path], expected="openpose-coco-vgg19")
    assert import_files([path], expected="openpose-mpi-vgg19").network.spec.skeleton.name == "mpi-15"
    with pytest.raises(UserError, match="did you mean openpose-mpi-vgg19"):
        import_files([path], expected="openpose-mpi-vgg")


def test_the_published_tensorflow_graph(graph_file: Path) -> None:
    imported = import_files([graph_file])
    assert (imported.kind, imported.licence.name) == ("openpose-mobilenet-thin", "Apache-2.0")
    assert sum(tensor.numel() for tensor in imported.network.state_dict().values()) == 1_930_872


def test_prefix_and_half_precision_are_taken_and_said(tmp_path: Path) -> None:
    state = {f"module.{name}": tensor.half() for name, tensor in weights(1).items()}
    imported = import_files([state_file(tmp_path / "w.pth", state)])
    said = "; ".join(imported.notes)
    assert "'module.'" in said and "float16 were converted to float32" in said
    found = imported.network.state_dict()["backbone.layers.0.conv.weight"]
    torch.testing.assert_close(found, weights(1)["model0.conv1_1.weight"], rtol=1e-3, atol=1e-3)


def test_half_precision_in_a_caffe_file_is_taken_and_said(tmp_path: Path) -> None:
    whole, half = caffe_file(tmp_path / "w.caffemodel"), tmp_path / "half.caffemodel"
    cv2.dnn.shrinkCaffeModel(str(whole), str(half))
    said = "half.caffemodel: weights in float16 were converted to float32"
    imported = import_files([half])
    assert said in imported.notes and not any("float16" in note for note in import_files([whole]).notes)
    found = imported.network.state_dict()["backbone.layers.0.conv.weight"]
    torch.testing.assert_close(found, weights(1)["model0.conv1_1.weight"].half().float(), rtol=0, atol=0)


def test_the_weights_are_the_ones_that_were_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second copy of 209 MB would be one too many."""
    state = weights(1, COCO, modules=False)
    monkeypatch.setattr("teachers.importing.read_state_dict", lambda _: (state, ()))
    network = import_files([state_file(tmp_path / "w.pth", {"any": torch.ones(1)})]).network
    theirs = {tensor.data_ptr() for tensor in state.values()}
    assert {tensor.data_ptr() for tensor in network.state_dict().values()} == theirs and len(theirs) == len(state)


def test_the_licence_is_cmus_unless_stated_and_names_the_file(tmp_path: Path) -> None:
    path = state_file(tmp_path / "w.pth", weights(1))
    assumed, stated = import_files([path]).licence, import_files([path], TERMS).licence
    assert assumed.name == CMU.name and "non-commercial" in assumed.name and "assumed" in assumed.note
    assert (stated.name, stated.source) == (TERMS.name, TERMS.source)
    for licence in (assumed, stated):
        assert "imported from w.pth, sha256 " in licence.note and str(tmp_path) not in licence.note


def without(name: str) -> Callable[[State], object]:
    return lambda state: state.pop(name)


def replaced(name: str, tensor: Tensor) -> Callable[[State], object]:
    return lambda state: state.update({name: tensor})


WRONG: dict[str, tuple[Callable[[State], object], str]] = {
    "missing": (without("model0.conv3_2.bias"), r"conv3_2\.bias: missing"),
    "no head": (without("model1_1.conv5_5_CPM_L1.weight"), "no layer conv5_5_CPM_L1"),
    "unexpected": (replaced("fc.weight", torch.ones(1)), r"fc\.weight: unexpected"),
    "seventh stage": (replaced("model7_1.Mconv1_stage7_L1.weight", torch.ones(1)), "they must follow one another"),
    "shape": (
        replaced("model0.conv1_1.weight", torch.ones(64, 1, 3, 3)),
        r"expected shape \(64, 3, 3, 3\), found \(64, 1, 3, 3\)",
    ),
    "type": (replaced("model0.conv1_1.bias", torch.ones(64, dtype=torch.int64)), r"expected torch\.float32"),
    "not finite": (replaced("model0.conv1_1.bias", torch.full((64,), torch.nan)), "not finite"),
    "hands": (replaced("model1_1.conv5_5_CPM_L1.weight", torch.ones(22, 512, 1, 1)), "22 PAF and 19 heatmap"),
    "twice": (replaced("conv1_1.weight", torch.ones(64, 3, 3, 3)), r"conv1_1\.weight is there twice"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_named(tmp_path: Path, case: str) -> None:
    change, words = WRONG[case]
    state = weights(1)
    change(state)
    with pytest.raises(UserError, match=r"w\.pth: (.|\n)*" + words):
        import_files([state_file(tmp_path / "w.pth", state)])


def test_another_network_is_told_by_its_names(tmp_path: Path) -> None:
    path = state_file(tmp_path / "w.pth", nn.Sequential(nn.Conv2d(3, 4, 1), nn.Linear(2, 2)).state_dict())
    with pytest.raises(UserError, match=r"not the COCO or MPI network of Cao et al\.: no layer .*; it holds 0, 1"):
        import_files([path])


BYTES = {
    b"": "is empty",
    b"hello there, this is no network\n": "is a text file",
    "Gewichte für später".encode(): "is a text file",
    b"<!DOCTYPE html><html>": "is a web page",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00": "Git LFS pointer",
    b"\x89PNG\r\n\x1a\n": "begins with the bytes 89 50",
    b"PK\x03\x04": "is a zip archive of other files",
    pickle.dumps({"a": 1}): "not a",
    b"\x0a\x04pose": "w.pth: ",
    b"\x0a\x08\x0a\x06conv1_": "w.pth: ",
    b"\x10\x00\x00\x00\x00\x00\x00\x00{": "not a whole safetensors file",
    b'layer { name: "a" }': "one network at a time",
}


@pytest.mark.parametrize("content", BYTES, ids=lambda content: content[:12].hex())
def test_what_is_no_weights_file_is_told_what_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(UserError) as caught:
        import_files([tmp_path / "w.pth"])
    assert BYTES[content] in str(caught.value) and "w.pth" in str(caught.value)


@pytest.mark.parametrize("form", ["w.pth", "w.safetensors", "w.caffemodel"])
def test_a_file_cut_short_is_refused(tmp_path: Path, form: str) -> None:
    path = tmp_path / form
    caffe_file(path) if form == "w.caffemodel" else state_file(path, weights(1))
    size = path.stat().st_size
    for length in (size - 1, size // 2, 100, 9, 3):  # ever shorter
        with path.open("rb+") as file:
            file.truncate(length)
        with pytest.raises(UserError, match=form):
            import_files([path])
    assert path.stat().st_size == 3


def test_files_that_do_not_belong_together(tmp_path: Path, graph_file: Path) -> None:
    one, prototxt = state_file(tmp_path / "w.pth", weights(1)), tmp_path / "p.prototxt"
    prototxt.write_text(published_caffe(COCO, 1)[0])
    with pytest.raises(UserError, match="one network at a time"):
        import_files([one, graph_file])
    with pytest.raises(UserError, match=r"p\.prototxt: is a Caffe prototxt, but .*w\.pth is no Caffe model"):
        import_files([one, prototxt])
    with pytest.raises(UserError, match="is a folder"):
        import_files([tmp_path])
    with pytest.raises(UserError, match="cannot be read"):
        import_files([tmp_path / "gone.pth"])


def test_kinds_are_told_by_content(tmp_path: Path, graph_file: Path) -> None:
    assert kind_of(graph_file) == "tensorflow"
    assert kind_of(caffe_file(tmp_path / "w")) == "caffemodel"
    (tmp_path / "x").write_bytes(b"\xa2\x06\x03\x0a\x01a")
    assert kind_of(tmp_path / "x") == "caffemodel"
    torch.save({"a": torch.ones(1)}, tmp_path / "y", _use_new_zipfile_serialization=False)
    assert kind_of(tmp_path / "y") == "torch"


def test_a_model_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = import_files([state_file(tmp_path / "w.pth", weights(1))])
    out = tmp_path / "deep" / "model"
    write_model(out, imported)
    network, licence = load_model(out)
    assert network.spec == imported.network.spec and licence == imported.licence
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("teachers.checkpoint.write_text", full)  # the spec, after the weights
    for folder in (out, tmp_path / "other"):
        with pytest.raises(OSError, match="No space left"):
            write_model(folder, imported)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert not (tmp_path / "other").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "w.pth"]


def test_what_a_killed_import_left_is_removed(tmp_path: Path) -> None:
    imported = import_files([state_file(tmp_path / "w.pth", weights(1))])
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()  # a process number that is nobody's any more
    left, other = tmp_path / f".importing-model-{child.pid}", tmp_path / f".importing-model-2-{child.pid}"
    at_work, own = tmp_path / f".importing-model-{os.getppid()}", tmp_path / ".importing-model-notes"
    for folder in (left, other, at_work, own):
        folder.mkdir()
        (folder / "weights.safetensors").touch()
    write_model(tmp_path / "model", imported)
    assert not left.exists() and other.exists() and at_work.exists() and own.exists()


def test_folders_of_somebody_else_are_refused(tmp_path: Path) -> None:
    imported = import_files([state_file(tmp_path / "w.pth", weights(1))])
    with pytest.raises(UserError, match=r"holds w\.pth; a new or empty folder"):
        write_model(tmp_path, imported)
    with pytest.raises(UserError, match=r"is a file; --out takes a folder"):
        write_model(tmp_path / "w.pth", imported)
    with pytest.raises(UserError, match=r"w\.pth is a file; --out takes a folder"):
        write_model(tmp_path / "w.pth" / "below", imported)
    with pytest.raises(UserError, match="cannot be a folder"):
        write_model(tmp_path / ("x" * 300), imported)
    for name, content, said in (
        ("spec.json", "{}", "not a network's spec"),
        ("weights.safetensors", "own", "without a spec.json"),
    ):
        theirs = tmp_path / f"theirs-{name}"
        theirs.mkdir()
        (theirs / name).write_text(content)
        with pytest.raises(UserError, match=said):
            write_model(theirs, imported)
        assert (theirs / name).read_text() == content
    (tmp_path / "empty").mkdir()
    for _ in range(2):  # the second time over the first
        write_model(tmp_path / "empty", imported)
        (tmp_path / "empty" / ".partial-left").touch()  # by a process that was killed
        assert load_model(tmp_path / "empty")[1] == imported.licence
    (tmp_path / "empty" / ".partial-left").unlink()
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == [
        "LICENCE.txt",
        "spec.json",
        "weights.safetensors",
    ]
