"""Packed models: what goes in comes out bit by bit, and a damaged or hostile file only gets a line that says so."""

import hashlib
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import LICENCE, tiny_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compress.cli.main import run_command
from compress.core.candidate import Candidate, content_id
from compress.packing.pack_file import FREE_WEIGHTS, LONGEST_HEADER, MOST_PARTS, pack, unpack
from compress.packing.pack_sizes import size_stages
from compress.packing.pack_tensors import pack_tensor, unpack_tensor
from compress.steps.cluster_weights import ClusterWeights
from compress.steps.context import StepContext
from compress.steps.prune_weights import PruneWeights
from teachers.checkpoint import SPEC, WEIGHTS, load_model, save_model
from teachers.common.errors import UserError
from teachers.posenet import PoseNet

FRONT = struct.Struct("<8sHIIQ")
SPECIAL = [0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x7F7FFFFF, 0x3F800000, 0x38800000, 0x33800000, 0x7F800001]
"""Zero, minus zero, denormals, the largest, one, the least fp16, its least denormal, a signalling NaN."""
PATTERNS = st.one_of(st.sampled_from(SPECIAL), st.integers(0, 2**32 - 1))


@st.composite
def tensors(draw: st.DrawFn) -> np.ndarray:
    """Any bits; few different values; mostly zeros, in runs longer than a gap reaches; empty; no dimensions."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))
    size = int(np.prod(shape))
    few = draw(st.lists(PATTERNS, min_size=1, max_size=draw(st.sampled_from([1, 2, 4, 32]))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.choice(np.array(few, np.uint32), size)
    values[rng.random(size) < draw(st.sampled_from([0.0, 0.5, 0.97, 1.0]))] = 0
    return values.view(np.float32).reshape(shape)


def _same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    return ours.shape == theirs.shape and np.array_equal(ours.view(np.uint32), theirs.view(np.uint32))


@settings(max_examples=300, deadline=None)
@given(tensor=tensors())
def test_a_tensor_comes_back_bit_by_bit(tensor: np.ndarray) -> None:
    packed = pack_tensor("x", tensor)
    again = unpack_tensor(packed.entry, packed.data)
    assert _same(np.atleast_1d(again), np.atleast_1d(tensor)) and again.shape == tensor.shape
    assert len(packed.data) <= 4 * tensor.size


@pytest.mark.parametrize("values", [256, 257])
@pytest.mark.parametrize("zeros", [0, 254, 255, 256, 509, 510, 511])
def test_gaps_and_codebooks_at_their_limits(values: int, zeros: int) -> None:
    some = np.arange(1, values + 1, dtype=np.float32) / 3
    tensor = np.concatenate([np.append(np.zeros(zeros, np.float32), value) for value in np.tile(some, 5)])
    packed = pack_tensor("x", tensor)
    assert (packed.entry.gaps is not None) == (zeros > 0)
    assert (packed.entry.codebook is not None) == (values == 256)
    assert _same(unpack_tensor(packed.entry, packed.data), tensor)


@pytest.fixture
def shared(tiny: PoseNet) -> PoseNet:
    context = StepContext(seed=0)
    pruned = PruneWeights(sparsity=0.6).apply(Candidate.of(tiny, LICENCE), context)
    return ClusterWeights(bits=3, depthwise_bits=4).apply(pruned, context).network


@pytest.mark.parametrize("stages", [1, 3])
def test_a_model_comes_back_bit_by_bit(shared: PoseNet, tmp_path: Path, stages: int) -> None:
    for network in (PoseNet(tiny_spec(stages)), shared):
        again, licence = unpack(pack(network, LICENCE).data, "x")
        assert content_id(again) == content_id(network)
        assert (again.spec, licence, again.training) == (network.spec, LICENCE, False)
        save_model(tmp_path / "before", network, LICENCE)
        save_model(tmp_path / "after", again, licence)
        assert (tmp_path / "before" / SPEC).read_bytes() == (tmp_path / "after" / SPEC).read_bytes()
        # safetensors writes the metadata in any order; what follows the header is the tensors.
        ends = [(tmp_path / name / WEIGHTS).read_bytes() for name in ("before", "after")]
        assert len(ends[0]) == len(ends[1])
        size = 4 * sum(tensor.numel() for tensor in network.state_dict().values())
        assert ends[0][-size:] == ends[1][-size:]


def test_sizes_fall_from_stage_to_stage(shared: PoseNet) -> None:
    file = pack(shared, LICENCE)
    stages = size_stages(file)
    weights = sum(tensor.numel() for tensor in shared.state_dict().values())
    assert stages[0].bytes == 4 * weights
    assert stages[-1].bytes == len(file.data)
    inner = [stage.bytes for stage in stages[:-1]]
    assert inner == sorted(inner, reverse=True) and len(set(inner)) == 4
    assert not file.rounded


def test_half_rounds_what_is_still_fp32_and_says_what(tiny: PoseNet) -> None:
    file = pack(tiny, LICENCE, half=True)
    assert file.rounded and len(file.data) < len(pack(tiny, LICENCE).data)
    again, _ = unpack(file.data, "x")
    for name, tensor in tiny.state_dict().items():
        expected = tensor.half().float() if name in file.rounded else tensor
        assert torch.equal(again.state_dict()[name], expected)


def _signed(data: bytes) -> bytes:
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def _assert_refused(data: bytes, match: str | None = None) -> None:
    with pytest.raises(UserError, match=match) as caught:
        unpack(data, "file.posepack")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("file.posepack: ")


def test_a_flipped_bit_anywhere_is_found(shared: PoseNet) -> None:
    data = pack(shared, LICENCE).data
    places = [*range(0, 400), *range(400, 8 * len(data), 997), 8 * len(data) - 1]
    for place in places:
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        _assert_refused(bytes(flipped))
    assert len(places) > 450


def test_a_wrong_length_is_found(shared: PoseNet) -> None:
    data = pack(shared, LICENCE).data
    _assert_refused(b"")
    for length in (1, 7, 8, 20, 57, 58, 100, len(data) // 2, len(data) - 1):
        _assert_refused(data[:length])
    _assert_refused(data + b"\0", "bytes, its beginning says")


def test_another_version_and_another_file_are_told_apart(shared: PoseNet) -> None:
    data = pack(shared, LICENCE).data
    _assert_refused(data[:8] + b"\x03\x00" + data[10:], "version 3 of the format; this program reads 1 and 2")
    _assert_refused(b"PK" + data[2:], "not a packed model")


def test_a_well_signed_mutation_is_refused_or_is_another_valid_model(shared: PoseNet) -> None:
    """A hostile file has the right checksum; nothing but a UserError or a network that fits its spec may come of it."""
    data = pack(shared, LICENCE).data
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        bad = bytearray(data)
        for place in rng.integers(0, len(data) - 32, rng.integers(1, 6)):
            bad[place] = rng.integers(256)
        try:
            unpack(_signed(bytes(bad)), "x")
        except UserError as error:
            assert str(error).startswith("x: ") and "\n" not in str(error)
            refused += 1
    assert 150 < refused < 300


def _rewritten(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The same body behind another header."""
    front = FRONT.unpack_from(data)
    body = data[FRONT.size + front[2] : -32]
    header = json.loads(zlib.decompress(data[FRONT.size : FRONT.size + front[2]]))
    change(header)
    text = json.dumps(header).encode()
    packed = zlib.compress(text)
    return _signed(FRONT.pack(front[0], 1, len(packed), len(text), len(body)) + packed + body + bytes(32))


def test_a_rewritten_header_is_otherwise_taken(shared: PoseNet) -> None:
    assert content_id(unpack(_rewritten(pack(shared, LICENCE).data, lambda header: None), "x")[0]) == content_id(shared)


def _layer(header: dict[str, Any]) -> dict[str, Any]:
    layer: dict[str, Any] = header["spec"]["stages"][0]["paf"][0]
    return layer


def _nested(header: dict[str, Any]) -> None:
    layer = _layer(header)
    for _ in range(60):
        layer = {"kind": "concat", "branches": [[layer], [_layer(header)]]}
    header["spec"]["stages"][0]["paf"].insert(0, layer)


HOSTILE: dict[str, Callable[[dict[str, Any]], object]] = {
    "a spec of huge layers": lambda header: _layer(header).update(channels=2**40),
    "a spec beyond any integer": lambda header: _layer(header).update(channels=10**30),
    "a kernel beyond any memory": lambda header: _layer(header).update(kernel=2**31 - 1, pad=[2**30 - 1] * 2),
    "a spec that cannot be built": lambda header: _layer(header).update(pad=[2, 0]),
    "a spec of layers in layers": _nested,
    "more layers than any network has": lambda header: header["spec"]["backbone"]["layers"].extend([{}] * MOST_PARTS),
    "a tensor of many weights": lambda header: header["tensors"][0].update(shape=[2**40]),
    "a tensor that is too large for the file": lambda header: header["tensors"][0].update(shape=[2 * FREE_WEIGHTS]),
    "a negative size": lambda header: header["tensors"][0].update(shape=[-1]),
    "another shape": lambda header: header["tensors"][0].update(shape=[1]),
    "a tensor less": lambda header: header["tensors"].pop(),
    "a tensor twice": lambda header: header["tensors"].append(header["tensors"][0]),
    "a value for nobody": lambda header: header.update(more=1),
    "more bytes than there are": lambda header: header["tensors"][-1].update(bytes=2**40),
    "fewer bytes": lambda header: header["tensors"][-1].update(bytes=1),
    "a codebook that is too large": lambda header: header["tensors"][-1].update(codebook=257),
    "a codebook without values": lambda header: header["tensors"][0].update(codebook=3, values=None),
    "a stream of huge length": lambda header: _stream(header).update(bits=2**60),
    "a code that is none": lambda header: _stream(header).update(lengths=[1, 1, 1]),
    "a code of long words": lambda header: _stream(header).update(lengths=[10**9]),
}


def _stream(header: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(entry["values"] for entry in header["tensors"] if "values" in entry)
    return found


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_header_is_refused(shared: PoseNet, change: Callable[[dict[str, Any]], object]) -> None:
    _assert_refused(_rewritten(pack(shared, LICENCE).data, change))


ODD: list[Any] = [0, -1, 1, 3, 2**31, 2**63, 10**30, 1.5, 1e308, "", "conv", None, [], [0], {}, True]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in ((value, key), *_places(value[key]))]


def test_odd_values_anywhere_in_the_header_are_refused_or_harmless(shared: PoseNet) -> None:
    data = pack(shared, LICENCE).data
    rng = np.random.default_rng(0)

    def change(header: dict[str, Any]) -> None:
        places = _places(header)
        container, key = places[rng.integers(len(places))]
        container[key] = ODD[rng.integers(len(ODD))]

    refused = 0
    for _ in range(300):
        try:
            unpack(_rewritten(data, change), "x")
        except UserError as error:
            assert str(error).startswith("x: ") and "\n" not in str(error)
            refused += 1
    assert refused > 250


@pytest.mark.parametrize("said", [LONGEST_HEADER, LONGEST_HEADER + 1, 2**32 - 1])
def test_a_header_that_would_burst_is_refused(said: int) -> None:
    bomb = zlib.compress(b" " * (8 * LONGEST_HEADER))
    front = FRONT.pack(b"POSEPACK", 1, len(bomb), said, 0)
    _assert_refused(_signed(front + bomb + bytes(32)), "header")


def test_not_a_number_is_refused(tiny: PoseNet) -> None:
    with torch.no_grad():
        next(tiny.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(UserError, match="not finite"):
        unpack(pack(tiny, LICENCE).data, "x")


def test_the_commands(shared: PoseNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, file, out, sizes = (tmp_path / name for name in ("model", "small.posepack", "out", "sizes.json"))
    save_model(model, shared, LICENCE)
    assert run_command(["pack", str(model), "--out", str(file), "--report", str(sizes), "--compare"]) == 0
    said = capsys.readouterr().out
    assert "the network runs no faster" in said and "xz alone" in said
    report = json.loads(sizes.read_text())
    assert report["stages"][-1]["bytes"] == file.stat().st_size
    assert {entry["name"] for entry in report["tensors"]} == shared.state_dict().keys()
    assert run_command(["unpack", str(file), "--out", str(out)]) == 0
    assert content_id(load_model(out)[0]) == content_id(shared)


@pytest.fixture
def model_here(tiny: PoseNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_model(Path("model"), tiny, LICENCE)
    return Path("model")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pack", "no-such-model", "--out", "x"], "no teacher is called"),
        (["pack", "model", "--out", "model"], "model: is a folder; a file is needed"),
        (["pack", "model", "--out", "x", "--report", "x"], "--report: must be another file"),
        (["pack", "model/model.onnx", "--out", "x"], "model/model.onnx: there is no such file"),
        (["unpack", "missing", "--out", "x"], "missing: there is no such file"),
        (["unpack", "model", "--out", "x"], "model: is no plain file"),
        (["unpack", "model/spec.json", "--out", "x"], "not a packed model"),
        (["unpack", "model/spec.json", "--out", "model/spec.json"], "--out takes a folder"),
    ],
)
def test_mistakes_end_in_one_line(
    model_here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert model_here.is_dir()
    assert run_command(arguments) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("compress: ") == 1 and "Traceback" not in error
    assert not Path("x").exists()
