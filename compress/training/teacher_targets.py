"""What the training steps of one run learn from: the teacher's maps of the recipe's training frames, computed once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from compress.common.progress import Reporter
from compress.core.candidate import Candidate
from compress.training.augmentation import Augmentation
from compress.training.calibration_frames import batches
from compress.training.crops import FrameBalance, TeacherSamples, full_frame
from compress.training.frames import TrainingFrames, TrainingPlan, open_training
from compress.training.full_frames import FullFrames
from compress.training.losses import Energies
from compress.training.samples import TrainingSample
from compress.training.target_cache import GIB, Array, TargetCache, TargetIndex, TargetSpec, TargetStore, TeacherFn
from compress.training.view_answers import TeacherAnswers
from compress.training.view_targets import ViewTargets
from teachers.common.errors import UserError
from teachers.spec import PoseNetSpec


@dataclass(frozen=True)
class TeacherTargets:
    """Nothing is read or computed before a step asks."""

    teacher: Candidate
    plan: TrainingPlan
    ask: Callable[[], TeacherFn]
    """Gives what answers for the teacher; loaded when the first maps are missing."""
    store: Path
    """Where maps are kept for all runs."""
    seed: int
    reporter: Reporter

    @cached_property
    def frames(self) -> TrainingFrames:
        """Which frames; UserError where a source cannot be used. Warns where fewer are held out than were asked for."""
        found = self.reporter.wait("training frames", lambda: open_training(self.plan, self.seed))
        held, every = len(found.held_out), len(found.held_out) + len(found.train)
        if held < self.plan.val_frames:
            self.reporter.warn(
                f"training.val_frames: {self.plan.val_frames} asked for, {held} of {every} frames are held out, half "
                f"of them; {2 * self.plan.val_frames} frames or more would do"
            )
        return found

    @property
    def key(self) -> list[object]:
        """What decides what is learnt: the teacher, its frames, and how it is asked."""
        of_views = {"views", "teacher", "stored_views", "ensemble"} if self.plan.views is None else set()
        plan = self.plan.model_dump(mode="json", exclude={"data", "cache_gib", *of_views})
        return [self.teacher.id, self.frames.digest, plan]

    @cached_property
    def filled(self) -> TargetIndex:
        """The maps of the frames to learn from; warns where the teacher finds no person in most of them."""
        found = self._cache(self.plan.flip).fill(self.frames.train)
        alive = found.alive(len(self.teacher.spec.skeleton.keypoints))
        if alive == 0.0:
            raise UserError("training.data: the teacher finds no person in any frame: nothing can be learnt")
        if alive < 0.5:
            count = len(found.entries)
            self.reporter.warn(f"training.data: the teacher sees people in {round(alive * count)} of {count} frames")
        return found

    @cached_property
    def held_out(self) -> list[TrainingSample]:
        """Whole frames, at every scale, that no step learns from."""
        return self.balanced_held_out(0.0)

    def balanced_held_out(self, exponent: float) -> list[TrainingSample]:
        """The same; frames that show little count as they do in training."""
        if self.views is not None:
            return self.views.held_out
        filled, balance = self._held_out, self.frame_balance(exponent)
        return [full_frame(entry, self.teacher.spec, balance) for entries in filled.entries for entry in entries]

    @cached_property
    def _held_out(self) -> TargetIndex:
        return self._cache(mirror=False).fill(self.frames.held_out)

    def prepare(self) -> None:
        """Computes the maps of all frames that are not there yet. UserError where nothing can be learnt from them."""
        if self.views is not None:
            self.views.prepare()
        else:
            _ = self.filled, self._held_out, self.energies

    @cached_property
    def views(self) -> ViewTargets | None:
        """Where the recipe learns from views: everything that a step then learns from."""
        if self.plan.views is None:
            return None
        teacher, ask = self.teacher, _late(self.ask)
        return ViewTargets(
            teacher.network, teacher.id, self.plan, self.frames, ask, self.store, self.seed, self.reporter
        )

    def answers(self, exponent: float) -> TeacherAnswers | None:
        """What answers the batches of a training; None where its samples bring the teacher's maps."""
        return None if self.views is None else self.views.answers(self.frame_balance(exponent))

    def spread(self, most: int, exponent: float) -> tuple[int, Iterator[TrainingSample]]:
        """At most so many whole frames, spread evenly over all that is learnt from, or views; how many there are."""
        if self.views is not None:
            return most, self.views.probe(most)
        balance, spec = self.frame_balance(exponent), self.teacher.spec
        entries = [entry for entries in self.filled.entries for entry in entries]
        count = min(most, len(entries))
        chosen = (entries[round(place)] for place in np.linspace(0, len(entries) - 1, count))
        return count, (full_frame(entry, spec, balance) for entry in chosen)

    def calibration(self, most: int, multiple: int) -> tuple[Tensor, ...]:
        """Pictures to look at, at most so many: raw pixels (N, 3, H, W), one batch for each size."""
        if self.views is not None:
            return self.views.calibration(most)
        return batches(self.frames.train, most, self.plan.scales, multiple)

    def held_out_images(self, most: int, multiple: int) -> tuple[Tensor, ...]:
        """The same of held-out ones."""
        if self.views is not None:
            return self.views.held_out_images(most)
        return batches(self.frames.held_out, most, self.plan.scales, multiple)

    @cached_property
    def energies(self) -> Energies:
        """The unit of each loss."""
        if self.views is not None:
            return self.views.energies
        return Energies(*self.filled.energies(len(self.teacher.spec.skeleton.keypoints)))

    def samples(
        self, crop_hw: tuple[int, int], augmentation: Augmentation, margin: int = 0, exponent: float = 0.0
    ) -> TeacherSamples:
        """Random crops. Frames are never mirrored here: the teacher has been asked about the mirrored ones."""
        return TeacherSamples(
            self.filled, self.teacher.spec, augmentation, crop_hw, margin, self.frame_balance(exponent)
        )

    def full_frames(self, pixels: int, exponent: float = 0.0) -> FullFrames:
        """The frames as they are, in batches of one shape; `pixels` of one frame where a batch has as many as asked."""
        return FullFrames(self.filled, self.teacher.spec, pixels, self.frame_balance(exponent))

    def frame_balance(self, exponent: float) -> FrameBalance | None:
        """How much frames count that show little; None where all cells count alike."""
        return FrameBalance(self.energies, exponent) if exponent else None

    def require_fit(self, spec: PoseNetSpec) -> None:
        """UserError where this network cannot learn the teacher's maps."""
        ours, theirs = spec, self.teacher.spec
        if ours.skeleton != theirs.skeleton:
            raise UserError(f"the student's skeleton is {ours.skeleton.name}, the teacher's {theirs.skeleton.name}")
        if ours.stride != theirs.stride:
            raise UserError(f"the student's stride is {ours.stride}, the teacher's {theirs.stride}; they must be equal")
        if ours.input.channels != theirs.input.channels:
            raise UserError(f"the student takes {ours.input.channels} pixels, the teacher {theirs.input.channels}")

    def _cache(self, mirror: bool) -> TargetCache:
        teacher = self.teacher
        teaching = TargetSpec(
            teacher.id, teacher.spec, _late(self.ask), tuple(self.plan.scales), self.plan.multiscale_average, mirror
        )
        return TargetCache(teaching, TargetStore(self.store, round(self.plan.cache_gib * GIB)), self.reporter)


def _late(ask: Callable[[], TeacherFn]) -> TeacherFn:
    """Loads the teacher when it is asked for the first time: where all maps are kept it never is."""
    loaded: list[TeacherFn] = []

    def answer(image: Array) -> tuple[Array, Array]:
        if not loaded:
            loaded.append(ask())
        return loaded[0](image)

    return answer
