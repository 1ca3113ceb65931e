"""Candidate: a network on its way to a phone, with where it came from."""

import hashlib
from dataclasses import dataclass
from typing import Any

from compress.core.notes import Note
from compress.core.qparams import Quantization
from eval.inference import Inference
from teachers.licence import Licence
from teachers.posenet import PoseNet
from teachers.spec import PoseNetSpec


@dataclass(frozen=True)
class Candidate:
    """A network and its history. Steps never change one; they make the next."""

    network: PoseNet
    licence: Licence
    id: str
    """Hash of the content: spec, weights, quantization. The same network has the same id whichever way it was made."""
    parent: str | None = None
    steps: tuple[dict[str, Any], ...] = ()
    """The steps so far, as their settings."""
    notes: tuple[Note, ...] = ()
    """What steps found out on their way that a report should show; no part of the content."""
    quantization: Quantization | None = None
    """None where all is float. The network then holds the weights that the artefact has, as floats."""
    rejected_reason: str | None = None
    """Why a step rejects it: it is measured, but is on no front, meets no goal and is never recommended."""
    inference: Inference | None = None
    """How it is run on a frame, no part of the content; None: at the scales of the reference."""

    @property
    def spec(self) -> PoseNetSpec:
        return self.network.spec

    @staticmethod
    def of(teacher: PoseNet, licence: Licence) -> "Candidate":
        """The teacher itself as the first candidate of its line."""
        return Candidate(teacher.eval(), licence, content_id(teacher))

    def followed_by(
        self,
        step: dict[str, Any],
        network: PoseNet,
        *notes: Note,
        quantization: Quantization | None = None,
        rejected_reason: str | None = None,
    ) -> "Candidate":
        """The candidate that a step made from this one; the weights' licence, all notes and a rejection go with it.

        ValueError after a quantization: a step that knows nothing of grids would leave them.
        """
        if self.quantization is not None:
            raise ValueError("a quantised candidate cannot be changed further; quantize is the last step")
        return Candidate(
            network=network.eval(),
            licence=self.licence,
            id=content_id(network, quantization),
            parent=self.id,
            steps=(*self.steps, step),
            notes=(*self.notes, *notes),
            quantization=quantization,
            rejected_reason=rejected_reason or self.rejected_reason,
            inference=self.inference,
        )


def content_id(network: PoseNet, quantization: Quantization | None = None) -> str:
    """16 hexadecimal digits of the sha256 over spec, quantization and every named tensor's shape, type and bytes."""
    digest = hashlib.sha256(network.spec.digest().encode())
    if quantization is not None:
        digest.update(quantization.digest_text.encode())
    for name, tensor in sorted(network.state_dict().items()):
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{name}{values.shape}{values.dtype}".encode())
        digest.update(memoryview(values).cast("B"))
    return digest.hexdigest()[:16]
