"""Stage plans: what the papers say about each, at any width and number."""

import pytest
import torch
from conftest import tiny_spec

from compress.steps.base import SettingError
from compress.steps.replace_stages import ReplaceStages
from students.backbones import BACKBONES
from students.stages import MOST_STAGES, PLANS, StagePlan, lightweight, two_branch
from teachers import openpose_thin, openpose_vgg
from teachers.layers import Conv, Layer
from teachers.posenet import Chain, PoseNet
from teachers.spec import IMAGE_CHANNELS, PoseNetSpec, StageSpec


def with_stages(spec: PoseNetSpec, stages: tuple[StageSpec, ...]) -> PoseNetSpec:
    return PoseNetSpec(**{**dict(spec), "stages": stages})


def parameters(module: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.parameters())


@pytest.fixture(params=PLANS.values(), ids=PLANS.keys())
def plan(request: pytest.FixtureRequest) -> StagePlan:
    found: StagePlan = request.param
    return found


class TestEveryPlan:
    @pytest.mark.parametrize("width", [None, 8, 24])
    @pytest.mark.parametrize("stages", range(1, MOST_STAGES + 1))
    def test_gives_as_many_stages_and_a_network(self, plan: StagePlan, stages: int, width: int | None) -> None:
        spec = with_stages(tiny_spec(), plan(tiny_spec(), stages, width))
        assert PoseNetSpec.model_validate_json(spec.to_json()) == spec
        with torch.device("meta"):
            made = PoseNet(spec).all_stages(torch.zeros(1, 3, 32, 40))
        assert len(made) == stages
        assert {maps.pafs.shape for maps in made} == {(1, 38, 4, 5)}
        assert {maps.heatmaps.shape for maps in made} == {(1, 19, 4, 5)}

    def test_narrower_stages_have_fewer_parameters(self, plan: StagePlan) -> None:
        with torch.device("meta"):
            counts = [parameters(PoseNet(with_stages(tiny_spec(), plan(tiny_spec(), 2, w)))) for w in (8, 16, 32, 64)]
        assert counts == sorted(set(counts))


@pytest.mark.parametrize("teacher", [openpose_thin.spec(), openpose_vgg.spec()], ids=["thin", "vgg"])
def test_two_branches_of_the_teachers_width_are_the_teachers_stages(teacher: PoseNetSpec) -> None:
    width = getattr(teacher.stages[0].paf[0], "channels", 0)
    assert two_branch(teacher, 6, None) == two_branch(teacher, 6, width) == teacher.stages


def test_two_branches_change_in_proportion_and_heads_stay() -> None:
    first, second = two_branch(openpose_vgg.spec(), 2, 64)
    assert _channels(first.paf) == [64, 64, 64, 256, 38]
    assert _channels(first.heatmap) == [64, 64, 64, 256, 19]
    assert _channels(second.paf) == [64, 64, 64, 64, 64, 64, 38]
    assert [getattr(layer, "kernel", None) for layer in second.paf] == [7, 7, 7, 7, 7, 1, 1]


def test_more_stages_than_the_teachers_repeat_its_last() -> None:
    teacher = openpose_thin.spec()
    shorter = with_stages(teacher, teacher.stages[:2])
    assert two_branch(shorter, 4, None) == (*teacher.stages[:2], teacher.stages[1], teacher.stages[1])


def test_lightweight_stages_are_those_of_osokin() -> None:
    """Osokin 2018, section 5: the two-stage network has 4.1 M parameters. His features come from MobileNet v1 up to
    conv5_5 and through an align layer of 1x1, three separable layers without bias and a 3x3 (265,856 numbers).
    """
    align = (512 * 128 + 128) + 3 * (128 * 9 + 128 * 128) + (128 * 128 * 9 + 128)
    teacher = openpose_vgg.spec()
    assert teacher.feature_channels == 128
    with torch.device("meta"):
        backbone = Chain(BACKBONES["mobilenet-v1"].layers(1.0), IMAGE_CHANNELS)
        stages = PoseNet(with_stages(teacher, lightweight(teacher, 2, None))).stages
    assert round((parameters(backbone) + align + parameters(stages)) / 1e6, 1) == 4.1


def test_lightweight_stages_see_as_far_as_seven_by_seven() -> None:
    """Each refinement block stands for one 7x7 layer: only cells up to 3 away change its output."""
    trunk = lightweight(tiny_spec(), 2, 8)[1].trunk[:2]
    block = Chain(trunk, 4).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.abs_()
    image = torch.ones(1, 4, 15, 15, dtype=torch.float64)
    other = image.clone()
    other[:, :, 7, 7] += 1
    rows = (block(other) - block(image)).abs().sum(dim=(0, 1, 3)).nonzero().flatten().tolist()
    assert rows == list(range(4, 11))


def test_a_plan_for_more_stages_than_there_are_plans_for_is_refused() -> None:
    with pytest.raises(SettingError, match=r"stages: must be given, in 1\.\.6: the network has 7"):
        ReplaceStages(plan="two_branch").check(tiny_spec(7))


def test_stages_of_heads_alone_have_no_width() -> None:
    spec = tiny_spec(1)
    bare = with_stages(spec, (StageSpec(paf=spec.stages[0].paf[-1:], heatmap=spec.stages[0].heatmap[-1:]),))
    assert ReplaceStages(plan="two_branch", stages=2).check(bare).stages == 2 * bare.stages
    with pytest.raises(SettingError, match="width: the stage has no convolution before its heads"):
        ReplaceStages(plan="two_branch", width=16).check(bare)


def _channels(layers: tuple[Layer, ...]) -> list[int]:
    return [layer.channels for layer in layers if isinstance(layer, Conv)]
