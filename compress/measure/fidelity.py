"""How far every candidate's maps are from the reference's, over the sampled frames, in one pass.

The reference is the teacher at the recipe's scales. Each candidate is run as it says, and what it says about the whole
frame is compared on the reference's grid. Stage t of the teacher is the candidate with t stages, so the teacher's one
pass with all stages out answers for all of them; a candidate that is not runs its own artefact.
"""

import io
from collections.abc import Collection, Mapping, Sequence
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
from compress.measure.pose_inference import inference_key
from eval.bootstrap import mean_intervals
from eval.frame_finder import people_of_still
from eval.frames import Frame, FrameSample
from eval.maps import MapDifference, SilentTeacher, average_scales, difference
from eval.pose import network_input
from eval.roi_maps import lay_back
from eval.roi_tracker import RoiTracker
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
        way = inference_key(candidate, self.scales)
        return fact_key(
            "fidelity", 2, self.teacher.candidate.id, candidate.candidate.id, way, self.scales, self.sample.digest
        )


class Scorer:
    """Runs teacher and candidates on one frame after another; the networks are loaded once."""

    def __init__(self, plan: FidelityPlan) -> None:
        self._plan = plan
        runtime = RUNTIMES["onnxruntime"]
        self._teacher: Session = runtime.load(plan.all_stages, plan.threads)
        self._sessions: dict[str, Session] = {}
        self._windows: dict[str, RoiTracker] = {}
        for built in plan.candidates:
            roi = built.inference.roi if built.inference is not None else None
            if roi is not None:
                session = runtime.load(built.artefact, plan.threads)
                self._windows[built.name] = RoiTracker(session, built.candidate.spec, roi)
            elif built.stage is None:
                self._sessions[built.name] = runtime.load(built.artefact, plan.threads)

    def score(self, frame: Frame, candidates: Sequence[Built]) -> list[MapDifference]:
        """How far each of these candidates is from the reference on this frame."""
        plan = self._plan
        last, kept = len(plan.teacher.candidate.spec.stages), self._kept(frame)
        whole = [built for built in candidates if built.name not in self._windows]
        wanted = {built.name: self._source(built) for built in whole}
        if kept is None:
            wanted[""] = (last, plan.scales)  # a name that no candidate can have
        found = self._averaged(frame, wanted)
        for built in candidates:
            if built.name in self._windows:
                found[built.name] = self._laid_back(frame, built)
        reference = kept or found[""]
        if kept is None:
            self._keep(frame, reference)
        return [difference(found[built.name], reference) for built in candidates]

    def _source(self, built: Built) -> "_Source":
        scales = built.inference.scales if built.inference is not None else None
        return built.name if built.stage is None else built.stage, scales or self._plan.scales

    def _averaged(self, frame: Frame, wanted: Mapping[str, "_Source"]) -> dict[str, Maps]:
        """The maps of several sources, each averaged over its scales; every input is made and run once."""
        spec, image_hw = self._plan.teacher.candidate.spec, (frame.image.shape[0], frame.image.shape[1])
        per_scale: dict[float, dict[int | str, Tensor]] = {}
        for scale in {scale for _, scales in wanted.values() for scale in scales}:
            sources = {source for source, scales in wanted.values() if scale in scales}
            per_scale[scale] = self._run(network_input(frame.image, scale, spec), sources)
        found: dict[str, Maps] = {}
        for scales in {scales for _, scales in wanted.values()}:
            # All that are averaged over the same scales are resized together.
            names = [name for name, (_, theirs) in wanted.items() if theirs == scales]
            stacked = [torch.cat([per_scale[scale][wanted[name][0]] for name in names], dim=1) for scale in scales]
            averaged = average_scales(stacked, image_hw, scales, spec.stride)
            found |= dict(zip(names, self._split(averaged), strict=True))
        return found

    def _run(self, image: NDArray[np.float32], sources: Collection[int | str]) -> dict[int | str, Tensor]:
        """Heatmaps and PAFs in one tensor (1, C, h, w), by stage of the teacher or by name of a candidate."""
        stages = [source for source in sources if isinstance(source, int)]
        names = [name for stage in stages for name in stage_outputs(stage)]
        maps = self._teacher.outputs(image, names) if names else []
        found: dict[int | str, Tensor] = {
            stage: _joined(*pair) for stage, pair in zip(stages, zip(maps[::2], maps[1::2], strict=True), strict=True)
        }
        return found | {
            source: _joined(*self._sessions[source].run(image)) for source in sources if isinstance(source, str)
        }

    def _laid_back(self, frame: Frame, built: Built) -> Maps:
        """What a network that looks through windows says about a photograph: nothing where it did not look."""
        spec, skeleton = built.candidate.spec, built.candidate.spec.skeleton
        looks = people_of_still(self._windows[built.name], frame.image).looks
        channels = skeleton.heatmap_channels, skeleton.paf_channels
        hw = (frame.image.shape[0], frame.image.shape[1])
        return self._split(torch.from_numpy(lay_back(looks, hw, channels, spec.stride)))[0]

    def _file(self, frame: Frame) -> Path | None:
        plan = self._plan
        key = fact_key("teacher maps", 2, plan.teacher.candidate.id, plan.scales, plan.sample.digest, frame.name)
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

    def _split(self, stacked: Tensor) -> list[Maps]:
        skeleton = self._plan.teacher.candidate.spec.skeleton
        heat, paf = skeleton.heatmap_channels, skeleton.paf_channels
        return [Maps(part[:, :heat], part[:, heat:]) for part in torch.split(stacked, heat + paf, dim=1)]


_Source = tuple[int | str, tuple[float, ...]]
"""Whose maps, the teacher's stage or a candidate by name, and the scales over which they are averaged."""


def _joined(heatmaps: NDArray[np.float32], pafs: NDArray[np.float32]) -> Tensor:
    return torch.cat((torch.from_numpy(heatmaps), torch.from_numpy(pafs)), dim=1)


def _mean(facts: Sequence[dict[str, float]]) -> Fidelity:
    names = [field.name for field in fields(MapDifference)]
    values = np.array([[fact[name] for name in names] for fact in facts], np.float64)
    means = {name: float(np.mean([fact[name] for fact in facts])) for name in names}
    return Fidelity(images=len(facts), **means, intervals=dict(zip(names, mean_intervals(values), strict=False)))
