"""Fewer bits: rounding by hand, artefact against fake-quantised network, files, and the collapse check."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from conftest import LICENCE, tiny_spec
from pydantic import ValidationError
from training_targets import tiny_targets, tiny_teacher

from compress.core.candidate import Candidate, content_id
from compress.core.notes import QuantizationNote, TrainingNote
from compress.core.qparams import Half, Int8, QuantParams
from compress.export.onnx_export import save_artefact
from compress.export.parity import ParityError
from compress.quantization.calibrate import fit, grid_between
from compress.quantization.collapse_check import CollapseCheck, collapse_reasons
from compress.quantization.equalization import equalize, folded, without_pointless_layers
from compress.quantization.fake_quant import FakeQuantized
from compress.quantization.int8_rounding import gptq, nearest, rounded
from compress.quantization.integer_network import IntegerNetwork
from compress.quantization.mixed_precision import _fewest, named
from compress.quantization.qdq_graph import quantized_graph
from compress.quantization.quantization_file import load_quantization, save_quantization
from compress.quantization.sensitivity import sensitivities
from compress.reconstruction.least_squares import moments, refitted, ridged
from compress.reconstruction.visitor import convolutions, inputs
from compress.run.builder import computing, largest_difference
from compress.run.load_candidate import saved_candidate
from compress.steps.base import SettingError
from compress.steps.context import StepContext
from compress.steps.quantize import COLLAPSE_CHECK, Quantize
from compress.steps.remove_stages import RemoveStages
from compress.training.qat_network import QatNetwork
from eval.runtimes import RUNTIMES
from teachers.checkpoint import save_model
from teachers.common.errors import UserError
from teachers.graph import IMAGE
from teachers.layers import Concat, Conv, MaxPool, Residual, SeparableConv
from teachers.posenet import PoseNet


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> StepContext:
    return StepContext(0, tiny_targets(tmp_path_factory.mktemp("targets")))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randint(0, 256, (3, 3, 64, 80), generator=torch.Generator().manual_seed(1)).float()


def quantize(**settings: Any) -> Quantize:
    return Quantize.model_validate_json(json.dumps({"step": "quantize", "precision": "int8"} | settings))


def varied() -> PoseNet:
    """Residuals, concatenations, a trunk, a ReLU6, a kernel of one cell: what the tiny network lacks."""
    base = tiny_spec(2)
    layers = (
        Conv(channels=8, stride=2, pad=(0, 1), relu_max=6.0),
        MaxPool(kernel=3, stride=2, pad=1),
        Residual(layers=(Conv(channels=8), Conv(channels=8, kernel=1, pad=(0, 0), relu=False))),
        Concat(branches=((Conv(channels=4),), (SeparableConv(channels=6),))),
        SeparableConv(channels=8, stride=2, pad=(0, 1)),
    )
    stages = tuple(
        stage.model_copy(
            update={"trunk": (Conv(channels=8),), "paf": (SeparableConv(channels=8, kernel=1, pad=(0, 0)), *stage.paf)}
        )
        for stage in base.stages
    )
    backbone = base.backbone.model_copy(
        update={"layers": layers, "taps": (base.backbone.taps[1].model_copy(update={"layer": 4}),)}
    )
    torch.manual_seed(3)
    return PoseNet(base.model_copy(update={"backbone": backbone, "stages": stages})).eval()


def apart(ours: Any, theirs: Any) -> float:
    return max(float((a - b).norm() / b.norm()) for a, b in zip(ours, theirs, strict=True))


# Rounding


def test_a_grid_holds_zero_and_what_lies_between_its_ends() -> None:
    grid = grid_between(-1.0, 3.0)
    values = torch.tensor([-2.0, -1.0, 0.0, 0.3, 3.0, 9.0])
    found = rounded(values, grid)
    assert found[2] == 0
    assert torch.all((found[1:5] - values[1:5]).abs() <= grid.scale / 2 + 1e-6)
    assert found[0] == found[1] == -grid.zero * grid.scale
    assert found[5] == found[4] == (255 - grid.zero) * grid.scale


def test_least_squares_find_the_weights_that_made_the_outputs() -> None:
    rng = torch.Generator().manual_seed(0)
    x, exact = torch.randn(1, 5, 400, generator=rng), torch.randn(1, 3, 6, generator=rng).double()
    y = (exact[..., :-1] @ x.double() + exact[..., -1:]).float()
    found = refitted(torch.zeros_like(exact), moments(x, y, bias=True))
    assert torch.allclose(found, exact, rtol=0.05, atol=0.02)  # the ridge holds them back a little


def test_columns_make_good_what_rounding_the_ones_before_spoiled() -> None:
    """Inputs that go together: nearest multiples add their errors up, compensated ones cancel."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 500, generator=rng) + 0.2 * torch.randn(1, 24, 500, generator=rng) + 1.0
    weights = torch.randn(1, 4, 25, generator=rng).double()
    y = weights[..., :-1] @ x.double() + weights[..., -1:]
    seen = moments(x, y.float(), bias=True)
    errors = {}
    for name, (found, steps) in {
        "nearest": nearest(weights, 1.0),
        "compensated": gptq(weights, seen, 1.0),
    }.items():
        integers = found[..., :-1] / steps[..., None]
        assert torch.allclose(integers, integers.round(), atol=1e-6) and integers.abs().max() <= 127
        errors[name] = float((found[..., :-1] @ x.double() + found[..., -1:] - y).square().mean())
    assert errors["compensated"] < errors["nearest"] / 4


def test_far_columns_are_made_good_as_if_one_by_one() -> None:
    """More columns than are worked on together, against the method as Frantar et al. write it down."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 900, generator=rng) + torch.randn(1, 150, 900, generator=rng)
    weights = torch.randn(1, 3, 151, generator=rng).double()
    seen = moments(x, torch.zeros(1, 3, 900), bias=True)
    found, steps = gptq(weights, seen, 1.0)
    inputs = ridged(seen.inputs)[0]
    order = [*torch.argsort(torch.diagonal(seen.inputs[0])[:-1], descending=True).tolist(), 150]
    left = weights[0][:, order].clone()
    for column in range(150):
        inverse = torch.linalg.inv(inputs[order][:, order][column:, column:])
        exact = left[:, column].clone()
        left[:, column] = torch.round(exact / steps[0]).clamp(-127, 127) * steps[0]
        left[:, column + 1 :] -= ((exact - left[:, column]) / inverse[0, 0])[:, None] * inverse[0, 1:]
    torch.testing.assert_close(found[0][:, order], left)


# Exact changes


@pytest.mark.parametrize("make", [tiny_teacher, varied])
def test_folding_and_evening_out_change_nothing(make: Any, images: torch.Tensor) -> None:
    network = make()
    plain = folded(network)
    assert plain.spec == without_pointless_layers(network.spec)
    with torch.no_grad():
        assert apart(plain(images), network(images)) < 1e-5
        assert apart(equalize(plain, [images])(images), network(images)) < 1e-4


def test_a_kernel_of_one_cell_is_gone() -> None:
    network = varied()
    assert len(convolutions(folded(network))) == len(convolutions(network)) - 2


# The artefact is the fake-quantised network


@pytest.mark.parametrize("make", [tiny_teacher, varied])
@pytest.mark.parametrize("floats", [(), ("heads",), ("backbone",), ("stage_2",)])
def test_the_artefact_rounds_where_the_fake_quantised_network_does(
    make: Any, floats: tuple[str, ...], images: torch.Tensor, tmp_path: Path
) -> None:
    network = equalize(folded(make()), [images])
    kept = {block for name in floats for block in named(network)[name]}
    int8 = frozenset(name for name in convolutions(network) if name.rpartition(".")[0] not in kept)
    assert bool(kept) == bool(floats) and int8
    made = fit(network, [images], int8)
    candidate = Candidate(made.network, LICENCE, "id", quantization=made.quantization)
    save_artefact(quantized_graph(made.network, made.quantization), made.network, LICENCE, tmp_path / "model.onnx")
    apart_at_most = largest_difference(candidate, tmp_path / "model.onnx", [one[None].numpy() for one in images])
    assert floats or apart_at_most < 1e-6  # integers are integers
    graph = onnx.load(tmp_path / "model.onnx").graph
    weights = [one for one in graph.initializer if one.name.endswith("weight.integers")]
    assert {one.name.removesuffix(".weight.integers") for one in weights} == int8
    assert all(one.data_type == onnx.TensorProto.INT8 for one in weights)


def test_integers_of_the_artefact_are_the_folded_ones(images: torch.Tensor) -> None:
    made = fit(folded(tiny_teacher()), [images], frozenset(convolutions(folded(tiny_teacher()))))
    shipped = QatNetwork(made).folded()
    for network, quantization in ((made.network, made.quantization), (shipped.network, shipped.quantization)):
        graph = quantized_graph(network, quantization).graph
        held = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        read = inputs(network)
        for name, steps in quantization.weights.items():
            conv = network.get_submodule(name)
            whole = held[f"{name}.weight.integers"].astype(np.float32) * np.float32(steps)[:, None, None, None]
            np.testing.assert_array_equal(whole, conv.weight.detach().numpy())
            if conv.bias is not None:
                step = np.float32(steps) * np.float32(quantization.grids[read[name]].scale)
                bias = held[f"{name}.bias.integers"] * step
                np.testing.assert_allclose(bias, conv.bias.detach().numpy(), rtol=1e-6, atol=1e-12)
    assert shipped.quantization == made.quantization


def test_another_scale_is_no_parity(images: torch.Tensor, tmp_path: Path) -> None:
    network = folded(tiny_teacher())
    made = fit(network, [images], frozenset(convolutions(network)))
    first = made.quantization.grids["backbone.layers.0.conv"]
    grids = made.quantization.grids | {"backbone.layers.0.conv": QuantParams(scale=first.scale, zero=128)}
    wrong = made.quantization.model_copy(update={"grids": grids})
    save_artefact(quantized_graph(made.network, wrong), made.network, LICENCE, tmp_path / "model.onnx")
    candidate = Candidate(made.network, LICENCE, "id", quantization=made.quantization)
    with pytest.raises(ParityError):
        largest_difference(candidate, tmp_path / "model.onnx", [images[:1].numpy()])


def test_training_form_rounds_as_what_ships_and_lets_gradients_through(images: torch.Tensor) -> None:
    network = folded(tiny_teacher())
    made = fit(network, [images], frozenset(convolutions(network)))
    form = QatNetwork(made)
    stages = form(images).stages
    assert apart(stages[-1], FakeQuantized(made.network, made.quantization)(images)) < 1e-3
    sum(part.square().sum() for maps in stages for part in maps).backward()
    without = [
        name for name, parameter in form.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert not [name for name in without if name.endswith("weight")]
    assert sum(1 for _ in form.parameters()) > len(made.quantization.weights)


def test_fp16_halves_the_file_and_hardly_changes_a_map(
    context: StepContext, images: torch.Tensor, tmp_path: Path
) -> None:
    teacher = Candidate.of(tiny_teacher(), LICENCE)
    made = quantize(precision="fp16").apply(teacher, context)
    assert made.quantization == Half() and made.id != teacher.id
    model = quantized_graph(made.network, made.quantization)
    assert {one.data_type for one in model.graph.initializer if ".weight" in one.name} == {onnx.TensorProto.FLOAT16}
    save_artefact(model, made.network, LICENCE, tmp_path / "model.onnx")
    found = RUNTIMES["onnxruntime"].load(tmp_path / "model.onnx", 1).run(images[:1].numpy())
    with torch.no_grad():
        assert 0 < apart([torch.from_numpy(one) for one in found], teacher.network(images[:1])) < 0.01


# A candidate's folder


def test_a_folder_holds_all_that_the_candidate_is(context: StepContext, tmp_path: Path) -> None:
    teacher = Candidate.of(tiny_teacher(), LICENCE)
    made = quantize().apply(teacher, context)
    assert isinstance(made.quantization, Int8) and made.id != content_id(made.network)
    save_model(tmp_path / "c", made.network, made.licence)
    save_quantization(tmp_path / "c", made.quantization)
    again = saved_candidate(str(tmp_path / "c"))
    assert (again.id, again.quantization) == (made.id, made.quantization)
    one, two = (quantized_graph(c.network, c.quantization).SerializeToString() for c in (made, again))
    assert one == two
    with pytest.raises(ValueError, match="quantize is the last step"):
        RemoveStages(stages=1).apply(made, context)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda record: "{", "not a quantization"),
        (lambda record: json.dumps(record | {"format": 2}), "not a quantization: .*format"),
        (lambda record: json.dumps(record | {"precision": "int4"}), "not a quantization"),
        (lambda record: json.dumps(record | {"grids": {}}), "has no grid"),
        (lambda record: json.dumps(record | {"weights": {"backbone.layers.0.conv": [0.1]}}), "1 steps, .* has 4"),
        (lambda record: json.dumps(record | {"weights": {"nobody": [0.1]}}), "nobody: 1 steps"),
    ],
)  # fmt: skip
def test_a_damaged_record_is_told(change: Any, told: str, images: torch.Tensor, tmp_path: Path) -> None:
    network = folded(tiny_teacher())
    made = fit(network, [images], frozenset(convolutions(network)), refit=False)
    (tmp_path / "quantization.json").write_text(change(made.quantization.model_dump(mode="json")))
    with pytest.raises(UserError, match=told):
        load_quantization(tmp_path, made.network)


# Which layers


@pytest.mark.parametrize(
    ("int8", "grids"),
    [
        (set(), set()),
        ({"backbone.layers.0.conv"}, {IMAGE, "backbone.layers.0.conv"}),
        ({"stages.1.paf.0.conv"}, {"stages.1.input", "stages.1.paf.0.conv"}),
        # A pool lies between, which keeps its input's grid.
        ({"backbone.layers.2.depthwise"}, {"backbone.layers.0.conv", "backbone.layers.2.depthwise"}),
    ],
)
def test_what_int8_reads_and_makes_is_on_grids(int8: set[str], grids: set[str], images: torch.Tensor) -> None:
    assert set(fit(tiny_teacher(), [images], frozenset(int8)).quantization.grids) == grids


def test_a_silent_channel_keeps_its_bias(images: torch.Tensor, tmp_path: Path) -> None:
    """Next to no weights and a bias: steps by the weights alone would take the bias beyond 32 bits."""
    network = folded(tiny_teacher())
    with torch.no_grad():
        conv = network.stages[0].paf[0].conv
        conv.weight[0], conv.bias[0] = 1e-9, 0.7
    made = fit(network, [images], frozenset(convolutions(network)), refit=False)
    assert float(made.network.stages[0].paf[0].conv.bias[0]) == pytest.approx(0.7, rel=1e-3)
    save_artefact(quantized_graph(made.network, made.quantization), made.network, LICENCE, tmp_path / "model.onnx")
    candidate = Candidate(made.network, LICENCE, "id", quantization=made.quantization)
    assert largest_difference(candidate, tmp_path / "model.onnx", [images[:1].numpy()]) < 1e-6


def test_the_layer_with_wild_channels_is_named(images: torch.Tensor) -> None:
    """One channel a thousand times larger, which the next layer undoes: exact in float, fatal on one grid."""
    network = tiny_teacher()
    with torch.no_grad():
        paf = network.stages[0].paf
        for part in (paf[0].conv.weight, paf[0].conv.bias):
            part[0] *= 1000
        paf[1].conv.weight[:, 0] /= 1000
    table = {one.block: one.mean for one in sensitivities(network, [images])}
    assert max(table, key=lambda block: table[block]) in ("stages.0.paf.0", "stages.0.paf.1")
    evened_out = {one.block: one.mean for one in sensitivities(equalize(network, [images]), [images])}
    assert evened_out["stages.0.paf.0"] < table["stages.0.paf.0"] / 3


@pytest.mark.parametrize("wanted", [0, 1, 4, 7])
def test_the_fewest_layers_that_are_enough(wanted: int) -> None:
    assert _fewest(7, lambda count: count >= wanted) == wanted
    assert _fewest(7, lambda count: False) is None


def test_a_budget_frees_what_harms_most(context: StepContext) -> None:
    teacher = Candidate.of(tiny_teacher(), LICENCE)
    notes = {}
    for budget in (1.0, 0.004):
        made = quantize(max_rel_l2=budget, gptq=False).apply(teacher, context)
        (notes[budget],) = (note for note in made.notes if isinstance(note, QuantizationNote))
    harm = {one.block: one.mean for one in notes[0.004].sensitivity}
    assert notes[1.0].floats == () and notes[1.0].limit_kept
    freed = list(notes[0.004].floats)
    assert freed == sorted(harm, key=lambda block: -harm[block])[: len(freed)] != []


def test_a_budget_that_few_frames_keep_and_all_do_not_frees_more(
    context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search looks at few frames; what ships is judged as it is, and layers are freed until it keeps the budget."""
    asked: list[int] = []

    def judged(found: Any, exact: Any) -> tuple[float, float]:
        asked.append(1)
        return (2.0, 2.0) if len(asked) < 4 else (0.0, 0.0)

    monkeypatch.setattr("compress.quantization.mixed_precision._fewest", lambda most, enough: 1)
    monkeypatch.setattr("compress.quantization.mixed_precision.relative", judged)
    made = quantize(max_rel_l2=0.1, gptq=False).apply(Candidate.of(tiny_teacher(), LICENCE), context)
    (note,) = (note for note in made.notes if isinstance(note, QuantizationNote))
    assert len(note.floats) == 1 + 4 and note.limit_kept and len(asked) == 4

    monkeypatch.setattr("compress.quantization.mixed_precision.relative", lambda found, exact: (2.0, 2.0))
    made = quantize(max_rel_l2=0.1, gptq=False).apply(Candidate.of(tiny_teacher(), LICENCE), context)
    (note,) = (note for note in made.notes if isinstance(note, QuantizationNote))
    assert note.limit_kept is False


def test_training_is_in_the_shared_loop(context: StepContext) -> None:
    schedule = {"steps": 2, "batch_size": 2, "crop": [64, 80], "learning_rate": 1e-3, "warmup": 0, "validate_every": 1}
    made = quantize(qat={"schedule": schedule, "ignore_border": 1}).apply(
        Candidate.of(tiny_teacher(), LICENCE), context
    )
    (note,) = (note for note in made.notes if isinstance(note, TrainingNote))
    assert note.steps == 2 and len(note.validations) == 3
    assert note.best.score <= note.before.score < 0.1
    assert isinstance(computing(made), IntegerNetwork)


# The collapse check


def maps(people: int = 1, noise: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:20, :30]
    heat = np.zeros((19, 20, 30), np.float32)
    for joint in range(18):
        for person in range(people):
            y, x = rng.uniform(4, 16, 2) + person
            heat[joint] = np.maximum(heat[joint], np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 2))
    heat[-1] = 1 - heat[:-1].max(axis=0)
    return heat + noise * rng.standard_normal(heat.shape).astype(np.float32), heat[:18].repeat(2, 0) - 0.1


def test_the_same_maps_are_alive() -> None:
    check = CollapseCheck(stride=8)
    check.look(maps(), maps())
    facts = check.facts()
    assert (facts.joint_rel_l2, facts.paf_rel_l2, facts.lost, facts.keypoints) == (0, 0, 0, 18)
    assert facts.peak_shift_px == 0 and collapse_reasons(facts) == ()


def test_silent_maps_are_dead_by_every_branch_and_keypoint() -> None:
    check, (heat, pafs) = CollapseCheck(stride=8), maps()
    check.look((heat * 0, pafs * 0), (heat, pafs))
    facts = check.facts()
    assert facts.joint_rel_l2 == facts.paf_rel_l2 == 1.0 and facts.lost == facts.keypoints == 18
    assert len(collapse_reasons(facts)) == 3 and "18 of 18 keypoints are lost" in collapse_reasons(facts)[2]


def test_moved_peaks_are_told_in_pixels() -> None:
    check, (heat, pafs) = CollapseCheck(stride=8), maps()
    moved = np.roll(heat, (1, 1), axis=(1, 2))
    check.look((moved, pafs), (heat, pafs))
    facts = check.facts()
    assert facts.lost == 0 and facts.peak_shift_px == pytest.approx(8 * 2**0.5, rel=0.1)
    assert any("one peak in ten moves" in reason for reason in collapse_reasons(facts))


def test_a_refused_candidate_is_on_no_front_and_meets_no_goal() -> None:
    from compress_made_up import measured, record, teacher

    from compress.results.goals import meets_all, parse_goals
    from compress.results.pareto import front
    from compress.results.tables import note

    check, (heat, pafs) = CollapseCheck(stride=8), maps()
    check.look((heat * 0, pafs * 0), (heat, pafs))
    reason = f"{COLLAPSE_CHECK}: {'; '.join(collapse_reasons(check.facts()))}"
    alive, dead = (record(name, measured(3), rejected_reason=why) for name, why in (("alive", None), ("dead", reason)))
    assert front([teacher(), alive, dead], ("latency_ratio", "joint_rel_l2")) == ("teacher", "alive")
    goals = parse_goals(["latency_ratio <= 2"])
    assert meets_all(alive, goals) and not meets_all(dead, goals)
    assert "int8 collapse check: joints differ by 100%" in note(dead)


# What the recipe says


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"precision": "int4"}, "precision"),
        ({"precision": "fp16", "calibration_frames": 8}, "calibration_frames: is for int8"),
        ({"precision": "fp16", "keep_float": ["heads"]}, "keep_float: is for int8"),
        ({"calibration_frames": 0}, "calibration_frames"),
        ({"max_rel_l2": 0}, "max_rel_l2"),
        ({"max_rel_l2": -0.1}, "max_rel_l2"),
        ({"qat": {}}, "schedule"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        quantize(**settings)


def test_a_part_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"no part is called 'stage_9'.*stage_"):
        quantize(keep_float=["stage_9"]).check(tiny_spec())


def test_calibration_needs_frames() -> None:
    with pytest.raises(UserError, match="the recipe needs `training`"):
        quantize().apply(Candidate.of(tiny_teacher(), LICENCE), StepContext(0))
