"""Caffe files without Caffe: whole, legacy, half-precision, cut short, and files that are something else."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from teachers_caffe import COCO, blob, caffemodel, field, integer, layer, legacy_blob, published, v1_layer, varint

from teachers.common.errors import UserError
from teachers.file_kinds import kind_of
from teachers.read_caffe import read_caffemodel, read_prototxt

WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2) / 7
BIAS = np.array([0.5, -2.0], dtype=np.float32)
MODEL = caffemodel({"conv1": (WEIGHT, BIAS), "conv2": (WEIGHT + 1, BIAS - 1)})


def _write(folder: Path, data: bytes, name: str = "x.caffemodel") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_layers_and_blobs_are_read_exactly(tmp_path: Path) -> None:
    found, notes = read_caffemodel(_write(tmp_path, MODEL))
    assert notes == ()
    assert list(found) == ["conv1", "conv2"]  # the data layer has no weights
    np.testing.assert_array_equal(found["conv1"][0], WEIGHT)
    np.testing.assert_array_equal(found["conv2"][1], BIAS - 1)
    for array in (*found["conv1"], *found["conv2"]):
        assert array.dtype == np.float32
        assert array.flags.writeable


def test_legacy_layers_and_blobs_are_read(tmp_path: Path) -> None:
    """V1LayerParameter, four numbers instead of a shape, and floats that are not packed."""
    found = read_caffemodel(_write(tmp_path, v1_layer("conv1", [legacy_blob(WEIGHT), legacy_blob(BIAS)]))).blobs
    np.testing.assert_array_equal(found["conv1"][0], WEIGHT)
    np.testing.assert_array_equal(found["conv1"][1], BIAS.reshape(1, 1, 1, 2))


def test_packed_floats_in_pieces_and_doubles_are_read(tmp_path: Path) -> None:
    shape = field(7, field(1, varint(2)))
    pieces = field(5, BIAS[:1].tobytes()) + shape + field(5, BIAS[1:].tobytes())
    doubles = shape + field(8, BIAS.astype("<f8").tobytes())
    found, notes = read_caffemodel(_write(tmp_path, layer("conv1", [pieces, doubles])))
    assert notes == ("x.caffemodel: weights in float64 were converted to float32",)
    np.testing.assert_array_equal(found["conv1"][0], BIAS)
    np.testing.assert_array_equal(found["conv1"][1], BIAS)


def test_half_precision_that_opencv_wrote_is_read(tmp_path: Path) -> None:
    source, half = _write(tmp_path, MODEL), tmp_path / "half.caffemodel"
    cv2.dnn.shrinkCaffeModel(str(source), str(half))
    found, notes = read_caffemodel(half)
    assert notes == ("half.caffemodel: weights in float16 were converted to float32",)
    np.testing.assert_array_equal(found["conv1"][0], WEIGHT.astype(np.float16).astype(np.float32))
    assert half.read_bytes() != MODEL


def test_every_cut_is_a_user_error_or_whole_layers(tmp_path: Path) -> None:
    whole = 0
    for length in range(len(MODEL)):
        path = _write(tmp_path, MODEL[:length])
        try:
            found = read_caffemodel(path).blobs
        except UserError as error:
            assert str(error).startswith(str(path))
        else:
            assert list(found) == ["conv1"]
            whole += 1
    assert whole == 1  # at the border between two layers; the network's own names are compared later


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "holds no layer with weights"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "not a Caffe model"),
        (b"PK\x03\x04" + bytes(64), "not a Caffe model"),
        (published(COCO, 1)[0].encode(), "not a Caffe model"),
        (MODEL[:-5], "cut short"),
        (field(100, b"\x0a\xff"), "its first layer cannot be read"),
        (MODEL + field(100, b"\x0a\xff"), "the layer after 'conv2' cannot be read"),
        (integer(100, 3), "field 100 of wire type 0"),
        (b"\xff" * 20, "stands no number"),
        (MODEL + layer("conv1", [blob(BIAS)]), "layer 'conv1' occurs twice"),
        (layer("c", [blob(BIAS)[:5]]), "layer 'c': its weights cannot be read"),
        (layer("c", [field(5, bytes(7))]), "layer 'c': its weights cannot be read"),
        (layer("c", [field(5, bytes(8)) + field(7, field(1, varint(3)))]), "shape (3,) holds 2 values"),
        (layer("c", [field(5, bytes(8)) + field(7, field(1, varint(2**62) * 3))]), "holds 2 values"),
        (layer("c", [field(7, field(1, varint(2**64 - 1) * 2)) + field(5, bytes(4))]), "shape (-1, -1)"),
        (layer("c", [integer(10, 3) + field(12, bytes(8))]), "weights are integers"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = _write(tmp_path, data)
    with pytest.raises(UserError) as caught:
        read_caffemodel(path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


@pytest.mark.parametrize("read", [read_caffemodel, read_prototxt])
def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path, read: object) -> None:
    assert callable(read)
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(UserError, match="cannot be read"):
            read(path)


_PEAK = """
import resource, sys
from pathlib import Path
from teachers.read_caffe import read_caffemodel
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
blobs = read_caffemodel(Path(sys.argv[1])).blobs
held = sum(array.nbytes for arrays in blobs.values() for array in arrays) // 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before - held)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss has another unit elsewhere")
def test_the_file_is_not_held_twice(tmp_path: Path) -> None:
    values = np.ones(1 << 18, dtype=np.float32)  # 1 MiB a layer, 64 of them
    path = tmp_path / "large.caffemodel"
    with path.open("wb") as file:
        for number in range(64):
            file.write(layer(f"conv{number}", [blob(values)]))
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)], cwd=root, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 24 * 1024, "KiB beyond the blobs themselves; a second copy would be 65,536"


def test_layers_of_a_prototxt(tmp_path: Path) -> None:
    text = """
    name: 'net' # a comment { that opens nothing
    layer { name: "a" type: "Convolution" bottom: "x" bottom: "y" top: "a"
      convolution_param { num_output: 8 kernel_h: 3 kernel_w: 5 pad: [1, 2]; group: 2, dilation: 3 } }
    layers: < name: "b" type: POOLING top: "b" pooling_param { kernel_size: 2 pool: AVE } >
    layer { name: "c" "d" type: "ReLU" }
    """
    a, b, c = read_prototxt(_write(tmp_path, text.encode()))
    assert (a.name, a.type, a.line, a.bottoms, a.tops) == ("a", "Convolution", 3, ("x", "y"), ("a",))
    assert (a.num_output, a.kernel, a.pad, a.stride, a.dilation, a.group) == (8, (3, 5), (1, 2), (1, 1), (3, 3), 2)
    assert (b.type, b.kernel, b.pad, b.stride, b.pool) == ("Pooling", (2, 2), (0, 0), (1, 1), "AVE")
    assert (c.name, c.type, c.kernel, c.num_output) == ("cd", "ReLU", None, None)


def test_a_prototxt_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """As editors on Windows leave it; a recipe and JSON are taken with it, too."""
    path = _write(tmp_path, b"\xef\xbb\xbfname: 'net'\nlayer { name: 'a' type: 'ReLU' }", "x.prototxt")
    (found,) = read_prototxt(path)
    assert (found.name, found.type, found.line) == ("a", "ReLU", 2)
    assert kind_of(path) == "prototxt"


_CONV = 'layer {{ name: "a"\n type: "Convolution"\n convolution_param {{ {} }} }}'


@pytest.mark.parametrize(
    "text, said",
    [
        ("", ": holds no layer"),
        ("layer {\n name: 'a'", ":2: expected a field's name or '}', found the end of the file"),
        ("layer {\n name 'a' }", ":2: expected ':' or '{'"),
        ("layer {\n name: }", ":2: expected a value, found '}'"),
        ("layer {\n name: [1 2] }", ":2: expected ',' or ']'"),
        ("layer {\n name: [1, ", ":2: expected a value, found the end of the file"),
        ("\nlayer { type: 'ReLU' }", ":2: a layer needs a name and a type"),
        ("layer: 3", ":1: expected `layer { ... }`, found '3'"),
        ('layer {\n name: "never ends }', ":2: not a prototxt"),
        ("\n@", ":2: not a prototxt"),
        ("}", ":1: expected a field's name, found '}'"),
        ("a {" * 40 + "}" * 40, ":1: more than 32 messages inside one another"),
        ("a {" * 100_000, ":1: more than 32"),
        (_CONV.format("num_output: many kernel_size: 3"), ":3: num_output must be a whole number, found 'many'"),
        (_CONV.format("num_output: 8 kernel_size: -3"), ":3: kernel_size must be a whole number, found '-3'"),
        (_CONV.format("num_output: 8"), ":1: convolution 'a' needs num_output and kernel_size"),
        (_CONV.format("num_output: 99999999999 kernel_size: 3"), ":3: num_output must be a whole number"),
    ],
)
def test_a_bad_prototxt_names_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = _write(tmp_path, text.encode(), "x.prototxt")
    with pytest.raises(UserError) as caught:
        read_prototxt(path)
    assert str(caught.value).startswith(str(path) + said), caught.value


def test_a_binary_or_huge_prototxt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not a prototxt: byte \d+ is not text"):
        read_prototxt(_write(tmp_path, b"layer\xff\xfe"))
    with pytest.raises(UserError, match=r"4,194,305 bytes; a network's prototxt is below"):
        read_prototxt(_write(tmp_path, b" " * (1 + (4 << 20))))
