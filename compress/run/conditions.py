"""The frames of a run, and under which conditions it measures."""

from dataclasses import asdict
from typing import Any

from compress.common.environment import environment
from compress.common.progress import Reporter
from compress.recipe.models import Data, Recipe
from eval.frames import Sample, draw_sample, open_source
from eval.maps import BASE_HEIGHT


def draw_frames(data: Data, reporter: Reporter) -> Sample:
    """The recipe's frames; warns of those that cannot be read, and where there are fewer than it wants."""
    source = open_source(data.source)
    sample = reporter.wait(f"frames {data.source}", lambda: draw_sample(source, data.images, data.seed))
    for one in sample.unreadable:
        reporter.warn(f"{sample.source.name}: {one.name}: {one.reason}")
    if len(sample.indices) < sample.asked:
        reporter.warn(f"{sample.source.name}: {sample.asked} frames wanted, {len(sample.indices)} usable")
    return sample


def conditions(recipe: Recipe, sample: Sample, frame_hw: tuple[int, int], teacher_id: str) -> dict[str, Any]:
    """Machine, versions, frames and teacher: what every record of the run says."""
    return environment() | {
        "source": sample.source.name,
        "images": len(sample.indices),
        "images_unreadable": [asdict(one) for one in sample.unreadable],
        "frames_digest": sample.digest,
        "seed": recipe.data.seed,
        "scales": list(recipe.scales),
        "base_height": BASE_HEIGHT,
        "frame_hw": list(frame_hw),
        "teacher_id": teacher_id,
    }
