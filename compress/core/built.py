"""A candidate with its artefact on disk."""

from dataclasses import dataclass
from pathlib import Path

from compress.core.candidate import Candidate

ARTEFACT, RECIPE, LICENCE = "model.onnx", "recipe.yaml", "LICENCE.txt"


@dataclass(frozen=True)
class Built:
    """A candidate with its artefact on disk."""

    name: str
    candidate: Candidate
    artefact: Path
    stage: int | None
    """The teacher's stage whose maps are this candidate's maps; None if it is not the teacher's first stages."""
    parity_max_abs: float
