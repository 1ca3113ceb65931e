"""A MODEL as a candidate, quantization and inference included."""

from collections.abc import Callable
from pathlib import Path

from compress.core.candidate import Candidate, content_id
from compress.export.inference_file import load_inference
from compress.quantization.quantization_file import load_quantization
from teachers.checkpoint import is_model
from teachers.registry import load_teacher

OnBytes = Callable[[int, int | None], None]


def saved_candidate(text: str, on_bytes: OnBytes | None = None) -> Candidate:
    """What a teacher's name or a model's folder stands for. UserError as `load_teacher`, and for a wrong record."""
    network, licence = load_teacher(text, on_bytes)
    folder = Path(text).expanduser()
    quantization = load_quantization(folder, network) if is_model(folder) else None
    inference = load_inference(folder) if is_model(folder) else None
    content = content_id(network, quantization)
    return Candidate(network.eval(), licence, content, quantization=quantization, inference=inference)
