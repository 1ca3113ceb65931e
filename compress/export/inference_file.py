"""inference.json: how a model is run on a frame, beside its weights."""

from pathlib import Path

from eval.inference import INFERENCE_FILE, Inference, read_inference
from teachers.common.errors import UserError
from teachers.common.files import write_text


def save_inference(folder: Path, inference: Inference | None) -> None:
    """Writes the file whole or not at all; None removes it."""
    path = folder / INFERENCE_FILE
    if inference is None:
        path.unlink(missing_ok=True)
    else:
        write_text(path, inference.to_json() + "\n")


def load_inference(folder: Path) -> Inference | None:
    """What a model's folder says; None where it says nothing. UserError for a file that is no such record."""
    path = folder / INFERENCE_FILE
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    return read_inference(text, str(path))
