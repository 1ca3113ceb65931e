"""Fresh networks begin near silence, whatever backbone they have and whatever pixels they are given."""

import numpy as np
import pytest
import torch
from conftest import tiny_spec
from numpy.typing import NDArray
from torch import Tensor

from eval.maps import prepare
from students.backbones import BACKBONES, adapted
from students.inherit import inherit
from students.init import fresh_network
from students.stages import PLANS
from teachers import openpose_thin, openpose_vgg
from teachers.posenet import Maps, PoseNet
from teachers.spec import InputSpec, PoseNetSpec

WIDTH = 0.25
INPUTS = {
    "raw": InputSpec(),
    "half": InputSpec(scale=1 / 256, offset=-0.5),
    "one": InputSpec(scale=1 / 127.5, offset=-1.0),
}
PUBLISHED = {"thin": openpose_thin.spec(), "vgg": openpose_vgg.spec()}


def noise() -> Tensor:
    return torch.randint(0, 256, (1, 3, 96, 96), generator=torch.Generator().manual_seed(0)).float()


def rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


def require_quiet(spec: PoseNetSpec) -> None:
    """Targets have 0.05 to 0.1; features are of the size that stages are drawn for."""
    network = fresh_network(spec, 0)
    with torch.inference_mode():
        features = network.features(noise())
        stages = network.refine(features)
    assert 0.05 < rms(features) < 5
    for maps in stages:
        for part in maps:
            assert 0 < rms(part) < 0.04


@pytest.mark.parametrize("convention", INPUTS.values(), ids=INPUTS.keys())
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_begins_near_silence(name: str, convention: InputSpec) -> None:
    base = tiny_spec(2)
    backbone = adapted(BACKBONES[name], WIDTH, 32)
    require_quiet(base.model_copy(update={"backbone": backbone, "input": convention}))


@pytest.mark.parametrize("spec", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_every_architecture_begins_near_silence(spec: PoseNetSpec) -> None:
    require_quiet(spec)


@pytest.fixture(scope="module")
def frame(sample_images: list[NDArray[np.uint8]]) -> Tensor:
    return torch.from_numpy(prepare(sample_images[0], 0.5, 8))


def off(found: Maps, teacher: Maps) -> float:
    """Relative L2 of the joints; silence has 1."""
    ours, theirs = found.heatmaps[:, :-1], teacher.heatmaps[:, :-1]
    return float((ours - theirs).norm() / theirs.norm())


def test_a_network_from_scratch_is_as_far_off_as_silence(teacher: PoseNet, frame: Tensor) -> None:
    with torch.inference_mode():
        for maps in fresh_network(teacher.spec, 0).all_stages(frame):
            assert 0.95 < off(maps, teacher(frame)) < 1.05


@pytest.mark.parametrize("features", [None, 64])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_swapped_backbone_says_little_to_trained_stages(
    name: str, features: int | None, teacher: PoseNet, frame: Tensor
) -> None:
    """Drawn as if nobody had learnt what to make of features, it threw joints off by 366 to 21,673 times their size."""
    backbone = adapted(BACKBONES[name], WIDTH, features or teacher.spec.feature_channels)
    made = inherit(teacher, teacher.spec.model_copy(update={"backbone": backbone}), 0).network
    with torch.inference_mode():
        stages = made.all_stages(frame)
        assert off(stages[-1], teacher(frame)) < 2.5
        assert max(rms(maps.heatmaps[:, :-1]) for maps in stages) < 0.2  # a person's peak is 1
        assert float(made.features(frame).std(dim=(2, 3)).max()) > 0, "it says something"


@pytest.mark.parametrize("plan", PLANS)
def test_new_stages_begin_near_silence(plan: str, teacher: PoseNet, frame: Tensor) -> None:
    stages = PLANS[plan](teacher.spec, 2, 64)
    made = inherit(teacher, teacher.spec.model_copy(update={"stages": stages}), 0).network
    with torch.inference_mode():
        assert off(made(frame), teacher(frame)) < 1.5
