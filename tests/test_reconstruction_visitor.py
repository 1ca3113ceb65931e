"""Networks with instance norms and an upsampling go through int8, reconstruction and pruning of weights.

Oracles: ONNX Runtime on the exported graph without any optimisation, and numpy's least squares on what hooks saw.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from conftest import LICENCE
from teachers_normed import normed_network
from teachers_tensorflow import Writer
from torch import Tensor, nn

from compress.clustering.reconstruction import cluster_and_reconstruct
from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.core.qparams import Half
from compress.export.onnx_export import save_artefact
from compress.export.parity import ParityError
from compress.pruning.channel_reconstruction import remove_and_reconstruct
from compress.pruning.obs import obs_scores, zero_and_reconstruct
from compress.quantization.calibrate import fit
from compress.quantization.equalization import equalize, folded
from compress.quantization.fake_quant import FakeQuantized
from compress.quantization.integer_network import IntegerNetwork
from compress.quantization.mixed_precision import PrecisionSettings, choose_and_fit
from compress.quantization.qdq_graph import quantized_graph
from compress.quantization.sensitivity import blocks, sensitivities
from compress.reconstruction.least_squares import RIDGE
from compress.reconstruction.visitor import before_norms, convolutions
from compress.run.builder import largest_difference
from compress.steps.quantize import halved
from compress.training.qat_network import QatNetwork
from teachers.importing import import_files
from teachers.posenet import PoseNet

POINT = "backbone.layers.5.body.4.conv"
"""Reads what a norm gives, and is read by a norm."""


def mobilenet_v2(folder: Path) -> PoseNet:
    """The documented MobileNet v2 teacher's architecture, made-up weights."""
    (folder / "graph_opt.pb").write_bytes(Writer(stages=1).graph())
    return import_files([folder / "graph_opt.pb"]).network


def network_of(kind: str, folder: Path) -> PoseNet:
    return normed_network() if kind == "normed" else mobilenet_v2(folder)


KINDS = ("normed", "mobilenet-v2")


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Smooth, as photographs are: in noise, norms over few cells enlarge float's last digits as well."""
    coarse = 255 * torch.rand(2, 3, 8, 10, generator=torch.Generator().manual_seed(1))
    return F.interpolate(coarse, size=(96, 128), mode="bicubic").clamp(0, 255).round()


def unoptimised(model: onnx.ModelProto, image: Tensor) -> list[np.ndarray]:
    """What ONNX Runtime computes operation by operation: int8 between its grids is then float arithmetic."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(found) for found in session.run(["heatmaps", "pafs"], {"image": image.numpy()})]


def apart(ours: object, theirs: object) -> float:
    pairs = zip(ours, theirs, strict=True)  # type: ignore[call-overload]
    return max(float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b))) for a, b in pairs)


@pytest.mark.parametrize(("kind", "everything"), [("normed", True), ("normed", False), ("mobilenet-v2", False)])
def test_int8_is_what_onnx_runtime_computes(kind: str, everything: bool, tmp_path: Path, images: Tensor) -> None:
    network = equalize(folded(network_of(kind, tmp_path)), [images])
    every = frozenset(convolutions(network))
    made = fit(network, [images], every if everything else every - before_norms(network))
    assert made.int8 and (made.int8 == every) == everything
    graph = quantized_graph(made.network, made.quantization)
    assert {"InstanceNormalization", "Resize", "AveragePool"} <= {node.op_type for node in graph.graph.node}
    with torch.inference_mode():
        for image in images:
            expected = unoptimised(graph, image[None])
            exact = network(image[None])
            assert apart(expected, exact) < (0.6 if everything else 0.2), "the maps are alive"
            for computing in (IntegerNetwork, FakeQuantized):
                found = [part.numpy() for part in computing(made.network, made.quantization)(image[None])]
                assert apart(found, expected) < 0.1


def test_one_layer_in_int8_is_exact(images: Tensor) -> None:
    """With no rounding after it that could fall on either side of a half, nothing but float's last digits differs."""
    network = folded(normed_network())
    head = "stages.1.paf.1.conv"
    assert head in convolutions(network)
    made = fit(network, [images], frozenset({head}))
    with torch.inference_mode():
        found = [part.numpy() for part in IntegerNetwork(made.network, made.quantization)(images[:1])]
    expected = unoptimised(quantized_graph(made.network, made.quantization), images[:1])
    assert apart(found[:1], expected[:1]) < 1e-5
    step = made.quantization.grids[head].scale
    assert float(np.abs(found[1] - expected[1]).max()) <= 1.01 * step


@pytest.mark.parametrize("kind", KINDS)
def test_fp16_keeps_norms_in_single_precision(kind: str, tmp_path: Path, images: Tensor) -> None:
    network = halved(network_of(kind, tmp_path))
    graph = quantized_graph(network, Half())
    held = {one.name: one for one in graph.graph.initializer}
    norms = [node for node in graph.graph.node if node.op_type == "InstanceNormalization"]
    assert norms and all(held[node.input[1]].data_type == onnx.TensorProto.FLOAT for node in norms)
    with torch.inference_mode():
        assert apart(unoptimised(graph, images[:1]), network(images[:1])) < 0.05


def test_every_layer_has_a_sensitivity(images: Tensor) -> None:
    network = folded(normed_network())
    found = sensitivities(network, [images])
    assert [one.block for one in found] == list(blocks(network))
    assert all(0 < one.mean < 1 for one in found)


def test_what_a_norm_follows_stays_float(tmp_path: Path, images: Tensor) -> None:
    network = folded(mobilenet_v2(tmp_path))
    norms = sum(isinstance(module, nn.InstanceNorm2d) for module in network.modules())
    assert len(before_norms(network)) == norms > 0
    asked = PrecisionSettings(keep_float=(), max_rel_l2=None, gptq=True)
    chosen, made = choose_and_fit(network, asked, [images], [images], Reporter())
    assert set(chosen.floats) == {name.rpartition(".")[0] for name in before_norms(network)}
    assert made.int8 == frozenset(convolutions(network)) - before_norms(network)


def test_training_with_int8_sends_gradients_through_norms(images: Tensor) -> None:
    made = fit(folded(normed_network()), [images], frozenset(convolutions(folded(normed_network()))))
    form = QatNetwork(made)
    sum(part.square().sum() for maps in form(images).stages for part in maps).backward()
    norms = [module for module in form.network.modules() if isinstance(module, nn.InstanceNorm2d)]
    assert norms and all(norm.weight.grad is not None and bool(norm.weight.grad.any()) for norm in norms)


def seen_by(network: PoseNet, name: str, images: Tensor) -> tuple[Tensor, Tensor]:
    """What a convolution reads and gives in torch's own forward pass."""
    caught: list[tuple[Tensor, Tensor]] = []
    hook = network.get_submodule(name).register_forward_hook(
        lambda _, given, made: caught.append((given[0].detach(), made.detach()))
    )
    with torch.inference_mode():
        network(images)
    hook.remove()
    return caught[0]


def test_reconstruction_after_a_norm_is_numpys_least_squares(images: Tensor) -> None:
    network = normed_network()
    gone = {"backbone.layers.3.conv": torch.zeros(network.get_submodule("backbone.layers.3.conv").weight.shape) == 1}  # type: ignore[arg-type]
    gone["backbone.layers.3.conv"][:, :, 0] = True
    made = zero_and_reconstruct(network, gone, (images,))
    reads, gives = seen_by(made, POINT, images)[0], seen_by(network, POINT, images)[1]
    before, after = (one.get_submodule(POINT) for one in (network, made))
    start = torch.cat((before.weight.flatten(1), before.bias[:, None]), dim=1).detach().double().numpy()  # type: ignore[operator,index]
    x = reads.double().transpose(0, 1).flatten(1).numpy()
    x = np.concatenate((x, np.ones((1, x.shape[1]))))
    y = gives.double().transpose(0, 1).flatten(1).numpy()
    ridge = np.full(len(x), RIDGE * float((x[:-1] ** 2).mean()))
    ridge[-1] = 1e-9
    system = np.concatenate((x.T / np.sqrt(x.shape[1]), np.diag(np.sqrt(ridge))))
    wanted = np.concatenate(((y - start @ x).T / np.sqrt(x.shape[1]), np.zeros((len(x), len(y)))))
    expected = start + np.linalg.lstsq(system, wanted, rcond=None)[0].T
    found = torch.cat((after.weight.flatten(1), after.bias[:, None]), dim=1).detach().numpy()  # type: ignore[operator,index]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert np.abs(found - start).max() > 1e-3, "something had to be made up for"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_reconstructed_is_closer(kind: str, tmp_path: Path, images: Tensor) -> None:
    network = network_of(kind, tmp_path)
    scores = obs_scores(network, (images,))
    assert scores.keys() == set(convolutions(network))
    gone = {name: score < score.flatten().quantile(0.2) for name, score in scores.items() if score.shape[1] > 1}
    made = zero_and_reconstruct(network, gone, (images,))
    plain = PoseNet(network.spec).eval()
    kept = {f"{name}.weight": ~where for name, where in gone.items()}
    plain.load_state_dict({n: t * kept[n] if n in kept else t for n, t in network.state_dict().items()})
    with torch.inference_mode():
        exact = network(images)
        assert apart(made(images), exact) < apart(plain(images), exact)


def test_shared_values_and_removed_channels_go_through_an_upsampling(images: Tensor) -> None:
    network = normed_network()
    shared = cluster_and_reconstruct(
        network, lambda conv, weight: torch.linspace(-1, 1, 16) * weight.abs().max(), (images,)
    )
    removed = remove_and_reconstruct(network, {"stages.0.paf.0": [1]}, (images,))
    with torch.inference_mode():
        for made in (shared, removed):
            assert 0 < apart(made(images), network(images)) < 1


def test_an_artefact_of_other_norms_is_no_parity(tmp_path: Path, images: Tensor) -> None:
    network = folded(normed_network())
    made = fit(network, [images], frozenset())
    candidate = Candidate(made.network, LICENCE, "id", quantization=made.quantization)
    path = tmp_path / "model.onnx"
    save_artefact(quantized_graph(made.network, made.quantization), made.network, LICENCE, path)
    assert largest_difference(candidate, path, [images[:1].numpy()]) < 1e-2
    with torch.no_grad():
        next(m for m in made.network.modules() if isinstance(m, nn.InstanceNorm2d)).weight.mul_(1.5)
    with pytest.raises(ParityError):
        largest_difference(candidate, path, [images[:1].numpy()])
