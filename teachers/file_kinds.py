"""What kind of weights file this is, told by its first bytes: suffixes are renamed, downloads replaced by web pages."""

import zipfile
from pathlib import Path
from typing import Literal

from teachers.common.errors import UserError

Kind = Literal["caffemodel", "prototxt", "torch", "safetensors", "tensorflow"]
WANTED = (
    "a .caffemodel (with or without its .prototxt), a PyTorch state dict, a .safetensors or a frozen TensorFlow graph"
)
_HEAD = 4096
_TORCH_MEMBERS = ("data.pkl", ".format_version", "byteorder")
_CAFFE_LAYER = b"\xa2\x06"
"""Tag of NetParameter.layer, field 100 of caffe.proto; a file without a name begins with it."""
_CAFFE_V1_LAYERS = b"\x12"
"""Tag of NetParameter.layers, field 2, which caffemodels of before 2015 hold."""


def kind_of(path: Path) -> Kind:
    """The kind of a file that could hold weights; UserError says what the file is instead, as far as one can tell."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except IsADirectoryError as error:
        raise UserError(f"{path}: is a folder; wanted is {WANTED}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not head:
        raise UserError(f"{path}: is empty; wanted is {WANTED}")
    if head.startswith(b"PK\x03\x04"):
        return _of_zip(path, head)
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return "torch"
    # Eight bytes give the length of the JSON header that follows them.
    if head[8:9] == b"{" and head[5:8] == bytes(3):
        return "safetensors"
    text = _as_text(head)
    if text is not None:
        return _of_text(text, path)
    if head.startswith(b"\x0a"):
        return _of_named_protobuf(head)
    if head.startswith((_CAFFE_LAYER, _CAFFE_V1_LAYERS)):
        return "caffemodel"
    raise UserError(
        f"{path}: begins with the bytes {head[:8].hex(' ')}, which no format begins with; wanted is {WANTED}"
    )


def _of_zip(path: Path, head: bytes) -> Kind:
    """PyTorch's files are zips with a data.pkl; one that was cut short is told by its first member's name."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        names = [head[30 : 30 + int.from_bytes(head[26:28], "little")].decode("utf-8", "replace")]
    if any(name.rpartition("/")[2] in _TORCH_MEMBERS for name in names):
        return "torch"
    inside = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    raise UserError(f"{path}: is a zip archive of other files ({inside or 'none'}); unzip it if the weights are inside")


def _of_named_protobuf(head: bytes) -> Kind:
    """Field 1 is a network's name in Caffe, and a node in a TensorFlow graph, which begins with its own field 1."""
    start = 1
    while start < len(head) and head[start] & 0x80:  # the length, seven bits in each byte
        start += 1
    return "tensorflow" if head[start + 1 : start + 2] == b"\x0a" else "caffemodel"


def _as_text(head: bytes) -> str | None:
    """None if there are control characters, or no UTF-8 apart from a last character that was cut."""
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return None
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        return head[: error.start].decode("utf-8") if error.start >= len(head) - 3 else None


def _of_text(text: str, path: Path) -> Kind:
    words = text.lstrip("\ufeff \t\r\n")
    if words.startswith("version https://git-lfs"):
        raise UserError(f"{path}: is a Git LFS pointer, not the file itself; `git lfs pull` fetches that")
    if words.startswith("<"):
        raise UserError(f"{path}: is a web page, as downloads that ask for a confirmation leave; fetch the file again")
    if "{" in words and any(key in words for key in ("layer", "input_dim", "input:", "input_shape")):
        return "prototxt"
    raise UserError(f"{path}: is a text file; wanted is {WANTED}")
