"""Weights into a network: every name, shape and type is compared first, and whatever differs is named at once."""

from collections.abc import Mapping

import torch
from torch import Tensor

from teachers.common.errors import UserError
from teachers.posenet import PoseNet

_SHOWN = 8


def load_weights(network: PoseNet, tensors: Mapping[str, Tensor], where: str) -> None:
    """Copies the tensors into the network; UserError as in `check_weights`."""
    check_weights(network, tensors, where)
    network.load_state_dict(dict(tensors))


def check_weights(network: PoseNet, tensors: Mapping[str, Tensor], where: str) -> None:
    """UserError lists what is missing, unexpected, of another shape or type, or not finite."""
    template = network.state_dict()
    differences = [f"{name}: missing" for name in template if name not in tensors]
    differences += [f"{name}: unexpected" for name in tensors if name not in template]
    for name, expected in template.items():
        found = tensors.get(name)
        if found is None:
            continue
        if found.shape != expected.shape:
            differences.append(f"{name}: expected shape {tuple(expected.shape)}, found {tuple(found.shape)}")
        elif found.dtype != expected.dtype:
            differences.append(f"{name}: expected {expected.dtype}, found {found.dtype}")
        elif not bool(torch.isfinite(found).all()):
            differences.append(f"{name}: holds values that are not finite")
    if differences:
        shown = "\n  ".join(differences[:_SHOWN])
        more = f"\n  and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        raise UserError(f"{where}: the weights do not fit the network:\n  {shown}{more}")
