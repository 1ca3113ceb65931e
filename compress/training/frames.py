"""The frames that training sees: any number of folders, videos and COCO files, each or a part of it."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from compress.training.view_settings import Ensemble, TeacherMode, Views
from eval.frame_types import Frame, FrameSource, Unreadable
from eval.frames import open_source
from teachers.common.errors import UserError
from teachers.common.frozen import Frozen

Text = Annotated[str, Field(min_length=1, max_length=4096)]


class DataPart(Frozen):
    """Some frames of one source."""

    source: Annotated[Text, Field(description="Image folder, video, COCO file or built-in sample; no labels needed.")]
    start: Annotated[int, Field(ge=0, description="The first frame that is used, in the source's order, from 0.")] = 0
    stop: Annotated[
        int | None, Field(ge=1, description="The first frame after those, as in a Python slice; left out, to the end.")
    ] = None
    stride: Annotated[int, Field(ge=1, description="Every n-th frame; neighbours in a video teach little new.")] = 1

    @model_validator(mode="after")
    def _some_frames(self) -> "DataPart":
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(
                f"stop must be more than start, {self.start}, got {self.stop}: the frame `stop` is left out"
            )
        return self

    def indices(self, frames: int) -> range:
        """Which of a source's frames, of which there are so many."""
        return range(frames)[self.start : self.stop : self.stride]


class TrainingPlan(Frozen):
    """What every training step of a recipe learns from."""

    data: Annotated[tuple[DataPart, ...], Field(min_length=1, max_length=64, description="More frames teach more.")]
    scales: Annotated[
        tuple[Annotated[float, Field(gt=0, le=8, allow_inf_nan=False)], ...],
        Field(min_length=1, max_length=8, description="At which the teacher is asked; those that will be measured."),
    ] = (0.5, 1.0)
    multiscale_average: Annotated[
        bool,
        Field(description="Targets are the teacher's maps averaged over the scales, not those of the scale alone."),
    ] = False
    flip: Annotated[
        bool,
        Field(
            description="The teacher is also asked about every frame mirrored; twice the maps, and twice the frames."
        ),
    ] = True
    val_frames: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Frames that are held out; they choose the best weights. Of few frames at most half, with a "
            "warning.",
        ),
    ] = 32
    cache_gib: Annotated[
        float, Field(gt=0, le=10_000, description="How much disk the teacher's maps may take; they are kept.")
    ] = 20.0
    views: Annotated[
        Views | None,
        Field(description="Random views of people and frames, in place of crops and frames; `scales` and `flip` rest."),
    ] = None
    teacher: Annotated[
        TeacherMode | None,
        Field(
            description="Asked about every view while training (online), or beforehand about `stored_views` of them "
            "(cached). Left out: online on a GPU, cached on a CPU."
        ),
    ] = None
    stored_views: Annotated[
        int, Field(ge=1, le=100_000_000, description="Views whose answers are stored; more is slower and better.")
    ] = 30_000
    ensemble: Annotated[
        Ensemble, Field(description="Which answers to a view are averaged; more passes are slower and closer.")
    ] = Ensemble()

    @model_validator(mode="after")
    def _online_views(self) -> "TrainingPlan":
        if self.views is None and (self.teacher == "online" or self.ensemble != Ensemble()):
            raise ValueError("teacher: online, and an ensemble, are answers to views; `views` is missing")
        if self.views is not None and self.views.on_device and self.teacher == "cached":
            raise ValueError("views.on_device: stored answers are to pixels that OpenCV makes; take `teacher: online`")
        return self


@dataclass(frozen=True)
class FrameRef:
    """One frame of a source, and what its pixels depend on."""

    source: FrameSource
    index: int
    name: str
    digest: str
    """Of the file that holds it, and of its name."""


@dataclass(frozen=True)
class TrainingFrames:
    """Where the frames are, not their pixels."""

    train: tuple[FrameRef, ...]
    held_out: tuple[FrameRef, ...]
    digest: str


def open_training(plan: TrainingPlan, seed: int) -> TrainingFrames:
    """All frames of the plan, the held-out ones drawn at random; UserError where a part has none."""
    frames = [frame for number, part in enumerate(plan.data) for frame in _part(part, number)]
    unique = list({frame.digest: frame for frame in frames}.values())
    held = min(plan.val_frames, len(unique) // 2)
    if not held:
        raise UserError(f"training.data: {len(unique)} frame is too few: one to learn from and one to hold out")
    order = np.random.default_rng(seed).permutation(len(unique))
    held_out, train = sorted(order[:held].tolist()), sorted(order[held:].tolist())
    content = [[unique[index].digest for index in chosen] for chosen in (train, held_out)]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return TrainingFrames(tuple(unique[i] for i in train), tuple(unique[i] for i in held_out), digest)


def _part(part: DataPart, number: int) -> Iterator[FrameRef]:
    source = open_source(part.source)
    names = source.names()
    indices = part.indices(len(names))
    if not indices:
        raise UserError(f"training.data.{number}: {part.source} has {len(names)} frames, none from {part.start} on")
    for index in indices:
        digest = hashlib.sha256(json.dumps([source.fingerprint(index), names[index]]).encode()).hexdigest()
        yield FrameRef(source, index, names[index], digest)


def read_frames(wanted: Sequence[FrameRef]) -> Iterator[tuple[FrameRef, Frame | Unreadable]]:
    """The frames one at a time, each source in one pass, in its own order."""
    by_source: dict[int, list[FrameRef]] = {}
    for ref in wanted:
        by_source.setdefault(id(ref.source), []).append(ref)
    for group in by_source.values():
        refs = {ref.index: ref for ref in group}
        for index, frame in group[0].source.read(sorted(refs)):
            yield refs[index], frame
