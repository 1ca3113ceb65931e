"""What all candidates of a run have in common, loaded and checked before anything is computed or written."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from compress.common.environment import environment, usable_cores
from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.export.onnx_export import stage_outputs
from compress.measure.base import Opened
from compress.measure.frames import draw_frames
from compress.recipe.models import Recipe
from compress.run.teacher_stages import TeacherStages
from compress.training.target_cache import Array, TeacherFn
from compress.training.teacher_targets import TeacherTargets
from eval.frames import FrameSample
from eval.maps import BASE_HEIGHT, prepare
from eval.runtimes import RUNTIMES
from teachers.assets import cache_part
from teachers.registry import load_teacher

_PARITY_FRAMES = 2


@dataclass(frozen=True)
class RunInputs:
    """The teacher, the frames, and what the recipe's metrics and steps opened."""

    recipe: Recipe
    teacher: Candidate
    stages: TeacherStages
    sample: FrameSample
    frame: NDArray[np.uint8]
    """(H, W, 3) BGR, the first one of the sample."""
    opened: Mapping[str, Opened]
    """Frames that metrics have of their own, by the metric's key: a clip, labelled images."""
    targets: TeacherTargets | None
    """What steps that learn learn from; None where no step does."""

    @property
    def conditions(self) -> dict[str, Any]:
        """Machine, versions, frames and teacher: part of every record of the run."""
        return environment() | {
            "source": self.sample.source.name,
            "images": len(self.sample.indices),
            "images_unreadable": [asdict(one) for one in self.sample.unreadable],
            "frames_digest": self.sample.digest,
            "seed": self.recipe.data.seed,
            "scales": list(self.recipe.scales),
            "base_height": BASE_HEIGHT,
            "frame_hw": list(self.frame.shape[:2]),
            "teacher_id": self.teacher.id,
        }

    def parity_inputs(self) -> list[NDArray[np.float32]]:
        """Real frames, (1, 3, H, W), on which an artefact and its network are compared."""
        multiple, scale = self.teacher.spec.multiple, min(1.0, *self.recipe.scales)
        frames = zip(self.sample.frames(), range(_PARITY_FRAMES), strict=False)
        return [prepare(frame.image, scale, multiple) for frame, _ in frames]


def open_inputs(recipe: Recipe, work: Path, reporter: Reporter, learns: bool) -> RunInputs:
    """Loads the teacher and draws the frames. UserError where they, or what a metric or training needs, will not do.

    work: where the teacher's exported stages will lie. learns: whether any candidate will be trained.
    """
    with reporter.download(f"teacher {recipe.teacher}") as on_bytes:
        network, licence = load_teacher(recipe.teacher, on_bytes)
    teacher = Candidate.of(network, licence)
    sample = draw_frames(recipe.data, reporter)
    opened = {key: metric.open(recipe.data) for key, metric in recipe.measure.asked.items()}
    stages = TeacherStages(teacher, work)
    return RunInputs(
        recipe=recipe,
        teacher=teacher,
        stages=stages,
        sample=sample,
        frame=next(iter(sample.frames())).image,
        opened={key: found for key, found in opened.items() if found is not None},
        targets=_targets(recipe, stages, reporter) if learns else None,
    )


def _targets(recipe: Recipe, stages: TeacherStages, reporter: Reporter) -> TeacherTargets | None:
    if recipe.training is None:
        return None
    store = cache_part("targets")
    targets = TeacherTargets(
        stages.teacher, recipe.training, lambda: _teacher_fn(stages), store, recipe.data.seed, reporter
    )
    assert targets.frames  # opened before anything is computed: a source that cannot be used is a mistake
    return targets


def _teacher_fn(stages: TeacherStages) -> TeacherFn:
    session = RUNTIMES["onnxruntime"].load(stages.file(), usable_cores())
    last = stage_outputs(len(stages.teacher.spec.stages))
    return lambda image: cast(tuple[Array, Array], tuple(session.outputs(image, last)))
