"""How far every candidate's maps are from the teacher's, over the sampled frames, in one pass.

Stage t of the teacher is the candidate with t stages, so the teacher's one pass with all stages out answers for all
of them; a candidate that is not runs its own artefact on the same inputs.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from compress.common.document import Block, Paragraph, Table
from compress.common.fact_cache import fact_key
from compress.common.formatting import NONE, listed, percent, significant
from compress.core.built import Built
from compress.export.onnx_export import stage_outputs
from compress.measure.base import MeasureContext, Metric
from compress.measure.facts import Column, Count, Found, MetricFacts, SectionRow
from eval.bootstrap import mean_intervals
from eval.frames import Frame, FrameSample
from eval.maps import MapDifference, SilentTeacher, average_scales, difference, prepare
from eval.runtimes import RUNTIMES, Session
from teachers.common.errors import UserError
from teachers.common.files import write_bytes
from teachers.posenet import Maps

_RELATIVE = (
    "Relative L2 is the norm of candidate minus teacher over the norm of the teacher. Joints leave out the background "
    "channel, which dominates the heatmaps and hides their difference. PAFs are part affinity fields."
)


class Fidelity(MetricFacts):
    """Teacher-relative L2, multi-scale averaged, mean over images (docs/measuring.md)."""

    key: ClassVar[str] = "fidelity"
    images: Count
    heat_l2: float
    paf_l2: float
    heat_rel_l2: float
    joint_rel_l2: float
    paf_rel_l2: float
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Column -> 95% interval of its mean, from resampled images; empty for one image."""


class FidelityMetric(Metric):
    """Difference of the maps from the teacher's."""

    key: ClassVar[str] = "fidelity"
    description: ClassVar[str] = "Difference of the maps from the teacher's."
    default: ClassVar[bool] = True
    per_frame: ClassVar[bool] = True
    title: ClassVar[str] = "L2 difference from the teacher"
    facts: ClassVar[type[MetricFacts]] = Fidelity
    columns: ClassVar[tuple[Column[Fidelity], ...]] = (
        Column("heat_l2", lambda found: found.heat_l2, "L2 of the heatmaps", better="smaller"),
        Column("paf_l2", lambda found: found.paf_l2, "L2 of the PAFs", better="smaller"),
        Column(
            "heat_rel_l2",
            lambda found: found.heat_rel_l2,
            "relative L2 of the heatmaps with background",
            better="smaller",
            form="percent",
        ),
        Column(
            "joint_rel_l2",
            lambda found: found.joint_rel_l2,
            "relative L2 of the joints",
            better="smaller",
            form="percent",
        ),
        Column(
            "paf_rel_l2", lambda found: found.paf_rel_l2, "relative L2 of the PAFs", better="smaller", form="percent"
        ),
    )

    def measure(self, built: Sequence[Built], context: MeasureContext) -> Mapping[str, Found[Fidelity]]:
        """Frames already in the cache are not run again."""
        plan = FidelityPlan(
            built[0], built, context.all_stages, context.sample, context.scales, context.threads, context.teacher_maps
        )
        cache = context.cache
        # By key: two candidates of the same content, under two names, are measured once.
        different = {plan.key(one): one for one in built}
        done = {key: len(cache.facts(key)) for key in different}
        start, total = min(done.values(), default=0), len(plan.sample.indices)
        if start < total:
            scorer = Scorer(plan)
            frames = context.reporter.track(plan.sample.frames(start), "fidelity to the teacher", total, start)
            for index, frame in enumerate(frames, start=start):
                waiting = [key for key in different if done[key] <= index]
                try:
                    scores = scorer.score(frame, [different[key] for key in waiting])
                except SilentTeacher as error:
                    raise UserError(f"{frame.name}: {error}; are the teacher's weights trained?") from error
                for key, apart in zip(waiting, scores, strict=True):
                    cache.add(key, {"frame": frame.name, **asdict(apart)})
        return {one.name: Found(_mean(cache.facts(plan.key(one)))) for one in built}

    @classmethod
    def section(cls, rows: Sequence[SectionRow[Any]]) -> Sequence[Block]:
        """Table 1 of Jones's paper: L2 of heatmaps and PAFs against the teacher's output."""
        counts = sorted({row.facts.images for row in rows if row.facts is not None})
        stages = next((row.stages for row in rows if row.is_teacher and row.stages), None)
        against = f"output after all {stages} stages" if stages else "output"
        head = (
            "Candidate", "Stages", "Joints, relative", "PAFs, relative", "Heatmaps, relative", "Heatmaps, L2",
            "PAFs, L2",
        )  # fmt: skip
        caption = (
            f"L2 difference from the teacher's {against}: maps averaged over the scales, mean over "
            f"{listed([str(count) for count in counts])} images"
        )
        return (Table(caption, head, tuple(row.table_row(*_cells(row)) for row in rows), key=2), Paragraph(_RELATIVE))


def _cells(row: SectionRow[Fidelity]) -> tuple[str, ...]:
    stages, facts = NONE if row.stages is None else str(row.stages), row.facts
    if facts is None:
        return (stages, *(NONE,) * 5)
    relative = (percent(facts.joint_rel_l2), percent(facts.paf_rel_l2), percent(facts.heat_rel_l2))
    return stages, *relative, significant(facts.heat_l2), significant(facts.paf_l2)


@dataclass(frozen=True)
class FidelityPlan:
    """What one fidelity pass compares, and on what."""

    teacher: Built
    candidates: Sequence[Built]
    all_stages: Path
    sample: FrameSample
    scales: tuple[float, ...]
    threads: int
    kept: Path | None = None
    """A folder in which the teacher's averaged maps of each frame are kept, for further candidates."""

    def key(self, candidate: Built) -> str:
        """Under which the per-frame facts of a candidate are noted."""
        return fact_key(
            "fidelity", 1, self.teacher.candidate.id, candidate.candidate.id, self.scales, self.sample.digest
        )


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
    return Fidelity(images=len(facts), **means, intervals=dict(zip(names, mean_intervals(values), strict=False)))
