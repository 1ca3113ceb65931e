"""int8 sums in 16 bits: weights whose sums fit, the model of CPUs that cut them off, and such a CPU, emulated."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from conftest import LICENCE
from emulated_cpu import needs_emulation, run_on_haswell
from torch import nn
from training_targets import tiny_teacher

from compress.core.qparams import pairs_fit
from compress.export.onnx_export import int8_sums_fit, save_artefact
from compress.quantization.calibrate import Fitted, fit
from compress.quantization.collapse_check import collapse_facts, collapse_reasons
from compress.quantization.equalization import folded
from compress.quantization.int8_rounding import gptq, limits, nearest
from compress.quantization.integer_network import IntegerNetwork
from compress.quantization.qdq_graph import quantized_graph
from compress.quantization.saturation import overflowing_channels, saturated_sums
from compress.reconstruction.least_squares import moments
from compress.reconstruction.visitor import convolutions
from compress.training.qat_network import QatNetwork
from eval import onnx_session
from eval.onnx_session import SUMS_FIT, sums_may_overflow
from eval.runtimes import RUNTIMES, openvino
from teachers.common.errors import UserError

LARGEST_SUM = 2**15 - 1


@pytest.fixture(scope="module")
def bright() -> torch.Tensor:
    """Images whose pixels are large, so that products are."""
    return torch.randint(150, 256, (2, 3, 64, 80), generator=torch.Generator().manual_seed(1)).float()


def quantized(bright: torch.Tensor) -> Fitted:
    network = folded(tiny_teacher())
    return fit(network, [bright], frozenset(convolutions(network)))


@pytest.fixture(scope="module")
def safe(bright: torch.Tensor) -> Fitted:
    return quantized(bright)


@pytest.fixture(scope="module")
def unsafe(bright: torch.Tensor) -> Fitted:
    """With the whole range of 8 bits for every weight, as most tools have it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("compress.quantization.int8_rounding.LARGEST_PAIR", 254)
        return quantized(bright)


def saved(made: Fitted, path: Path) -> Path:
    save_artefact(quantized_graph(made.network, made.quantization), made.network, LICENCE, path)
    return path


def maps(made: Fitted, images: torch.Tensor, saturating: bool) -> list[np.ndarray[Any, Any]]:
    with torch.inference_mode():
        return [one.numpy() for one in IntegerNetwork(made.network, made.quantization, saturating)(images[:1])]


@pytest.mark.parametrize(
    ("weights", "inputs", "wanted"),
    [
        ((127, 127), (255, 255), LARGEST_SUM),
        ((-127, -127), (255, 255), -LARGEST_SUM - 1),
        ((127, -127), (255, 255), 0),
        ((127, 1), (255, 255), 255 * 128),
        ((127, 127, 127), (255, 255, 255), LARGEST_SUM + 127 * 255),
        ((127, 1, 1, 127), (255, 255, 255, 255), 2 * 255 * 128),
    ],
)
def test_neighbours_are_added_in_16_bits(weights: tuple[int, ...], inputs: tuple[int, ...], wanted: int) -> None:
    zero = 3
    conv = nn.Conv2d(len(weights), 1, 1, bias=False)
    kernel = torch.tensor(weights, dtype=torch.float64).reshape(1, -1, 1, 1)
    x = torch.tensor(inputs, dtype=torch.float64).reshape(1, -1, 1, 1) - zero
    found = saturated_sums(conv, kernel, x, zero, nn.functional.conv2d(x, kernel))
    # The zero is taken off at the end, in 32 bits.
    assert found.item() == wanted - zero * sum(weights)


def test_neighbours_lie_along_the_channels_of_one_cell() -> None:
    """Large weights in every other channel never meet; those of one channel in cells side by side do not either."""
    conv, generator = nn.Conv2d(4, 1, 3, padding=1, bias=False), torch.Generator().manual_seed(0)
    x = torch.randint(128, 256, (1, 4, 5, 6), generator=generator).double()
    for channels, overflows in (((0, 2), False), ((1, 3), False), ((0, 1), True), ((2, 3), True)):
        kernel = torch.zeros(1, 4, 3, 3, dtype=torch.float64)
        kernel[:, list(channels)] = 127
        exact = nn.functional.conv2d(x, kernel, padding=1)
        assert torch.equal(saturated_sums(conv, kernel, x, 0, exact), exact) is not overflows


@pytest.mark.parametrize("columns", [1, 2, 9, 150])
def test_whatever_is_rounded_fits(columns: int) -> None:
    generator = torch.Generator().manual_seed(columns)
    x = torch.randn(1, 1, 600, generator=generator) + torch.randn(1, columns, 600, generator=generator)
    weights = torch.randn(1, 40, columns + 1, generator=generator).double() ** 3
    targets = (weights[..., :-1] @ x.double()).float()
    for found, steps in (nearest(weights, 1.0), gptq(weights, moments(x, targets, bias=True), 1.0)):
        integers = torch.round(found[..., :-1] / steps[..., None])[0].numpy().astype(np.int32)
        assert pairs_fit(integers).all()
        largest = np.abs(integers).max(axis=1)
        assert largest.max() > 64 and largest.min() >= 60, "the range is not just halved, and it is used"


def test_the_largest_weight_keeps_its_size_and_others_get_the_rest() -> None:
    rows = torch.tensor([[100.0, -20.0, 28.0], [64.0, 64.0, -64.0], [3.0, 2.0, 0.0], [127.0, 0.4, -0.2]])
    wanted = [[100, 28, 28], [64, 64, 64], [64, 64, 64], [127, 1, 1]]
    assert limits(rows).tolist() == wanted


def test_training_in_int8_keeps_what_fits(safe: Fitted) -> None:
    form = QatNetwork(safe)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in form.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
    made = form.folded()
    assert any((one.weight != safe.network.get_submodule(name).weight).any() for name, one in _convs(made.network))
    assert overflowing_channels(made.network, made.quantization) == 0


def _convs(network: nn.Module) -> list[tuple[str, nn.Conv2d]]:
    return [(name, one) for name, one in network.named_modules() if isinstance(one, nn.Conv2d)]


def test_the_model_leaves_alone_what_fits_and_changes_what_does_not(
    safe: Fitted, unsafe: Fitted, bright: torch.Tensor
) -> None:
    assert overflowing_channels(safe.network, safe.quantization) == 0
    assert overflowing_channels(unsafe.network, unsafe.quantization) > 10
    for made, same in ((safe, True), (unsafe, False)):
        pairs = zip(maps(made, bright, True), maps(made, bright, False), strict=True)
        assert all(np.array_equal(one, other) for one, other in pairs) is same


def test_an_artefact_says_whether_its_sums_fit(safe: Fitted, unsafe: Fitted, tmp_path: Path) -> None:
    one, other = saved(safe, tmp_path / "safe.onnx"), saved(unsafe, tmp_path / "unsafe.onnx")
    assert int8_sums_fit(onnx.load(one)) and not int8_sums_fit(onnx.load(other))
    assert SUMS_FIT in RUNTIMES["onnxruntime"].load(one, 1).metadata()
    assert SUMS_FIT not in RUNTIMES["onnxruntime"].load(other, 1).metadata()
    assert sums_may_overflow(other) and not sums_may_overflow(one)


@pytest.mark.parametrize("place", [0, 5, 8, 20, 41])
def test_the_mark_is_found_wherever_it_lies(place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "_CHUNK", 24)
    file = tmp_path / "a.onnx"
    file.write_bytes(b"." * place + b"DequantizeLinear" + b"." * 50)
    assert sums_may_overflow(file)
    file.write_bytes(b"DequantizeLinear" + b"." * place + SUMS_FIT.encode() + b"." * 9)
    assert not sums_may_overflow(file)
    file.write_bytes(b"." * 90)
    assert not sums_may_overflow(file)


def test_openvino_refuses_what_it_would_compute_wrong(
    safe: Fitted, unsafe: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = saved(safe, tmp_path / "safe.onnx"), saved(unsafe, tmp_path / "unsafe.onnx")
    monkeypatch.setattr(openvino, "cpu_saturates", lambda: True)
    openvino._refuse_overflow(one)
    with pytest.raises(UserError, match="may overflow the 16 bits"):
        openvino._refuse_overflow(other)
    monkeypatch.setattr(openvino, "cpu_saturates", lambda: False)
    openvino._refuse_overflow(other)


def test_the_collapse_check_judges_sums_that_are_cut_off(safe: Fitted, unsafe: Fitted, bright: torch.Tensor) -> None:
    exact = folded(tiny_teacher())
    alive = collapse_facts(exact, safe, [bright], exact.spec.stride)
    assert (alive.overflowing, alive.saturated) == (0, None) and not collapse_reasons(alive)
    found = collapse_facts(exact, unsafe, [bright], exact.spec.stride)
    assert found.overflowing > 10 and found.saturated is not None
    assert found.joint_rel_l2 < 0.02 and found.saturated.joint_rel_l2 > 0.1
    reasons = collapse_reasons(found)
    assert reasons and all(reason.startswith("on x86 CPUs without VNNI, ") for reason in reasons)


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from eval.silent_imports import import_onnxruntime
from eval.runtimes import RUNTIMES

image, folder = np.load(sys.argv[1]), Path(sys.argv[1]).parent
for name in sys.argv[2:]:
    file = folder / f"{name}.onnx"
    plain = import_onnxruntime().InferenceSession(str(file), providers=["CPUExecutionProvider"])
    np.savez(folder / f"{name}.plain.npz", *plain.run(["heatmaps", "pafs"], {"image": image}))
    np.savez(folder / f"{name}.ours.npz", *RUNTIMES["onnxruntime"].load(file, 1).run(image))
"""


@needs_emulation
def test_a_cpu_without_vnni_computes_what_the_others_do(
    safe: Fitted, unsafe: Fitted, bright: torch.Tensor, tmp_path: Path
) -> None:
    """Whoever loads weights that fit; and whatever our own loader loads. The model is what the others would get."""
    saved(safe, tmp_path / "safe.onnx"), saved(unsafe, tmp_path / "unsafe.onnx")
    np.save(tmp_path / "image.npy", bright[:1].numpy())
    run_on_haswell(PROGRAM, tmp_path / "image.npy", "safe", "unsafe")
    for name, made in (("safe", safe), ("unsafe", unsafe)):
        for way, saturating in (("plain", True), ("ours", False)):
            found = np.load(tmp_path / f"{name}.{way}.npz").values()
            for ours, wanted in zip(found, maps(made, bright, saturating), strict=True):
                np.testing.assert_array_equal(ours, wanted, err_msg=f"{name} {way}")
