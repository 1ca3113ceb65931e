"""Weights of a backbone trained on ImageNet, from a file: a PyTorch state dict or a safetensors file.

The file's convolutions are matched with the backbone's in order and by shape, whatever they are called. Batch norm
after a convolution is folded into it; what comes after the last convolution that is needed, a classifier for instance,
is left alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from teachers.common.errors import UserError
from teachers.file_kinds import kind_of
from teachers.layers import Layer
from teachers.posenet import Chain
from teachers.read_torch import read_safetensors, read_state_dict
from teachers.spec import IMAGE_CHANNELS, InputSpec

BATCH_NORM_EPS = 1e-5
"""PyTorch's default, which state dicts do not hold."""
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of RGB values 0 to 1: what networks trained with PyTorch on ImageNet were given."""
_READERS = {"torch": read_state_dict, "safetensors": read_safetensors}


@dataclass(frozen=True, eq=False)
class _Convolution:
    """One of the file's, with the batch norm after it folded in."""

    name: str
    weight: Tensor
    bias: Tensor


def read_pretrained(layers: Sequence[Layer], convention: InputSpec, path: Path) -> dict[str, Tensor]:
    """Tensors for a `Chain` of these layers by their names in it: `0.conv.weight` and so on.

    The file's network is taken to see RGB 0 to 1, ImageNet's mean taken off and divided by its deviation. That is
    folded into the first convolution, so that the chain may see what `convention` describes. Only where the first
    convolution overlaps the image's border do they differ: padding stands for the value 0 of what each of them sees.
    UserError names the first convolution that does not fit.
    """
    with torch.device("meta"):
        chain = Chain(layers, IMAGE_CHANNELS)
    convolutions = {name: module for name, module in chain.named_modules() if isinstance(module, nn.Conv2d)}
    if any(module.bias is None for module in convolutions.values()):
        raise ValueError("batch norm cannot be folded into a separable convolution; write it as two layers")
    shapes = {name: tuple(module.weight.shape) for name, module in convolutions.items()}
    matched = _matched(shapes, _convolutions(path), path)
    first = next(iter(matched))
    matched[first] = _for_raw_pixels(matched[first], convention)
    tensors: dict[str, Tensor] = {}
    for name, found in matched.items():
        tensors |= {f"{name}.weight": found.weight, f"{name}.bias": found.bias}
    return tensors


def _convolutions(path: Path) -> list[_Convolution]:
    """The file's convolutions in the network's order."""
    kind = kind_of(path)
    if kind not in _READERS:
        raise UserError(f"{path}: is a {kind} file; backbone weights are a PyTorch state dict or a .safetensors file")
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in _READERS[kind](path).tensors.items():
        module, _, leaf = name.rpartition(".")
        modules.setdefault(module, {})[leaf] = tensor
    # A state dict has the order of the network; safetensors sorts by name as text, which puts 10 before 2.
    order = sorted(modules, key=_natural) if kind == "safetensors" else list(modules)
    found: list[_Convolution] = []
    open_for_norm = False
    for name in order:
        leaves = modules[name]
        weight = leaves.get("weight")
        if "running_mean" in leaves:
            if not open_for_norm:
                raise UserError(f"{path}: {name} is a batch norm that follows no convolution{_ORDER_LOST}")
            found[-1] = _folded(found[-1], leaves, f"{path}: {name}")
        elif weight is not None and weight.ndim == 4:
            found.append(_Convolution(name, weight, leaves.get("bias", torch.zeros(len(weight)))))
        open_for_norm = weight is not None and weight.ndim == 4
    if kind == "safetensors":
        _require_order(found, path)
    return found


_ORDER_LOST = "; a safetensors file loses the order of layers with such names, a state dict (.pth) keeps it"


def _require_order(found: Sequence[_Convolution], path: Path) -> None:
    """Of two convolutions in one module, `squeeze` and `expand`, only the shapes could tell which comes first."""
    stems: dict[tuple[str, torch.Size], str] = {}
    for convolution in found:
        module, _, last = convolution.name.rpartition(".")
        stem = re.sub(r"\d+", "#", last)
        if stems.setdefault((module, convolution.weight.shape), stem) != stem:
            raise UserError(f"{path}: {convolution.name}: has the shape of another in {module}{_ORDER_LOST}")


def _natural(name: str) -> list[tuple[int, str]]:
    """`features.2` before `features.10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _folded(convolution: _Convolution, norm: dict[str, Tensor], where: str) -> _Convolution:
    """y = gamma (w x + b - mean) / sqrt(var + eps) + beta as one convolution."""
    size = len(convolution.weight)
    ones, zeros = torch.ones(size), torch.zeros(size)
    parts = norm.get("weight", ones), norm.get("bias", zeros), norm["running_mean"], norm.get("running_var", ones)
    if any(part.shape != (size,) for part in parts):
        raise UserError(f"{where}: a batch norm that does not fit {convolution.name} before it, of {size} channels")
    gamma, beta, mean, variance = parts
    gain = gamma / torch.sqrt(variance + BATCH_NORM_EPS)
    weight = convolution.weight * gain[:, None, None, None]
    return _Convolution(convolution.name, weight, (convolution.bias - mean) * gain + beta)


def _matched(shapes: dict[str, tuple[int, ...]], found: list[_Convolution], path: Path) -> dict[str, _Convolution]:
    """The file's convolution for each of ours. Names sorted as text may have put those of one block in another order,
    so the next that fits is taken from the next one's own block, and none may be left over between those taken.
    """
    waiting = list(found)
    matched: dict[str, _Convolution] = {}
    for name, shape in shapes.items():
        if not waiting:
            raise UserError(f"{path}: has {len(found)} convolutions; the backbone has {len(shapes)}: {name} gets none")
        block = waiting[0].name.rpartition(".")[0]
        fitting = next((c for c in waiting if c.name.rpartition(".")[0] == block and c.weight.shape == shape), None)
        if fitting is None:
            raise UserError(
                f"{path}: convolution {len(matched) + 1}, {waiting[0].name}: expected shape {shape} for {name}, "
                f"found {tuple(waiting[0].weight.shape)}; the weights are of another network or width"
            )
        if not bool(torch.isfinite(fitting.weight).all() and torch.isfinite(fitting.bias).all()):
            raise UserError(f"{path}: {fitting.name}: holds values that are not finite")
        matched[name] = fitting
        waiting.remove(fitting)
    last = max(found.index(convolution) for convolution in matched.values())
    skipped = [convolution.name for convolution in found[:last] if convolution in waiting]
    if skipped:
        raise UserError(f"{path}: {skipped[0]}: no convolution of the backbone fits it; it is another network")
    return matched


def _for_raw_pixels(first: _Convolution, convention: InputSpec) -> _Convolution:
    """The same answer for u = pixel * scale + offset, as the network is given: the file's network saw
    (pixel / 255 - mean) / std = gain * u + shift, red first.
    """
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    gain = 1 / (255 * convention.scale * std)
    shift = (-convention.offset / (255 * convention.scale) - mean) / std
    bias = first.bias + (first.weight * shift[:, None, None]).sum(dim=(1, 2, 3))
    weight = first.weight * gain[:, None, None]
    return _Convolution(first.name, weight.flip(1) if convention.channels == "bgr" else weight, bias)
