"""The guard, looking at a quantised network beside the float one that it was made from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from compress.quantization.calibrate import Fitted
from compress.quantization.collapse import CollapseCheck, CollapseFacts
from compress.quantization.fake_quant import FakeQuantized
from teachers.posenet import PoseNet


def watch(exact: PoseNet, made: Fitted, batches: Sequence[Tensor], stride: int) -> CollapseFacts:
    """On frames (N, 3, H, W) that nothing was calibrated on. ValueError where the float network's maps are all zero."""
    guard, rounded = CollapseCheck(stride), FakeQuantized(made.network, made.quantization)
    with torch.inference_mode():
        for batch in batches:
            for image in batch:
                ours, theirs = ([part[0].numpy() for part in network(image[None])] for network in (rounded, exact))
                guard.look((ours[0], ours[1]), (theirs[0], theirs[1]))
    return guard.facts()
