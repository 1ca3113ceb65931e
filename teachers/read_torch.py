"""PyTorch state dicts and safetensors: tensors by name, as float32. Nothing in a file is ever executed.

A .pth is a pickle, and a pickle can run anything. torch's `weights_only` reader builds tensors and plain containers
and refuses the rest; what it refuses is refused here too, with what to do instead.
"""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from teachers.common.errors import UserError

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Where training scripts keep the weights inside a checkpoint that holds an optimiser and more."""
_ZIP = b"PK\x03\x04"
_INSTEAD = (
    "save the weights alone, where the module's own code is at hand: torch.save(model.state_dict(), 'weights.pth'), "
    "or a safetensors file of them"
)
# What torch raises for a damaged file depends on where the damage lies: the zip's directory, the pickle's opcodes, or
# a tensor's size. All of them are about this file's bytes.
_DAMAGE = (
    RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError,
    MemoryError, struct.error, zipfile.BadZipFile,
)  # fmt: skip


class StateDict(NamedTuple):
    """The tensors of a file, and what was done to them that a user should know."""

    tensors: dict[str, Tensor]
    """Float32 where they were floating point; they may lie in the file itself until they are used (mmap)."""
    notes: tuple[str, ...]


def read_state_dict(path: Path) -> StateDict:
    """The state dict of a .pth or .pt file; UserError if it is damaged or holds more than tensors.

    A state dict under one of `WRAPPERS` is found, and a `module.` before every name (DataParallel) is taken off.
    """
    notes: list[str] = []
    loaded = _unwrapped(_load(path), path, notes)
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(
                f"{path}: holds {_named(value)} under {name!r:.60}, where a state dict has tensors; {_INSTEAD}"
            )
    return _cleaned(loaded, path, notes)


def read_safetensors(path: Path) -> StateDict:
    """The tensors of a .safetensors file; UserError if it is damaged."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path}: not a whole safetensors file: {error}; it may be cut short: fetch it again"
        ) from error
    return _cleaned(tensors, path, [])


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            zipped = file.read(len(_ZIP)) == _ZIP
        if zipped and _is_torchscript(path):
            raise UserError(f"{path}: is a TorchScript program, which holds code; {_INSTEAD}")
        # Mapped, a tensor takes memory when it is used, and the file is not held beside it. The format that torch
        # wrote before 1.6 has no zip around it and cannot be mapped.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice on reading other pickles is to unpickle them
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise _refused(path, str(error)) from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{path}: not a whole PyTorch file ({type(error).__name__}: {reason}); it may be cut short: fetch it again"
        ) from error


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _refused(path: Path, message: str) -> UserError:
    """torch names the first class that it would have had to call."""
    found = re.search(r"GLOBAL (\S+)", message)
    if found:
        return UserError(f"{path}: holds {found[1]}, not tensors alone, so it is not unpickled; {_INSTEAD}")
    reason = message.rpartition("WeightsUnpickler error:")[2].strip().partition("\n")[0][:160]
    return UserError(
        f"{path}: not a PyTorch state dict ({reason}); it may be cut short or be another pickle; {_INSTEAD}"
    )


def _unwrapped(loaded: Any, path: Path, notes: list[str]) -> Mapping[Any, Any]:
    if isinstance(loaded, Mapping):
        for key in WRAPPERS:
            inside = loaded.get(key)
            if isinstance(inside, Mapping):
                notes.append(f"{path.name}: the weights were found under {key!r}")
                return inside
        return loaded
    raise UserError(f"{path}: holds {_named(loaded)}, not a dictionary of tensors; {_INSTEAD}")


def _named(value: Any) -> str:
    return f"an object of type {type(value).__name__}"


def _cleaned(tensors: Mapping[str, Tensor], path: Path, notes: list[str]) -> StateDict:
    """Plain float32 tensors that own what they show, under names without DataParallel's prefix."""
    if not tensors:
        raise UserError(f"{path}: holds no tensors")
    prefixed = all(name.startswith("module.") for name in tensors)
    if prefixed:
        notes.append(f"{path.name}: every name began with 'module.' (DataParallel); it was taken off")
    cleaned: dict[str, Tensor] = {}
    widths: set[str] = set()
    seen: set[int] = set()
    for name, found in tensors.items():
        tensor = found.detach()
        _refuse_unless_plain(name, tensor, path)
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            widths.add(str(tensor.dtype).removeprefix("torch."))
            tensor = tensor.float()
        start = tensor.untyped_storage().data_ptr()
        # Two names for one memory could not be written again, and changing one would change the other.
        cleaned[name.removeprefix("module.") if prefixed else name] = (
            tensor.clone() if start in seen else tensor.contiguous()
        )
        seen.add(start)
    if widths:
        notes.append(f"{path.name}: weights in {', '.join(sorted(widths))} were converted to float32")
    return StateDict(cleaned, tuple(notes))


def _refuse_unless_plain(name: str, tensor: Tensor, path: Path) -> None:
    """A few bytes can claim any shape (expanded, sparse, without data); only what is really there is taken."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise UserError(f"{path}: {name} is not a plain tensor (sparse, quantised, expanded or without data)")
