"""Every step on every architecture: it does what its check promised, or the check says what it cannot treat."""

import json
from typing import Any, get_args

import pytest
import torch
from conftest import LICENCE, tiny_spec
from teachers_normed import normed_spec
from teachers_tensorflow import Writer
from test_steps_contract import SETTINGS
from training_targets import tiny_targets

from compress.core.candidate import Candidate
from compress.steps import STEPS, Step, step_name
from compress.steps.base import SettingError
from compress.steps.context import StepContext
from students.backbones import BACKBONES, adapted
from students.stages import lightweight
from teachers.importing import import_files
from teachers.layers import Concat, Layer, Residual, holds
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec

_SCHEDULE = {"steps": 1, "batch_size": 2, "crop": [64, 80], "learning_rate": 1e-5, "warmup": 0}
SEARCHING: dict[str, dict[str, Any]] = {
    "distill": {"schedule": _SCHEDULE, "ignore_border": 1},
    "quantize": {
        "precision": "int8",
        "calibration_frames": 2,
        "qat": {"schedule": _SCHEDULE, "ignore_border": 1},
    },
    "prune_channels": {"pruning_ratio": 0.3, "round_to": 2, "reconstruct": True},
    "prune_weights": {"sparsity": 0.4, "importance": "obs"},
    "cluster_weights": {"bits": 3, "reconstruct": True, "calibration_frames": 2},
}
"""Where a step can look at a network layer by layer, it does."""


def _spec(**parts: object) -> PoseNetSpec:
    return PoseNetSpec(**{**dict(tiny_spec(2)), **parts})  # type: ignore[arg-type]


SPECS = {
    **{name: _spec(backbone=adapted(backbone, 0.1, 8)) for name, backbone in BACKBONES.items()},
    "separable": tiny_spec(2),
    "lightweight stages": _spec(stages=lightweight(tiny_spec(2), 2, 8)),
    "norms and upsampling": normed_spec(),
}
UNTREATED = {("prune_channels", "norms and upsampling"), ("prune_channels", "mobilenet-v2 teacher")}


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> StepContext:
    return StepContext(0, tiny_targets(tmp_path_factory.mktemp("targets")))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> PoseNetSpec:
    """The documented MobileNet v2 teacher's architecture."""
    folder = tmp_path_factory.mktemp("mobilenet")
    (folder / "graph_opt.pb").write_bytes(Writer(stages=2).graph())
    return import_files([folder / "graph_opt.pb"]).network.spec


@pytest.mark.parametrize("name", [*SPECS, "mobilenet-v2 teacher"])
@pytest.mark.parametrize("kind", STEPS, ids=step_name)
def test_a_step_treats_what_its_check_lets_pass(
    kind: type[Step], name: str, context: StepContext, teacher: PoseNetSpec
) -> None:
    torch.set_num_threads(1)
    spec = SPECS.get(name, teacher)
    settings = SEARCHING.get(step_name(kind), SETTINGS[step_name(kind)])
    step = kind.model_validate_json(json.dumps(settings))
    if (step_name(kind), name) in UNTREATED:
        with pytest.raises(SettingError, match=r"cannot .*backbone\.layers\.\d+.*remove_stages"):
            step.check(spec)
        return
    torch.manual_seed(0)
    made = step.apply(Candidate.of(PoseNet(spec).eval(), LICENCE), context)
    assert made.spec == step.check(spec)
    image = 255 * torch.rand(1, 3, 4 * spec.multiple, 4 * spec.multiple)
    with torch.no_grad():
        assert all(bool(maps.isfinite().all()) for maps in made.network(image))


def test_every_kind_of_layer_is_among_the_architectures() -> None:
    union = get_args(Layer)[0]
    chains = [chain for spec in SPECS.values() for chain in (spec.backbone.layers, *_stage_chains(spec))]
    missing = [kind.__name__ for kind in get_args(union) if not any(holds(chain, kind) for chain in chains)]
    assert missing == [] and {Residual, Concat} <= set(get_args(union))


def _stage_chains(spec: PoseNetSpec) -> list[tuple[Layer, ...]]:
    return [part for stage in spec.stages for part in (stage.trunk, stage.paf, stage.heatmap)]
