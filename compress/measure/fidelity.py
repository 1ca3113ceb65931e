"""How far every candidate's maps are from the teacher's, over the sampled frames, in one pass.

Stage t of the teacher is the candidate with t stages, so the teacher's one pass with all stages out answers for all
of them; a candidate that is not runs its own artefact on the same inputs.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compress.common.fact_cache import Journal, fact_key
from compress.core.built import Built
from compress.export.onnx_export import stage_outputs
from compress.results.records import Fidelity
from eval.frames import Frame, Sample
from eval.maps import MapDifference, SilentTeacher, average_scales, difference, prepare
from eval.runtimes import RUNTIMES, Session
from teachers.common.errors import UserError
from teachers.common.files import write_bytes
from teachers.posenet import Maps

Track = Callable[[Iterable[Frame], str, int, int], Iterable[Frame]]


@dataclass(frozen=True)
class FidelityPlan:
    """What one fidelity pass compares, and on what."""

    teacher: Built
    candidates: Sequence[Built]
    all_stages: Path
    sample: Sample
    scales: tuple[float, ...]
    threads: int
    kept: Path | None = None
    """A folder in which the teacher's averaged maps of each frame are kept, for further candidates."""

    def key(self, candidate: Built) -> str:
        """Under which the per-frame facts of a candidate are noted."""
        return fact_key(
            "fidelity", 1, self.teacher.candidate.id, candidate.candidate.id, self.scales, self.sample.digest
        )


def measure_fidelity(plan: FidelityPlan, journal: Journal, track: Track) -> dict[str, Fidelity]:
    """The fidelity of each candidate by name; frames already in the journal are not run again."""
    # By key: two candidates of the same content, under two names, are measured once.
    different = {plan.key(built): built for built in plan.candidates}
    done = {key: len(journal.facts(key)) for key in different}
    start = min(done.values(), default=0)
    total = len(plan.sample.indices)
    if start < total:
        scorer = Scorer(plan)
        frames = track(plan.sample.frames(start), "fidelity to the teacher", total, start)
        for index, frame in enumerate(frames, start=start):
            waiting = [key for key in different if done[key] <= index]
            try:
                scores = scorer.score(frame, [different[key] for key in waiting])
            except SilentTeacher as error:
                raise UserError(f"{frame.name}: {error}; are the teacher's weights trained?") from error
            for key, apart in zip(waiting, scores, strict=True):
                journal.add(key, {"frame": frame.name, **asdict(apart)})
    return {built.name: _mean(journal.facts(plan.key(built))) for built in plan.candidates}


class Scorer:
    """Runs teacher and candidates on one frame after another; the networks are loaded once."""

    def __init__(self, plan: FidelityPlan) -> None:
        self._plan = plan
        runtime = RUNTIMES["onnxruntime"]
        self._teacher: Session = runtime.load(plan.all_stages, plan.threads)
        self._others = {
            built.name: runtime.load(built.artefact, plan.threads) for built in plan.candidates if built.stage is None
        }

    def score(self, frame: Frame, candidates: Sequence[Built]) -> list[MapDifference]:
        """How far each of these candidates is from the teacher on this frame."""
        plan = self._plan
        spec = plan.teacher.candidate.spec
        last, kept = len(spec.stages), self._kept(frame)
        stages = sorted({built.stage for built in candidates if built.stage is not None} | (set() if kept else {last}))
        others = [built for built in candidates if built.stage is None]
        per_scale = []
        for scale in plan.scales:
            image = prepare(frame.image, scale, spec.multiple)
            maps = [self._teacher_maps(image, stages)] if stages else []
            maps += [torch.from_numpy(part) for built in others for part in self._others[built.name].run(image)]
            per_scale.append(torch.cat(maps, dim=1))
        averaged = average_scales(per_scale, frame.image.shape[:2], plan.scales, spec.stride)
        names: list[int | str] = [*stages, *(built.name for built in others)]
        found = dict(zip(names, self._split(averaged), strict=True))
        teacher = found.get(last) or kept
        assert teacher is not None, "whose maps are not kept is run"
        if kept is None:
            self._keep(frame, teacher)
        return [difference(found[built.name if built.stage is None else built.stage], teacher) for built in candidates]

    def _file(self, frame: Frame) -> Path | None:
        plan = self._plan
        key = fact_key("teacher maps", 1, plan.teacher.candidate.id, plan.scales, plan.sample.digest, frame.name)
        return None if plan.kept is None else plan.kept / f"{key}.npy"

    def _kept(self, frame: Frame) -> Maps | None:
        """The teacher's maps of a frame as an earlier candidate left them; damaged ones are computed again."""
        path = self._file(frame)
        try:
            stored = None if path is None else np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return None if stored is None else self._split(torch.from_numpy(stored))[0]

    def _keep(self, frame: Frame, maps: Maps) -> None:
        path = self._file(frame)
        if path is not None:
            # Through memory: where the disk is full, numpy's own writing to a file says so without the reason.
            buffer = io.BytesIO()
            np.save(buffer, torch.cat((maps.heatmaps, maps.pafs), dim=1).numpy(), allow_pickle=False)
            write_bytes(path, buffer.getvalue())

    def _teacher_maps(self, image: NDArray[np.float32], stages: Sequence[int]) -> Tensor:
        names = [name for stage in stages for name in stage_outputs(stage)]
        return torch.cat([torch.from_numpy(part) for part in self._teacher.outputs(image, names)], dim=1)

    def _split(self, stacked: Tensor) -> list[Maps]:
        skeleton = self._plan.teacher.candidate.spec.skeleton
        heat, paf = skeleton.heatmap_channels, skeleton.paf_channels
        return [Maps(part[:, :heat], part[:, heat:]) for part in torch.split(stacked, heat + paf, dim=1)]


def _mean(facts: Sequence[dict[str, float]]) -> Fidelity:
    names = [field.name for field in fields(MapDifference)]
    values = np.array([[fact[name] for name in names] for fact in facts], np.float64)
    means = {name: float(np.mean([fact[name] for fact in facts])) for name in names}
    return Fidelity(images=len(facts), **means, intervals=dict(zip(names, resampled(values), strict=False)))


RESAMPLES = 1000


def resampled(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Percentile bootstrap of the mean of each column of (images, columns): 95% intervals, the same every time.

    Nothing for a single image: it says nothing of how much images differ.
    """
    images = len(values)
    if images < 2:
        return []
    random = np.random.default_rng(0)
    means = np.stack([values[random.integers(images, size=images)].mean(axis=0) for _ in range(RESAMPLES)])
    return [(float(lo), float(hi)) for lo, hi in np.percentile(means, (2.5, 97.5), axis=0).T]
