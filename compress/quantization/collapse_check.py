"""The guard, looking at a quantised network beside the float one that it was made from."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from compress.quantization.calibrate import Fitted
from compress.quantization.collapse import CollapseCheck, CollapseFacts
from compress.quantization.fake_quant import FakeQuantized
from compress.quantization.integer_network import IntegerNetwork
from compress.quantization.saturation import overflowing_channels
from teachers.posenet import PoseNet


def watch(exact: PoseNet, made: Fitted, batches: Sequence[Tensor], stride: int) -> CollapseFacts:
    """On frames (N, 3, H, W) that nothing was calibrated on. ValueError where the float network's maps are all zero.

    Where sums may overflow 16 bits, also as CPUs compute it that cut them off there.
    """
    network, quantization = made.network, made.quantization
    facts = _compared(FakeQuantized(network, quantization), exact, batches, stride)
    channels = overflowing_channels(network, quantization)
    if not channels:
        return facts
    saturated = _compared(IntegerNetwork(network, quantization, saturating=True), exact, batches, stride)
    return replace(facts, overflowing=channels, saturated=saturated)


def _compared(rounded: nn.Module, exact: PoseNet, batches: Sequence[Tensor], stride: int) -> CollapseFacts:
    guard = CollapseCheck(stride)
    with torch.inference_mode():
        for batch in batches:
            for image in batch:
                ours, theirs = ([part[0].numpy() for part in network(image[None])] for network in (rounded, exact))
                guard.look((ours[0], ours[1]), (theirs[0], theirs[1]))
    return guard.facts()
