"""A network that normalises each image and enlarges features again, in everything that takes a network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import tiny_spec
from pydantic import ValidationError
from teachers_normed import normed_network, normed_spec

from compress.export.float_rounding import rounding
from compress.pruning.channel_graph import read_layout
from compress.reconstruction.cross_layer_equalization import scalable, scale_channels
from compress.steps.base import SettingError
from compress.steps.distill import Distill
from compress.steps.prune_channels import PruneChannels
from compress.training.crops import full_frame
from compress.training.target_cache import CachedTarget
from eval.maps import input_size, prepare
from eval.size import count_macs
from students.inherit import inherit
from students.init import fresh_network
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec, Tap


@pytest.fixture
def network() -> PoseNet:
    return normed_network()


def test_inputs_are_multiples_of_the_coarsest_stride() -> None:
    spec = normed_spec()
    assert (spec.stride, spec.multiple, normed_spec(enlarged=False).multiple) == (8, 16, 8)
    assert spec.normalises_images and not tiny_spec().normalises_images
    assert PoseNetSpec.model_validate_json(spec.to_json()) == spec
    size = input_size((720, 1280), 0.5, spec.multiple)
    assert size.padded_hw == (192, 336) and size.grid_hw(spec.stride) == (23, 41)


@pytest.mark.parametrize("taps", [(Tap(layer=6), Tap(layer=8)), (Tap(layer=8, pool=2), Tap(layer=5, pool=2))])
def test_features_that_do_not_meet_are_refused(taps: tuple[Tap, ...]) -> None:
    spec = normed_spec()
    backbone = spec.backbone.model_copy(update={"taps": taps})
    with pytest.raises(ValidationError, match="it must make"):
        PoseNetSpec.model_validate({**dict(spec), "backbone": backbone})


def test_each_cell_depends_on_the_whole_image(network: PoseNet) -> None:
    image = 255 * torch.rand(1, 3, 96, 96)
    changed = image.clone()
    changed[:, :, 80:, 80:] = 0.0
    with torch.inference_mode():
        ours, theirs = (network.features(one)[0, :, 0, 0] for one in (image, changed))
    assert not torch.allclose(ours, theirs)


def test_a_batch_is_its_images_one_by_one(network: PoseNet) -> None:
    images = 255 * torch.rand(2, 3, 32, 48)
    with torch.inference_mode():
        both, alone = network(images), [network(image[None]) for image in images]
    for place, found in enumerate(alone):
        torch.testing.assert_close(both.heatmaps[place], found.heatmaps[0], rtol=1e-4, atol=1e-4)


def test_equal_specs_inherit_equal_weights(network: PoseNet) -> None:
    found = inherit(network, network.spec, seed=3).network.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in network.state_dict().items())


def test_fresh_norms_begin_plain() -> None:
    norms = [
        module for module in fresh_network(normed_spec(), 0).modules() if isinstance(module, torch.nn.InstanceNorm2d)
    ]
    assert len(norms) == 6
    assert all(bool((norm.weight == 1).all()) and not bool(norm.bias.any()) for norm in norms)


@pytest.mark.parametrize("relu_max", [None, 6.0])
def test_equalisation_leaves_the_maps(relu_max: float | None) -> None:
    torch.manual_seed(0)
    before = PoseNet(normed_spec(relu_max)).eval()
    names = scalable(before)
    assert "backbone.layers.0.conv" in names and "backbone.layers.1.conv" not in names
    modules = dict(before.named_modules())
    scales = {name: torch.rand(modules[name].out_channels) * 9 + 0.5 for name in names}
    image = 255 * torch.rand(1, 3, 48, 64)
    with torch.inference_mode():
        pairs = list(zip(before(image), scale_channels(before, scales)(image), strict=True))
    assert len(pairs) == 2
    for old, new in pairs:
        assert float((new - old).norm() / old.norm()) < 1e-4


def test_macs_are_those_of_the_modules() -> None:
    spec = normed_spec()
    layout = read_layout(spec, (64, 96))
    assert layout.macs(layout.widths) == count_macs(spec, (64, 96))


def test_pruning_refuses_it_by_name() -> None:
    with pytest.raises(SettingError, match=r"cannot prune normed: backbone\.layers\.2 normalises each image"):
        PruneChannels(pruning_ratio=0.5).check(normed_spec())


def test_a_crop_must_be_a_multiple_of_16() -> None:
    step = Distill.model_validate({"step": "distill", "schedule": {"steps": 1, "batch_size": 1, "crop": [96, 104]}})
    with pytest.raises(SettingError, match=r"multiples of 16, got \[96, 104\]"):
        step.check(normed_spec())
    assert step.check(tiny_spec()) == tiny_spec()


def test_a_whole_frame_is_learnt_but_for_cells_of_padding(tmp_path: Path, network: PoseNet) -> None:
    spec = network.spec
    image = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)
    maps = np.ones((spec.skeleton.heatmap_channels + spec.skeleton.paf_channels, 5, 7), np.float16)
    entry = CachedTarget(tmp_path / "maps.npy", tmp_path / "image.npy")
    np.save(entry.maps, maps)
    np.save(entry.image, image)
    sample = full_frame(entry, spec)
    assert sample.image.shape == (48, 64, 3) and sample.heatmaps.shape[1:] == sample.mask.shape == (6, 8)
    assert sample.mask[:5, :7].min() == 1.0 and sample.mask.sum() == 35
    with torch.inference_mode():
        found = network(torch.from_numpy(sample.image.transpose(2, 0, 1)[None]).float())
    assert found.heatmaps.shape[2:] == sample.mask.shape


def test_rounding_is_allowed_for_where_norms_enlarge_it(network: PoseNet) -> None:
    image = torch.from_numpy(prepare(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8), 0.2, 16))
    assert all(0 < one < 1e-2 for one in rounding(network, image))
    assert rounding(PoseNet(tiny_spec()).eval(), image) == (0.0, 0.0)
