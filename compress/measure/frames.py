"""The frames on which the candidates of a run are compared."""

from typing import Annotated

from pydantic import Field

from compress.common.fields import Text
from compress.common.progress import Reporter
from eval.frames import FrameSample, draw_sample, open_source
from teachers.common.frozen import Frozen


class Data(Frozen):
    """The frames on which candidates are compared."""

    source: Annotated[Text, Field(description="Image folder, video, COCO file or built-in sample (sports2d-demo).")]
    images: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="Frames drawn at random; more is slower, and the means are steadier."),
    ] = 100
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Equal seeds draw equal frames; neither is better.")] = 0
    show_frames: Annotated[
        bool | None,
        Field(
            description="Whether the report may show a frame with the people drawn in; false where no face may "
            "be seen. null: yes, unless the source is a COCO file, whose photographs have owners of their own."
        ),
    ] = None


def draw_frames(data: Data, reporter: Reporter) -> FrameSample:
    """The recipe's frames; warns of those that cannot be read, and where there are fewer than it wants."""
    source = open_source(data.source)
    sample = reporter.wait(f"frames {data.source}", lambda: draw_sample(source, data.images, data.seed))
    for one in sample.unreadable:
        reporter.warn(f"{sample.source.name}: {one.name}: {one.reason}")
    if len(sample.indices) < sample.asked:
        reporter.warn(f"{sample.source.name}: {sample.asked} frames wanted, {len(sample.indices)} usable")
    return sample
