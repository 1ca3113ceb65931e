"""How good a student is on frames that it never learns from: L2 of the maps, and the people that are in them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress.quantization.fake_quant import FakeQuantized
from compress.training.samples import TrainingSample
from eval.oks import OksCounts, compare_people
from eval.people import Person, decode
from teachers.posenet import Maps, PoseNet
from teachers.spec import PoseNetSpec


@dataclass(frozen=True)
class Validation:
    """Relative L2 over all held-out frames taken together: the root of the summed squares over the teacher's.

    Not the mean over frames: the teacher's norm of a frame with hardly a person is next to nothing, and a handful
    of those would decide which weights are kept. How much frames that show little count is said by the samples' masks,
    as in training.
    """

    joint_rel_l2: float
    paf_rel_l2: float
    frames: int
    people: OksCounts = OksCounts(0, 0, 0.0)  # noqa: RUF009 - frozen
    """The student's people against the teacher's, those that both sets of maps decode to; nothing without a spec."""

    @property
    def score(self) -> float:
        """What the best weights are chosen by; lower is better."""
        return (self.joint_rel_l2 + self.paf_rel_l2) / 2


@torch.inference_mode()
def validate(network: nn.Module, samples: Iterable[TrainingSample], device: torch.device) -> Validation:
    """The network, in evaluation mode, on whole frames; ValueError if the targets show no person in any of them."""
    network, spec = network.to(device), _spec_of(network)
    apart, wanted, frames, people = np.zeros(2), np.zeros(2), 0, OksCounts(0, 0, 0.0)
    for sample in samples:
        image = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))[None].to(device).float()
        found = network(image)
        cells = torch.from_numpy(sample.mask)
        theirs = Maps(torch.from_numpy(sample.heatmaps)[None], torch.from_numpy(sample.pafs)[None])
        ours = Maps(found.heatmaps.cpu(), found.pafs.cpu())
        apart += _squares(Maps(ours.heatmaps - theirs.heatmaps, ours.pafs - theirs.pafs), cells)
        wanted += _squares(theirs, cells)
        if spec is not None:
            people += compare_people(_people(theirs, spec), _people(ours, spec), spec.skeleton)
        frames += 1
    if not wanted.all():
        raise ValueError("no held-out frame shows a person, so the best weights cannot be chosen")
    joints, pafs = np.sqrt(apart / wanted).tolist()
    return Validation(joints, pafs, frames, people)


def _spec_of(network: nn.Module) -> PoseNetSpec | None:
    whole = network.network if isinstance(network, FakeQuantized) else network
    return whole.spec if isinstance(whole, PoseNet) else None


def _people(maps: Maps, spec: PoseNetSpec) -> list[Person]:
    heatmaps, pafs = (part[0].float().numpy() for part in (maps.heatmaps, maps.pafs))
    return decode(heatmaps, pafs, spec.skeleton, (spec.stride, spec.stride))


def _squares(maps: Maps, cells: Tensor) -> NDArray[np.float64]:
    """Summed squares: joints without the background, PAFs; cells (h, w) is how much each of them counts."""
    joints, pafs = maps.heatmaps[:, :-1].double(), maps.pafs.double()
    return np.array([float((joints.square() * cells).sum()), float((pafs.square() * cells).sum())])
