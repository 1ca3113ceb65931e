"""Recipe -> candidates on disk: the steps are applied, the network is exported, the artefact is proved equal to it.

Candidates that differ in `inference` alone are one network: it is made and exported once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from compress.common.fact_cache import FactCache, fact_key
from compress.core.built import ARTEFACT, LICENCE, RECIPE, Built
from compress.core.candidate import Candidate, content_id
from compress.core.notes import Note
from compress.export.float_rounding import rounding
from compress.export.inference_file import load_inference, save_inference
from compress.export.onnx_export import Graph, load_graph, save_candidate
from compress.export.parity import PARITY_LIMIT, ParityError
from compress.quantization import integer_network
from compress.quantization.qdq_graph import quantized_graph
from compress.quantization.quantization_file import load_quantization, save_quantization
from compress.run.applied_steps import apply_steps
from compress.run.teacher_stages import TeacherStages, float_graph
from compress.steps.base import Step
from compress.steps.context import StepContext
from eval.inference import Inference
from eval.runtimes import RUNTIMES
from teachers.checkpoint import SPEC, WEIGHTS, load_model, save_model
from teachers.common.errors import UserError
from teachers.common.files import sha256_of, user_path, write_text

ROUNDED_LIMIT = 0.02
"""Relative L2 of the maps where precision changed. In int8 alone they are equal; between float layers and int8 ones a
sum may end on either side of a half, and in half precision runtimes differ in how they add up."""
_HINT = "ranges that were found on few frames make it large; more frames in training.data make it small"
_FILES = (SPEC, WEIGHTS, ARTEFACT, RECIPE, LICENCE)
"""What a finished candidate's folder holds."""
_NOTES: TypeAdapter[tuple[Note, ...]] = TypeAdapter(tuple[Note, ...])


@dataclass(frozen=True)
class Builder:
    """What all candidates of a run are built from."""

    stages: TeacherStages
    """The teacher, and its artefact with all stages."""
    context: StepContext
    folder: Path
    """OUT/candidates"""
    cache: FactCache
    parity_inputs: Sequence[NDArray[np.float32]]
    """Real frames, (1, 3, H, W), on which artefact and network are compared."""

    @property
    def teacher(self) -> Candidate:
        """The first candidate of every line."""
        return self.stages.teacher

    def build(self, name: str, steps: Sequence[Step], recipe_text: str, inference: Inference | None = None) -> Built:
        """The candidate, from its folder if an earlier call finished it there, else made now."""
        settings, key = self._key(steps)
        # Its own folder before that of another one of the same network, and the newest first.
        known = self.cache.facts(key)
        known.reverse()
        known.sort(key=lambda fact: fact["name"] != name)
        for fact in known:
            built = self._reload(fact, settings)
            if built is not None and built.name == name and built.inference == inference:
                return built
            if built is not None:
                return self._copy(built, name, inference, key, recipe_text)
        return self._make(name, steps, key, recipe_text, inference)

    def follow(self, name: str, steps: Sequence[Step]) -> None:
        """A further process's part in building the candidate: it trains along, and writes nothing.

        It reads the same folder, so it comes to the same answer whether the candidate is built already.
        """
        if not any(step.learns for step in steps):
            return
        settings, key = self._key(steps)
        if any(self._reload(fact, settings) for fact in self.cache.facts(key)):
            return
        apply_steps(self.teacher, steps, self.context)

    def _key(self, steps: Sequence[Step]) -> tuple[list[dict[str, object]], str]:
        """The steps' settings, and what stands for all that the candidate depends on."""
        settings = [step.model_dump(mode="json") for step in steps]
        learnt = self.context.targets.key if any(step.learns for step in steps) else None
        return settings, fact_key(
            "built", 6, self.teacher.id, settings, self.context.seed, learnt, content_of_files(steps)
        )

    def _reload(self, fact: dict[str, Any], settings: list[dict[str, object]]) -> Built | None:
        """What an earlier call made, if it is all there."""
        folder = self.folder / fact["name"]
        if not all((folder / file).is_file() for file in _FILES):
            return None
        try:
            network, licence = load_model(folder)
            quantization = load_quantization(folder, network)
            inference = load_inference(folder)
        except UserError:
            return None  # damaged since it was written: made again
        if content_id(network, quantization) != fact["id"] or sha256_of(folder / ARTEFACT) != fact["artefact_sha256"]:
            return None
        notes = _NOTES.validate_python(fact["notes"])
        candidate = Candidate(
            network=network,
            licence=licence,
            id=fact["id"],
            parent=fact["parent"],
            steps=tuple(settings),
            notes=notes,
            quantization=quantization,
            rejected_reason=fact["rejected_reason"],
            inference=inference,
        )
        return Built(fact["name"], candidate, folder / ARTEFACT, self._stage_of(candidate), fact["parity_max_abs"])

    def _copy(self, built: Built, name: str, inference: Inference | None, key: str, recipe_text: str) -> Built:
        """The same network under another name, run in another way: nothing is computed or exported again."""
        candidate = replace(built.candidate, inference=inference)
        made = replace(built, name=name, candidate=candidate, artefact=self.folder / name / ARTEFACT)
        self._save(made, load_graph(built.artefact), recipe_text)
        self._note(made, key)
        return made

    def _make(self, name: str, steps: Sequence[Step], key: str, recipe_text: str, inference: Inference | None) -> Built:
        applied = apply_steps(self.teacher, steps, replace(self.context, building=name))
        candidate = replace(applied, inference=inference)
        stage, artefact = self._stage_of(candidate), self.folder / name / ARTEFACT
        if candidate.quantization is not None:
            model = quantized_graph(candidate.network, candidate.quantization)
        elif stage is None:
            model = float_graph(candidate.network)
        else:
            model = self.stages.cut(stage)
        unproved = Built(name, candidate, artefact, stage, 0.0)
        self._save(unproved, model, recipe_text)
        try:
            made = replace(unproved, parity_max_abs=largest_difference(candidate, artefact, self.parity_inputs))
        except ParityError:
            artefact.unlink()  # an artefact that is not its network is not kept
            raise
        self._note(made, key)
        return made

    def _save(self, built: Built, graph: Graph, recipe_text: str) -> None:
        folder, candidate = built.artefact.parent, built.candidate
        save_model(folder, candidate.network, candidate.licence)
        save_quantization(folder, candidate.quantization)
        save_inference(folder, built.inference)
        write_text(folder / RECIPE, recipe_text)
        save_candidate(graph, candidate, built.artefact)

    def _note(self, built: Built, key: str) -> None:
        fact = {
            "name": built.name,
            "id": built.candidate.id,
            "parent": built.candidate.parent,
            "parity_max_abs": built.parity_max_abs,
            "artefact_sha256": sha256_of(built.artefact),
            "notes": _NOTES.dump_python(built.candidate.notes, mode="json"),
            "rejected_reason": built.candidate.rejected_reason,
        }
        self.cache.add(key, fact)

    def _stage_of(self, candidate: Candidate) -> int | None:
        """t if the candidate is the teacher's first t stages, weights included."""
        if candidate.quantization is not None:
            return None
        whole, part = self.teacher.spec, candidate.spec
        kept = len(part.stages)
        if part != whole.model_copy(update={"stages": whole.stages[:kept]}):
            return None
        ours, theirs = candidate.network.state_dict(), self.teacher.network.state_dict()
        return kept if all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items()) else None


def largest_difference(candidate: Candidate, artefact: Path, inputs: Sequence[NDArray[np.float32]]) -> float:
    """Largest absolute difference between the artefact's maps and the network's; ParityError above the limit."""
    if not inputs:
        raise ValueError("parity needs at least one input")
    session = RUNTIMES["onnxruntime"].load(artefact, threads=1)
    network = computing(candidate)
    largest = 0.0
    for image in inputs:
        pixels = torch.from_numpy(image)
        with torch.inference_mode():
            expected = network(pixels)
        rounded = (0.0, 0.0) if candidate.quantization is not None else rounding(candidate.network, pixels)
        named = zip(("heatmaps", "pafs"), session.run(image), expected, rounded, strict=True)
        for name, ours, theirs, noise in named:
            apart = float(np.abs(ours - theirs.numpy()).max())
            if candidate.quantization is None:
                allowed = PARITY_LIMIT * max(1.0, float(theirs.abs().max())) + noise
                same, told = apart <= allowed, f"by {apart:.3g}; at most {allowed:.3g} is allowed"
            else:
                size = max(float(np.linalg.norm(theirs.numpy())), 1e-12)
                relative = float(np.linalg.norm(ours - theirs.numpy())) / size
                same = relative <= ROUNDED_LIMIT
                told = f"by {relative:.3g} of their size; at most {ROUNDED_LIMIT:g} is allowed ({_HINT})"
            if not same:  # NaN fails too
                raise ParityError(f"{artefact.name}: {name} differ from the network's {told}")
            largest = max(largest, apart)
    return largest


def computing(candidate: Candidate) -> torch.nn.Module:
    """What computes the candidate's maps in torch: its network, on its grids if it has any."""
    return integer_network.computing(candidate.network, candidate.quantization)


def content_of_files(steps: Sequence[Step]) -> list[str]:
    """Hashes of the files that the steps read: another file under the same name is another candidate."""
    return [sha256_of(user_path(file)) for step in steps for file in step.files]
