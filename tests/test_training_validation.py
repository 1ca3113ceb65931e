"""Validation: the people of both sets of maps, told apart by OKS and by how many of them are found."""

import numpy as np
import pytest
import torch
from conftest import tiny_spec
from torch import Tensor
from training_people import standing

from compress.training.ground_truth import GroundTruthSettings, render
from compress.training.samples import TrainingSample
from compress.training.validation import validate
from teachers.posenet import Maps, PoseNet

SIZE = (256, 320)
CPU = torch.device("cpu")


def maps_of(*people: np.ndarray) -> Maps:
    """What a perfect network of the tiny skeleton would give; each (1, C, h, w)."""
    spec = tiny_spec()
    heatmaps, pafs = render(np.stack(people), SIZE, spec.skeleton, spec.stride, GroundTruthSettings())
    return Maps(torch.from_numpy(heatmaps)[None], torch.from_numpy(pafs)[None])


class Scripted(PoseNet):
    """Gives maps that were made beforehand."""

    def __init__(self, maps: Maps) -> None:
        super().__init__(tiny_spec())
        self.maps = maps

    def forward(self, images: Tensor) -> Maps:
        return self.maps


def sample(maps: Maps) -> TrainingSample:
    mask = np.ones(tuple(maps.heatmaps.shape[2:]), np.float32)
    return TrainingSample(np.zeros((*SIZE, 3), np.uint8), maps.heatmaps[0].numpy(), maps.pafs[0].numpy(), mask)


def test_one_of_two_people_found_a_little_off() -> None:
    both, one = maps_of(standing(90, 130), standing(230, 130)), maps_of(standing(92, 130))
    same = validate(Scripted(both), [sample(both)], CPU)
    assert same.people.reference == 2 and same.people.people_recall == 1 and same.people.oks == pytest.approx(1)
    assert same.score == 0
    found = validate(Scripted(one), [sample(both)], CPU)
    assert found.people.people_recall == 0.5
    assert found.people.oks is not None and 0.7 < found.people.oks < 0.999
    assert found.joint_rel_l2 > 0.5
