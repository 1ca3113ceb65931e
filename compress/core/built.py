"""A candidate with its artefact on disk, and how it is run."""

from dataclasses import dataclass
from pathlib import Path

from compress.core.candidate import Candidate
from eval.inference import Inference
from teachers.licence import LICENCE_FILE

ARTEFACT, RECIPE, LICENCE = "model.onnx", "recipe.yaml", LICENCE_FILE


@dataclass(frozen=True)
class Built:
    """A candidate with its artefact on disk."""

    name: str
    candidate: Candidate
    artefact: Path
    stage: int | None
    """The teacher's stage whose maps are this candidate's maps; None if it is not the teacher's first stages."""
    parity_max_abs: float

    @property
    def inference(self) -> Inference | None:
        """How it is run on a frame; None: at the scales of the reference."""
        return self.candidate.inference
