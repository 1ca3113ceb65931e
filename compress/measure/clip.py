"""The consecutive frames of a video on which joint angles are compared."""

from dataclasses import dataclass
from pathlib import Path

from compress.recipe.models import FEWEST_FRAMES, Recipe
from eval.frame_video import VideoFrames
from eval.frames import open_source
from teachers.common.errors import UserError


@dataclass(frozen=True)
class Clip:
    """Frames `start` to `start + frames` of a video that can be read."""

    name: str
    path: Path
    digest: str
    """Of the video's content."""
    start: int
    frames: int
    scale: float = 1.0
    """At which teacher and candidates see it."""


def open_clip(recipe: Recipe) -> Clip | None:
    """The clip that a recipe names, shortened to what the video has; None if it asks for none, or for a quick look.

    Raises UserError if the source is no video, or leaves too few frames.
    """
    plan = recipe.measure.kinematics
    if not plan:
        return None
    name = plan.video or recipe.data.source
    source = open_source(name)
    if not isinstance(source, VideoFrames):
        raise UserError(
            f"measure.kinematics: joint angles over time need a video, {name!r} is none; "
            "set measure.kinematics.video, or measure.kinematics to false"
        )
    there = len(source.names())
    frames = min(recipe.clip_frames, there - plan.start)
    if there - plan.start < FEWEST_FRAMES:
        raise UserError(
            f"measure.kinematics.start: {name} has {there} frames; from frame {plan.start} on, joint angles need "
            f"{FEWEST_FRAMES}. Choose an earlier start or a longer video, or set measure.kinematics to false"
        )
    if not frames:
        return None
    return Clip(source.name, source.path, source.fingerprint(0), plan.start, frames, plan.scale)
