"""A MODEL as a candidate, quantization and inference included."""

import shlex
from collections.abc import Callable
from pathlib import Path

from compress.core.candidate import Candidate, content_id
from compress.export.inference_file import load_inference
from compress.export.onnx_export import metadata_of, read_graph_file
from compress.packing.pack_file import MAGIC
from compress.quantization.artefact_reader import read_artefact
from compress.quantization.quantization_file import load_quantization
from compress.run.shipped_models import shipped_models
from eval.inference import INFERENCE, read_inference
from teachers.checkpoint import is_model
from teachers.common.errors import UserError
from teachers.common.files import user_path
from teachers.registry import import_hint, load_teacher, teacher_names

OnBytes = Callable[[int, int | None], None]


def saved_candidate(text: str, on_bytes: OnBytes | None = None) -> Candidate:
    """What a teacher's or a shipped model's name, a model's folder or an .onnx file of ours stands for.

    UserError as `load_teacher`, and for a wrong record.
    """
    folder = user_path(text)
    shipped = shipped_models().get(text)
    if shipped is not None or (folder.suffix.lower() == ".onnx" and not folder.is_dir()):
        return _of_artefact(folder if shipped is None else shipped.artefact)
    if text not in teacher_names() and folder.is_file():
        raise no_model_file(text, folder)
    network, licence = load_teacher(text, on_bytes)
    quantization = load_quantization(folder, network) if is_model(folder) else None
    inference = load_inference(folder) if is_model(folder) else None
    content = content_id(network, quantization)
    return Candidate(network.eval(), licence, content, quantization=quantization, inference=inference)


def no_model_file(text: str, path: Path) -> UserError:
    """What to give in place of a file that is no model, as a command that can be typed where there is one."""
    try:
        with path.open("rb") as file:
            is_packed = file.read(len(MAGIC)) == MAGIC
    except OSError as error:
        return UserError(f"{text}: cannot be read: {error.strerror}")
    if is_packed:
        unpack = shlex.join(["compress", "unpack", text, "--out", "DIR"])
        return UserError(f"{text}: is a packed model; first {unpack}")
    if is_model(path.parent):
        return UserError(f"{text}: a model is a folder; give {path.parent}, in which this file lies")
    return UserError(f"{text}: a model is a name, a folder or an .onnx file; this is another file{import_hint(text)}")


def _of_artefact(path: Path) -> Candidate:
    found = read_artefact(path)
    inference = read_inference(metadata_of(read_graph_file(path)).get(INFERENCE), str(path))
    content = content_id(found.network, found.quantization)
    return Candidate(found.network, found.licence, content, quantization=found.quantization, inference=inference)
