"""Frozen graphs of tf-pose-estimation's MobileNet v2 networks are told by their names, and refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from teachers_caffe import field, integer

from compress.cli import run_command
from teachers.errors import UserError
from teachers.importing import import_files

# As in the published graphs; mean and variance of a batch norm in training mode have no numbers.
NORM = "MobilenetV2/expanded_conv_12/project/BatchNorm"
CONSTANTS: dict[str, tuple[int, ...]] = {
    "MobilenetV2/Conv/weights/read/_2__cf__2": (3, 3, 3, 16),
    "MobilenetV2/Conv/BatchNorm/beta/read/_0__cf__0": (16,),
    "MobilenetV2/expanded_conv_12/project/weights/read/_44__cf__44": (1, 1, 288, 48),
    f"{NORM}/gamma/read/_43__cf__43": (48,),
    "Openpose/MConv_Stage1_L1_1_pointwise/weights/read/_121__cf__121": (1, 1, 64, 64),
}


def graph(path: Path, constants: dict[str, tuple[int, ...]]) -> Path:
    """A frozen graph of constants alone, of random values, through none of our modules."""
    generator = np.random.default_rng(0)
    data = b""
    for name, shape in constants.items():
        sizes = b"".join(field(2, integer(1, size) if size else b"") for size in shape)
        content = generator.standard_normal(shape).astype("<f4").tobytes()
        tensor = integer(1, 1) + field(2, sizes) + (field(4, content) if content else b"")
        entry = field(1, b"value") + field(2, field(8, tensor))
        data += field(1, field(1, name.encode()) + field(2, b"Const") + field(5, entry))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("channels, width", [(16, "0.5"), (48, "1.4")])
def test_it_is_named_with_what_cannot_be_said(tmp_path: Path, channels: int, width: str) -> None:
    first = {"MobilenetV2/Conv/weights/read/_2__cf__2": (3, 3, 3, channels)}
    each = {f"{NORM}/Const": (0,), f"{NORM}/Const_1": (0,)}
    with pytest.raises(UserError) as caught:
        import_files([graph(tmp_path / "v2.pb", CONSTANTS | first | each)])
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'v2.pb'}: is a MobileNet v2 pose network") and f"(width {width})" in said
    assert "stride 16 to stride 8, and 1 of its batch norms take their mean and variance from each image" in said
    assert "\n" not in said and "docs/teachers.md" in said


def test_batch_norms_are_blamed_only_if_they_are_to_blame(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="enlarges features of stride 16 to stride 8; no spec can say that"):
        import_files([graph(tmp_path / "v2.pb", CONSTANTS)])


def test_the_command_says_it_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = graph(tmp_path / "v2.pb", CONSTANTS)
    assert run_command(["teachers", "import", str(path), "--out", str(tmp_path / "out")]) == 2
    assert "MobileNet v2 pose network of tf-pose-estimation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_classifier_of_the_same_front_is_not_taken_for_one(tmp_path: Path) -> None:
    front = {name: shape for name, shape in CONSTANTS.items() if not name.startswith("Openpose")}
    with pytest.raises(UserError, match="not the mobilenet_thin graph"):
        import_files([graph(tmp_path / "v2.pb", front)])
