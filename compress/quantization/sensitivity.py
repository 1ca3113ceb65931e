"""Which layers int8 spoils most: each block alone is put on grids, the rest of the network stays float."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from compress.core.notes import BlockSensitivity
from compress.core.qparams import QuantParams
from compress.quantization.calibrate import Fitting
from compress.quantization.fake_quant import FakeQuant
from compress.reconstruction.layer_ops import seen
from compress.reconstruction.layerwise import Both
from compress.reconstruction.visitor import convolutions, inputs, walk
from teachers.graph import IMAGE
from teachers.posenet import Maps, PoseNet


def blocks(network: PoseNet) -> dict[str, frozenset[str]]:
    """Block -> its convolutions: a depthwise one and the one after it are one block."""
    found: dict[str, set[str]] = {}
    for name in convolutions(network):
        found.setdefault(name.rpartition(".")[0], set()).add(name)
    return {block: frozenset(names) for block, names in found.items()}


@torch.no_grad()
def sensitivities(network: PoseNet, batches: Sequence[Tensor]) -> tuple[BlockSensitivity, ...]:
    """What rounding each block's weights and outputs does to the last maps, on held-out frames; in the data's order."""
    grids, weights = _rounded_alone(network, batches)
    exact = [_run(network, batch, {}, {}) for batch in batches]
    found = []
    for block, names in blocks(network).items():
        here = {name: grids[name] for name in names}
        changed = {name: weights[name] for name in names}
        maps = [_run(network, batch, here, changed) for batch in batches]
        joints, pafs = relative(maps, exact)
        found.append(BlockSensitivity(block=block, joint_rel_l2=joints, paf_rel_l2=pafs))
    return tuple(found)


def relative(found: Sequence[Maps], exact: Sequence[Maps]) -> tuple[float, float]:
    """Relative L2 of joints without the background and of PAFs, over all frames taken together."""
    totals = torch.zeros(2, 2, dtype=torch.float64)
    for ours, theirs in zip(found, exact, strict=True):
        for row, (a, b) in enumerate(((ours.heatmaps[:, :-1], theirs.heatmaps[:, :-1]), (ours.pafs, theirs.pafs))):
            totals[row, 0] += (a.double() - b.double()).square().sum()
            totals[row, 1] += b.double().square().sum()
    joints, pafs = (totals[:, 0] / totals[:, 1].clamp_min(1e-12)).sqrt().tolist()
    return joints, pafs


def _rounded_alone(network: PoseNet, batches: Sequence[Tensor]) -> tuple[dict[str, QuantParams], dict[str, Tensor]]:
    """Every tensor's grid by its range in the float network, and every weight at its nearest multiple."""
    names = frozenset(convolutions(network))
    ranges = Fitting(inputs(network), names, refit=False, alone=True)
    images = tuple(seen(network, one) for one in batches)
    walk(network, ranges, ranges.settled(IMAGE, Both(images, images)))
    return ranges.grids, {name.removesuffix(".weight"): tensor for name, tensor in ranges.tensors.items()}


def _run(network: PoseNet, images: Tensor, grids: Mapping[str, QuantParams], weights: Mapping[str, Tensor]) -> Maps:
    numbers = FakeQuant(grids, weights)
    return Maps(*walk(network, numbers, seen(network, images))[-1])
