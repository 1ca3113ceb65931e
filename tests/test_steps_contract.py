"""The contract that every step inherits, and what each one promises on top."""

import atexit
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import LICENCE, tiny_spec
from pydantic import ValidationError
from training_targets import tiny_targets

from compress.core.candidate import Candidate, content_id
from compress.steps import STEPS, Step
from compress.steps.base import SettingError
from compress.steps.context import StepContext
from compress.steps.remove_stages import RemoveStages
from teachers.checkpoint import save_model
from teachers.posenet import PoseNet

MODEL = Path(tempfile.mkdtemp(prefix="compress-test-")) / "model"
"""What `load_model` loads: the tiny network with other weights."""
save_model(MODEL, PoseNet(tiny_spec()).eval(), LICENCE)
atexit.register(shutil.rmtree, MODEL.parent, True)

# A valid setting for each step on the tiny three-stage network; a step without one fails the first test below.
SETTINGS: dict[str, dict[str, Any]] = {
    "load_model": {"model": str(MODEL)},
    "remove_stages": {"stages": 2},
    "prune_channels": {"pruning_ratio": 0.5, "round_to": 2},
    "prune_weights": {"sparsity": 0.4},
    "cluster_weights": {"bits": 3},
    "swap_backbone": {"backbone": "repvgg", "width": 0.25, "feature_channels": 8},
    "distill": {
        "schedule": {"steps": 3, "batch_size": 2, "crop": [64, 80], "learning_rate": 1e-4, "warmup": 0},
        "ignore_border": 1,
    },
    "fit_heads": {"calibration_frames": 4},
    "quantize": {"precision": "int8", "gptq": False},
    "replace_stages": {"plan": "lightweight", "stages": 2, "width": 16},
}
CONTEXT = StepContext(seed=0)
"""For steps that need nothing but a seed."""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> StepContext:
    """With frames to learn from. No folder: everything is computed anew."""
    return StepContext(0, tiny_targets(tmp_path_factory.mktemp("targets")))


def _name(step: type[Step]) -> str:
    return str(step.model_fields["step"].default)


@pytest.fixture(params=STEPS, ids=_name)
def step(request: pytest.FixtureRequest) -> Step:
    kind: type[Step] = request.param
    return kind.model_validate_json(json.dumps(SETTINGS[_name(kind)]))


@pytest.fixture
def candidate(tiny: PoseNet) -> Candidate:
    return Candidate.of(tiny, LICENCE)


class TestEveryStep:
    def test_leaves_the_given_candidate_unchanged(self, step: Step, candidate: Candidate, context: StepContext) -> None:
        before = {name: tensor.clone() for name, tensor in candidate.network.state_dict().items()}
        made = step.apply(candidate, context)
        with torch.no_grad():
            for parameter in made.network.parameters():
                parameter.add_(1)  # shared memory would show in the given candidate
        assert before.keys() == candidate.network.state_dict().keys()
        for name, tensor in candidate.network.state_dict().items():
            assert torch.equal(tensor, before[name])
        assert candidate.id == content_id(candidate.network)

    def test_gives_a_candidate_with_its_history(self, step: Step, candidate: Candidate, context: StepContext) -> None:
        made = step.apply(candidate, context)
        assert made.parent == candidate.id
        assert made.id == content_id(made.network, made.quantization) != candidate.id
        assert made.steps == (step.model_dump(mode="json"),)
        assert made.licence == candidate.licence
        assert not made.network.training

    def test_gives_the_spec_that_check_foretold(self, step: Step, candidate: Candidate, context: StepContext) -> None:
        assert step.apply(candidate, context).spec == step.check(candidate.spec)

    def test_the_same_settings_give_the_same_network(
        self, step: Step, candidate: Candidate, context: StepContext
    ) -> None:
        assert step.apply(candidate, context).id == step.apply(candidate, context).id

    def test_the_network_fits_its_spec(self, step: Step, candidate: Candidate, context: StepContext) -> None:
        made = step.apply(candidate, context).network
        rebuilt = PoseNet(made.spec).state_dict()
        assert {n: t.shape for n, t in made.state_dict().items()} == {n: t.shape for n, t in rebuilt.items()}

    def test_settings_are_frozen_and_closed(self, step: Step) -> None:
        with pytest.raises(ValidationError):
            type(step).model_validate(step.model_dump() | {"no_such_setting": 1})
        with pytest.raises(ValidationError):
            step.step = "other"  # type: ignore[attr-defined]


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_candidate_with_t_stages_is_the_teachers_stage_t(candidate: Candidate, keep: int) -> None:
    image = torch.rand(1, 3, 64, 80) * 255
    made = RemoveStages(stages=keep).apply(candidate, CONTEXT)
    expected = candidate.network.all_stages(image)[keep - 1]
    for ours, theirs in zip(made.network(image), expected, strict=True):
        assert torch.equal(ours, theirs)


def test_keeping_every_stage_is_the_same_network(candidate: Candidate) -> None:
    assert RemoveStages(stages=3).apply(candidate, CONTEXT).id == candidate.id


def test_more_stages_than_there_are_is_refused() -> None:
    with pytest.raises(SettingError, match=r"stages: must lie in 1\.\.3, the stages there are, got 4"):
        RemoveStages(stages=4).check(tiny_spec())


@pytest.mark.parametrize("keep", [0, -1])
def test_no_stage_is_refused(keep: int) -> None:
    with pytest.raises(ValidationError):
        RemoveStages(stages=keep)
