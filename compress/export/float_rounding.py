"""How far a network's maps may be off through nothing but the rounding of float32."""

import copy

import torch
from torch import Tensor

from teachers.posenet import PoseNet

_TIMES = 4.0
"""A runtime rounds in another order than torch does; on real frames its error was up to 3 times torch's own."""


@torch.inference_mode()
def rounding(network: PoseNet, image: Tensor) -> tuple[float, float]:
    """For heatmaps and PAFs, a few times the largest error of the network's own float32 pass; image (1, 3, H, W).

    Zero unless the network normalises each image: then a channel that hardly varies is enlarged with its rounding, and
    through six stages the maps of the published networks are off by up to 1e-4. Any other network is far below.
    """
    if not network.spec.normalises_images:
        return 0.0, 0.0
    exact = copy.deepcopy(network).double()(image.double())
    heatmaps, pafs = (
        _TIMES * float((ours - theirs).abs().max()) for ours, theirs in zip(network(image), exact, strict=True)
    )
    return heatmaps, pafs
