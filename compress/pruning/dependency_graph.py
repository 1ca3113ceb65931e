"""Taking channels out of a network, with every layer that must follow (torch-pruning's DepGraph, Fang et al. 2023).

torch_pruning is imported here only. It finds the layers that a channel runs through by tracing the network, and cuts
them. What it made is read back into a spec, and a network built from that spec must take its weights exactly and give
its maps bit for bit: what is kept on disk is spec.json + weights.safetensors, never a pickled module.
"""

import copy
from collections.abc import Mapping, Sequence

import torch
import torch_pruning as tp
from torch import nn

from compress.pruning.channel_graph import Layout, read_layout, with_widths
from teachers.graph import IMAGE
from teachers.posenet import PoseNet
from teachers.spec import IMAGE_CHANNELS

Removed = Mapping[str, Sequence[int]]
"""For each group, by name, the channels that go; groups that are not named stay whole."""


def remove_channels(network: PoseNet, removed: Removed) -> PoseNet:
    """A new network without these channels; the given one is unchanged.

    ValueError for a group that may not be pruned, a channel that is not there or a group that would be left empty.
    """
    image = torch.rand(1, IMAGE_CHANNELS, 4 * network.spec.multiple, 5 * network.spec.multiple) * 255
    layout = read_layout(network.spec, (image.shape[2], image.shape[3]))
    _check(layout, removed)
    cut = copy.deepcopy(network).eval().requires_grad_()  # it is traced by its gradients
    if any(removed.values()):
        _cut(cut, image, layout, removed)
    made = PoseNet(with_widths(network.spec, _read_widths(cut, layout)))
    made.load_state_dict({name: tensor.detach().clone() for name, tensor in cut.state_dict().items()})
    made.eval()
    with torch.no_grad():
        for ours, theirs in zip(made(image), cut(image), strict=True):
            if not torch.equal(ours, theirs):
                raise RuntimeError("the network rebuilt from the pruned spec does not give the pruned network's maps")
    return made


def _cut(network: PoseNet, image: torch.Tensor, layout: Layout, removed: Removed) -> None:
    with torch.enable_grad():
        graph = tp.DependencyGraph().build_dependency(network, example_inputs=image)
    makers = {_maker_module(network, maker): maker for maker in layout.widths if maker != IMAGE}
    for group in layout.groups:
        indices = sorted(removed.get(group.name, ()))
        if not indices:
            continue
        found = graph.get_pruning_group(
            network.get_submodule(f"{group.name}.conv"), tp.prune_conv_out_channels, idxs=indices
        )
        # Two independent readings of what hangs together, the traced one and the spec's, have to agree.
        touched = {
            makers[dep.target.module]
            for dep, _ in found
            if graph.is_out_channel_pruning_fn(dep.handler) and dep.target.module in makers
        }
        if touched != set(group.makers):
            raise RuntimeError(f"{group.name}: tracing ties it to {sorted(touched)}, the spec to {group.makers}")
        found.prune()


def _check(layout: Layout, removed: Removed) -> None:
    widths = {group.name: group.width for group in layout.groups}
    for name, indices in removed.items():
        if name not in widths:
            raise ValueError(f"{name}: no group of channels that may be pruned")
        if len(set(indices)) != len(indices) or not all(0 <= index < widths[name] for index in indices):
            raise ValueError(f"{name}: channels are numbered 0 to {widths[name] - 1}, each may go once; got {indices}")
        if len(indices) == widths[name]:
            raise ValueError(f"{name}: none of its {widths[name]} channels would stay")


def _maker_module(network: PoseNet, maker: str) -> nn.Module:
    return network.get_submodule(f"{maker}.conv")


def _read_widths(network: PoseNet, layout: Layout) -> dict[str, int]:
    """Channels of each maker as they are in the modules."""
    widths: dict[str, int] = {}
    for maker in layout.widths:
        if maker != IMAGE:
            module = _maker_module(network, maker)
            assert isinstance(module, nn.Conv2d)
            widths[maker] = module.out_channels
    return widths
