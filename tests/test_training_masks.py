"""Training that may not undo what made a network small: zeros stay zero, shared values stay shared."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LICENCE
from pydantic import ValidationError
from torch import nn
from training_jobs import one_thread, student, tiny_job, tiny_schedule, train
from training_targets import tiny_targets

from compress.clustering.kmeans import SharedWeights, shared_layers
from compress.common.display import shown
from compress.core.candidate import Candidate
from compress.packing.pack_file import pack
from compress.steps.cluster_weights import ClusterWeights
from compress.steps.context import StepContext
from compress.steps.distill import Distill
from compress.steps.prune_weights import PruneWeights
from compress.training.masks import SharedConv, learn_codebooks, zero_share
from compress.training.reparameterization import Reparameterization, ReparameterizedNetwork
from teachers.common.errors import UserError
from teachers.posenet import PoseNet

ZEROS = (Reparameterization(preserve="sparsity"), Reparameterization(batch_norm=False, preserve="sparsity"))
FAST = tiny_schedule(learning_rate=0.02, ema_decay=0.0, weight_decay=0.1)
SHARED = Reparameterization(batch_norm=False, preserve="clusters")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    one_thread(monkeypatch)


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("targets")


def shared(network: PoseNet | None = None) -> PoseNet:
    """30% of the weights zero, the others of each layer seven values, everything as fp16 has it."""
    candidate = Candidate.of(network or student(), LICENCE)
    pruned = PruneWeights(sparsity=0.3).apply(candidate, StepContext(0))
    return ClusterWeights(bits=3, depthwise_bits=4).apply(pruned, StepContext(0)).network


def kernels(network: nn.Module) -> dict[str, torch.Tensor]:
    return {n: m.weight.detach() for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}


def test_a_centroids_gradient_is_the_sum_over_its_weights() -> None:
    """Han et al., equation (3)."""
    network, trained = shared(), shared()
    image = torch.rand(1, 3, 32, 32) * 255
    sum(part.square().sum() for part in network(image)).backward()
    records = shared_layers(network)
    learn_codebooks(trained, records)
    sum(part.square().sum() for part in trained(image)).backward()
    compared = 0
    for name, record in records.items():
        layer = trained.get_submodule(name)
        assert isinstance(layer, SharedConv) and layer.codebook.grad is not None
        gradient = network.get_submodule(name).weight.grad  # type: ignore[union-attr]
        for number, found in enumerate(layer.codebook.grad / layer.unit, start=1):
            expected = gradient[torch.from_numpy(record.assignments) == number].double().sum()  # type: ignore[index]
            torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-2)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("settings", [ZEROS[1], SHARED])
def test_before_training_nothing_has_changed(settings: Reparameterization) -> None:
    network = shared()
    form = ReparameterizedNetwork(network, settings)
    form.calibrate(torch.rand(4, 3, 64, 80) * 255)
    folded = form.folded()
    for name, tensor in network.state_dict().items():
        if settings.preserve == "clusters":
            assert torch.equal(folded.state_dict()[name], tensor), name
        else:
            torch.testing.assert_close(folded.state_dict()[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("settings", ZEROS)
def test_zeros_stay_and_the_others_learn(settings: Reparameterization, targets: Path, tmp_path: Path) -> None:
    network = shared()
    job = tiny_job(
        targets,
        tiny_schedule(learning_rate=0.02, ema_decay=0.0, weight_decay=0.1),
        network=network,
        reparameterization=settings,
    )
    found = kernels(train(job, tmp_path).network)
    moved = 0
    for name, before in kernels(network).items():
        assert torch.equal(found[name] == 0, before == 0), name
        assert not torch.signbit(found[name][before == 0]).any(), "minus zero takes room when packed"
        moved += not torch.equal(found[name], before)
    assert moved > 5 and zero_share(network) > 0.25


def test_shared_values_stay_shared_and_the_file_as_small(targets: Path, tmp_path: Path) -> None:
    network = shared()
    job = tiny_job(targets, FAST, network=network, reparameterization=SHARED)
    trained = train(job, tmp_path)
    assert trained.facts["best_step"] > 0, "this training makes something better"
    moved = 0
    for name, before in kernels(network).items():
        after = kernels(trained.network)[name].numpy()
        record = SharedWeights.of(before.numpy())
        assert np.array_equal(after == 0, before.numpy() == 0), name
        for number in range(1, len(record.codebook) + 1):
            assert len(np.unique(after[record.assignments == number])) == 1, name
        moved += not np.array_equal(after, before.numpy())
    assert moved > 5
    for name, tensor in trained.network.state_dict().items():
        assert torch.equal(tensor.half().float(), tensor), f"{name}: was exact in fp16 and is no longer"
    ours, theirs = (sum(len(one.data) for one in pack(net, LICENCE).tensors) for net in (trained.network, network))
    assert ours <= theirs


def test_where_there_is_nothing_to_keep_the_step_says_so(targets: Path) -> None:
    context = StepContext(0, tiny_targets(targets, flip=False))
    plain = Candidate.of(student(), LICENCE)
    schedule = tiny_schedule(steps=1)
    for form, says in ((ZEROS[0], "no weight is zero"), (SHARED, "no layer shares its weights")):
        with pytest.raises(UserError, match=says):
            Distill(schedule=schedule, reparameterization=form, ignore_border=0).apply(plain, context)


def test_what_cannot_be_kept_is_refused() -> None:
    for settings in ({"preserve": "clusters"}, {"preserve": "sparsity", "branches": True}):
        with pytest.raises(ValidationError, match=r"batch_norm|branches"):
            Reparameterization.model_validate(settings)


def test_a_training_that_fills_the_zeros_warns(targets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = StepContext(0, tiny_targets(targets, flip=False))
    pruned = PruneWeights(sparsity=0.5).apply(Candidate.of(student(), LICENCE), context)
    step = Distill(schedule=tiny_schedule(learning_rate=0.02, ema_decay=0.0), ignore_border=0)
    with shown():
        assert zero_share(step.apply(pruned, context).network) < 0.1
    assert "weights that were zero; reparameterization.preserve holds them" in capsys.readouterr().err
