"""PoseNet and its spec: rebuilt from JSON, counted, and the stages' meaning."""

import pytest
import torch
from conftest import tiny_spec
from pydantic import ValidationError

from teachers.posenet import PoseNet
from teachers.skeleton import COCO_18
from teachers.spec import PoseNetSpec


def test_spec_survives_json() -> None:
    spec = tiny_spec()
    again = PoseNetSpec.model_validate_json(spec.to_json())
    assert again == spec
    assert again.digest() == spec.digest()


def test_spec_refuses_a_head_that_does_not_fit_the_skeleton() -> None:
    values = tiny_spec().model_dump()
    values["stages"][1]["paf"][-1]["channels"] = 37
    with pytest.raises(ValidationError, match="stage 2: the paf head gives 37 channels, coco-18 needs 38"):
        PoseNetSpec.model_validate(values)


def test_spec_refuses_unknown_fields() -> None:
    with pytest.raises(ValidationError, match="widht"):
        PoseNetSpec.model_validate(tiny_spec().model_dump() | {"widht": 1})


def test_maps_have_the_skeletons_channels_at_the_stride(tiny: PoseNet) -> None:
    stages = tiny.all_stages(torch.rand(2, 3, 64, 80) * 255)
    assert len(stages) == 3
    for maps in stages:
        assert maps.heatmaps.shape == (2, 19, 8, 10)
        assert maps.pafs.shape == (2, 38, 8, 10)


def test_forward_is_the_last_stage(tiny: PoseNet) -> None:
    image = torch.rand(1, 3, 64, 80) * 255
    last = tiny.all_stages(image)[-1]
    for ours, theirs in zip(tiny(image), last, strict=True):
        assert torch.equal(ours, theirs)


def test_the_input_convention_is_applied_inside(tiny: PoseNet) -> None:
    raw = PoseNet(tiny.spec.model_copy(update={"input": tiny.spec.input.model_copy(update={"scale": 1, "offset": 0})}))
    raw.load_state_dict(tiny.state_dict())
    image = torch.rand(1, 3, 64, 80) * 255
    for ours, theirs in zip(tiny(image), raw(image / 256 - 0.5), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_skeleton_is_cocos_eighteen() -> None:
    assert len(COCO_18.keypoints) == 18
    assert len(COCO_18.limbs) == 19
    mirrored = sorted(index for pair in COCO_18.mirror_pairs for index in pair)
    assert mirrored == [index for index in range(18) if COCO_18.keypoints[index] not in ("nose", "neck")]
    for left_right in COCO_18.mirror_pairs:
        names = [COCO_18.keypoints[index] for index in left_right]
        assert names[0].removeprefix("right_") == names[1].removeprefix("left_")
