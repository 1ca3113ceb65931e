"""How good a student is on frames that it never learns from: the L2 that candidates are ranked by, whole frames."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from compress.training.samples import Sample
from eval.maps import difference
from teachers.posenet import Maps, PoseNet


@dataclass(frozen=True)
class Validation:
    """Means over the held-out frames."""

    joint_rel_l2: float
    paf_rel_l2: float
    frames: int

    @property
    def score(self) -> float:
        """What the best weights are chosen by; lower is better."""
        return (self.joint_rel_l2 + self.paf_rel_l2) / 2


@torch.inference_mode()
def validate(network: PoseNet, samples: Iterable[Sample], device: torch.device) -> Validation:
    """The network, in evaluation mode, on whole frames. Frames in which the targets show nobody say nothing."""
    network = network.to(device)
    joints, pafs = [], []
    for sample in samples:
        image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))[None].to(device).float()
        found = network(image)
        mask = torch.from_numpy(sample.mask)
        ours = Maps((found.heatmaps.cpu() * mask), found.pafs.cpu() * mask)
        theirs = Maps(torch.from_numpy(sample.heatmaps)[None] * mask, torch.from_numpy(sample.pafs)[None] * mask)
        if float(theirs.pafs.abs().max()) == 0.0 or float(theirs.heatmaps[:, :-1].abs().max()) == 0.0:
            continue
        apart = difference(ours, theirs)
        joints.append(apart.joint_rel_l2)
        pafs.append(apart.paf_rel_l2)
    if not joints:
        raise ValueError("no held-out frame shows anybody, so nothing tells which weights are best")
    return Validation(float(np.mean(joints)), float(np.mean(pafs)), len(joints))
