"""State dicts and safetensors: what is taken, what is converted and said, and what is refused without being run."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from teachers.common.errors import UserError
from teachers.read_torch import StateDict, read_safetensors, read_state_dict

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([-1.5, 2.0])}


def written(path: Path, value: object, zipped: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    return path


def same(found: StateDict, expected: dict[str, Tensor] = STATE) -> None:
    assert list(found.tensors) == list(expected)
    for name, tensor in expected.items():
        assert found.tensors[name].dtype == torch.float32
        torch.testing.assert_close(found.tensors[name], tensor, rtol=0, atol=0)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model_state_dict", "model"])
def test_state_dicts_of_both_formats_and_all_wrappers(tmp_path: Path, zipped: bool, wrapper: str | None) -> None:
    value = {wrapper: STATE, "epoch": 3, "optimizer": {"lr": 0.1}} if wrapper else STATE
    found = read_state_dict(written(tmp_path / "w.pth", value, zipped))
    same(found)
    assert [note for note in found.notes if wrapper and repr(wrapper) in note] == list(found.notes)
    assert len(found.notes) == (wrapper is not None)


def test_the_prefix_of_data_parallel_is_taken_off_and_said(tmp_path: Path) -> None:
    found = read_state_dict(written(tmp_path / "w.pth", {f"module.{name}": STATE[name] for name in STATE}))
    same(found)
    assert "module." in found.notes[0]
    mixed = {"module.a": STATE["a.bias"], "b": STATE["a.bias"]}
    assert list(read_state_dict(written(tmp_path / "w.pth", mixed)).tensors) == ["module.a", "b"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_widths_become_float32_and_it_is_said(tmp_path: Path, dtype: torch.dtype) -> None:
    narrow = {name: tensor.to(dtype) for name, tensor in STATE.items()}
    save_file(narrow, tmp_path / "w.safetensors")
    read = (read_state_dict(written(tmp_path / "w.pth", narrow)), read_safetensors(tmp_path / "w.safetensors"))
    for found in read:
        expected = {name: tensor.float() for name, tensor in narrow.items()}
        same(found, {name: expected[name] for name in found.tensors})
        assert found.tensors.keys() == STATE.keys()
        assert str(dtype).removeprefix("torch.") in found.notes[0]


def test_two_names_of_one_memory_come_apart(tmp_path: Path) -> None:
    shared = torch.ones(3)
    found = read_state_dict(written(tmp_path / "w.pth", {"a": shared, "b": shared, "c": shared[1:]})).tensors
    assert len({tensor.untyped_storage().data_ptr() for tensor in found.values()}) == 3


class Hostile:
    """Unpickling it would leave a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("write", ["zip", "old", "plain"])
def test_nothing_in_a_file_is_run(tmp_path: Path, write: str) -> None:
    trace, path = tmp_path / "trace", tmp_path / "w.pth"
    if write == "plain":
        path.write_bytes(pickle.dumps(Hostile(trace)))
    else:
        written(path, {"a": Hostile(trace)}, zipped=write == "zip")
    with pytest.raises(UserError, match=r"w\.pth: .*save the weights alone"):
        read_state_dict(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Hostile(trace)))  # the trap is a real one
    assert trace.exists()


def script(path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 2, 2)), path)  # type: ignore[no-untyped-call]


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "module": (
        lambda path: torch.save(nn.Sequential(nn.Conv2d(1, 1, 1)), path),
        "torch.nn.modules.container.Sequential",
    ),
    "old module": (lambda path: written(path, nn.Linear(1, 1), zipped=False), "torch.nn.modules.linear.Linear"),
    "wrapped module": (lambda path: torch.save({"model": nn.Linear(1, 1)}, path), "save the weights alone"),
    "torchscript": (script, "TorchScript program"),
    "list": (lambda path: torch.save([torch.ones(1)], path), "an object of type list"),
    "checkpoint": (lambda path: torch.save({"net": {"a": torch.ones(1)}}, path), "of type dict under 'net'"),
    "number as name": (lambda path: torch.save({3: torch.ones(1)}, path), "under 3"),
    "empty": (lambda path: torch.save({}, path), "holds no tensors"),
    "sparse": (lambda path: torch.save({"a": torch.eye(3).to_sparse()}, path), "a is not a plain tensor"),
    "expanded": (lambda path: torch.save({"a": torch.ones(1).expand(10**12)}, path), "a is not a plain tensor"),
    "no data": (lambda path: torch.save({"a": torch.empty(2, device="meta")}, path), "a is not a plain tensor"),
    "another zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)), "not a whole PyTorch file"),
    "another pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "not a"),
    "gone": (lambda path: None, "cannot be read"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of TorchScript, which people still have
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_state_dict_is_refused_in_words(tmp_path: Path, case: str) -> None:
    write, words = REFUSED[case]
    write(tmp_path / "w.pth")
    with pytest.raises(UserError) as caught:
        read_state_dict(tmp_path / "w.pth")
    message = str(caught.value)
    assert words in message and "w.pth: " in message and "\n" not in message and "weights_only" not in message, message


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, zipped: bool) -> None:
    whole = written(tmp_path / "whole.pth", STATE, zipped).read_bytes()
    cuts = [*range(0, len(whole), 37), len(whole) - 1]
    for cut in cuts:
        path = tmp_path / "cut.pth"
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match=r"cut\.pth: "):
            read_state_dict(path)
    assert len(cuts) > 10


def test_safetensors_cut_short_are_refused(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    for cut in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:cut])
        with pytest.raises(UserError, match="cut: not a whole safetensors file"):
            read_safetensors(tmp_path / "cut")
    assert len(whole) > 100
    same(StateDict({name: read_safetensors(tmp_path / "whole.safetensors").tensors[name] for name in STATE}, ()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), zipped=st.booleans())
def test_a_flipped_byte_is_read_or_refused_but_never_a_crash(
    tmp_path: Path, place: int, byte: int, zipped: bool
) -> None:
    data = bytearray(written(tmp_path / "w.pth", STATE, zipped).read_bytes())
    data[place % len(data)] = byte
    (tmp_path / "w.pth").write_bytes(data)
    try:
        found = read_state_dict(tmp_path / "w.pth")
    except UserError as error:
        assert str(error).startswith(str(tmp_path / "w.pth"))
    else:
        assert found.tensors
