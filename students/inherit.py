"""A new network that begins with the weights of another wherever path, kind and kernel allow.

Where a layer is narrower than the parent's, its filters are chosen by their L1 norm (Li et al. 2017, "Pruning Filters
for Efficient ConvNets", section 3.1), and the next layer takes the matching input channels. Where it is wider, the new
channels are fresh and do not feed those that were inherited, so that the network begins as its parent. So equal
specs give equal weights, and dropping channels without effect changes no map.
"""

from dataclasses import dataclass

import torch
from torch import nn

from students.channel_map import ChannelMap, choose, identity, importance, nothing, shifted, some
from students.grey import begin_as_grey
from students.init import fresh_network
from students.weight_transfer import WeightTransfer, width
from teachers.layers import channels_after
from teachers.posenet import PoseNet, Stage
from teachers.spec import IMAGE_CHANNELS, PoseNetSpec


@dataclass(frozen=True)
class Inherited:
    """The new network, and what of it came from the parent."""

    network: PoseNet
    names: tuple[str, ...]
    """Parameters of which at least one number was inherited."""
    share: float
    """Inherited numbers over all numbers, 0 to 1."""


def inherit(parent: PoseNet, spec: PoseNetSpec, seed: int) -> Inherited:
    """A network of `spec`, on the CPU, that shares no memory with its parent; what does not fit is fresh from `seed`.

    ValueError if the skeletons differ: the maps' channels would mean something else.
    """
    if spec.skeleton != parent.spec.skeleton:
        raise ValueError(f"a network of {spec.skeleton.name} cannot inherit from one of {parent.spec.skeleton.name}")
    network = fresh_network(spec, seed)
    transfer = WeightTransfer()
    maps = spec.skeleton.paf_channels + spec.skeleton.heatmap_channels
    with torch.no_grad():
        given = _inherit_backbone(transfer, parent, network)
        features = given if some(given) else _to_learn(parent, network)
        for number, (old, new) in enumerate(zip(parent.stages, network.stages, strict=False)):
            assert isinstance(old, Stage) and isinstance(new, Stage)
            # From the second on a stage sees (PAFs, heatmaps, features).
            seen = torch.cat([identity(maps), shifted(features, maps)]) if number else features
            _inherit_stage(transfer, old, new, seen)
        if not some(given):
            begin_as_grey(parent, network, features)
    counts = {name: transfer.counts.get(id(parameter), 0) for name, parameter in network.named_parameters()}
    total = sum(parameter.numel() for parameter in network.parameters())
    return Inherited(network, tuple(name for name, count in counts.items() if count), sum(counts.values()) / total)


def _inherit_backbone(transfer: WeightTransfer, parent: PoseNet, network: PoseNet) -> ChannelMap:
    """What each of the new features is among the parent's."""
    found = transfer.chain(parent.backbone.layers, network.backbone.layers, identity(IMAGE_CHANNELS))
    widths = channels_after(parent.spec.backbone.layers, IMAGE_CHANNELS)
    offsets: dict[int, int] = {}
    before = 0
    for tap in parent.spec.backbone.taps:
        offsets.setdefault(tap.layer, before)
        before += widths[tap.layer]
    return torch.cat(
        [
            shifted(found[tap.layer], offsets[tap.layer]) if tap.layer in offsets else nothing(len(found[tap.layer]))
            for tap in network.spec.backbone.taps
        ]
    )


def _to_learn(parent: PoseNet, network: PoseNet) -> ChannelMap:
    """What features of another backbone are to learn: the parent's, the strongest that there is room for."""
    strength = [importance(_first(parent.backbone.layers, tap.layer + 1)) for tap in parent.spec.backbone.taps]
    return choose(torch.cat(strength), network.spec.feature_channels)


def _inherit_stage(transfer: WeightTransfer, old: Stage, new: Stage, seen: ChannelMap) -> None:
    trunk = transfer.chain(old.trunk, new.trunk, seen)
    within = trunk[-1] if trunk else seen
    if len(old.trunk) != len(new.trunk):
        within = nothing(len(within))  # the parent's branches see something else, whatever their own shapes are
    for parent, branch in ((old.paf, new.paf), (old.heatmap, new.heatmap)):
        if len(parent) == len(branch):
            transfer.chain(parent, branch, within, identity(width(branch, len(within))))  # a head keeps its channels
        else:
            # The parent's head sees another layer than ours, so ours is fresh.
            transfer.chain(_first(parent, len(parent) - 1), _first(branch, len(branch) - 1), within)


def _first(chain: nn.ModuleList, count: int) -> nn.ModuleList:
    return nn.ModuleList(list(chain)[:count])
