"""How a network is run on a frame: the whole frame at one or more scales, or a window that follows each person."""

import re
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from teachers.common.errors import UserError
from teachers.common.frozen import Frozen
from teachers.spec import PoseNetSpec

SMALLEST_SCALE, LARGEST_SCALE = 0.1, 10.0
LONGEST_SIDE = 8192
"""Of a network input; the exporter promises no more."""

Scale = Annotated[float, Field(ge=SMALLEST_SCALE, le=LARGEST_SCALE)]
Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]


INFERENCE = "inference"
"""Key of an artefact's metadata: how it is run unless told otherwise, as JSON."""
INFERENCE_FILE = "inference.json"
"""The same beside a model's weights; without it a network is run at one scale, 1."""


class Redetect(Frozen):
    """The full-frame pass that finds people that no window follows."""

    scale: Scale = 0.5
    """Lower: cheaper; people must then be larger to be found."""
    every_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """Seconds of the video between two passes while all people are followed, or while none is there."""


class Roi(Frozen):
    """A window around each person, resized to one input size. The network sees nothing else of the frame."""

    size: tuple[Side, Side]
    """Height and width of the network input, multiples of `PoseNetSpec.multiple`."""
    margin: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.4
    """Sides of the window over those of the box around the keypoints. Larger: safer, and people are seen smaller."""
    redetect: Redetect = Redetect()
    people: Annotated[int, Field(ge=1)] | None = None
    """At most so many are followed, the most confident first; None follows all."""


class Inference(Frozen):
    """Either `scales`, whose maps are averaged, or `roi`."""

    scales: Annotated[tuple[Scale, ...], Field(min_length=1)] | None = None
    """Scale s gives a network input of height 368 * s."""
    roi: Roi | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.scales is None) == (self.roi is None):
            raise ValueError("expected either `scales` or `roi`")
        return self

    def to_json(self) -> str:
        """Without what is not said."""
        return self.model_dump_json(exclude_none=True)


def read_inference(text: str | None, where: str) -> Inference | None:
    """What `to_json` wrote; None for nothing. UserError for other text, with `where` it was found."""
    if text is None:
        return None
    try:
        return Inference.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{where}: {'.'.join(map(str, first['loc'])) or INFERENCE}: {first['msg']}") from error


def mistake(inference: Inference, spec: PoseNetSpec) -> tuple[tuple[str, ...], str] | None:
    """What this network cannot be run with: the path of the setting and a sentence; None if all is well."""
    if inference.roi is None:
        return None
    multiple, size = spec.multiple, inference.roi.size
    if any(side % multiple for side in size):
        fits = tuple(max(multiple, round(side / multiple) * multiple) for side in size)
        return ("roi", "size"), f"must be multiples of {multiple}, got {_by(size)}; {_by(fits)} would do"
    return None


def check_inference(inference: Inference, spec: PoseNetSpec) -> None:
    """UserError unless this network can be run like this."""
    found = mistake(inference, spec)
    if found is not None:
        raise UserError(f"{'.'.join(found[0])}: {found[1]}")


def parse_size(text: str) -> tuple[int, int]:
    """`256x192` -> (256, 192), height first. UserError for anything else."""
    match = re.fullmatch(r"(\d{1,9})[x×](\d{1,9})", text.strip().lower())
    if match is None:
        raise UserError(f"{text!r}: expected the height and width of a window, for example 256x192")
    size = int(match[1]), int(match[2])
    if not all(1 <= side <= LONGEST_SIDE for side in size):
        raise UserError(f"sides must lie between 1 and {LONGEST_SIDE}, got {_by(size)}")
    return size


def in_words(inference: Inference) -> str:
    """For tables and reports: `scales 0.5, 1` or `window 256x192`."""
    if inference.roi is not None:
        return f"window {_by(inference.roi.size)}"
    scales = inference.scales or ()
    return f"scale{'s' if len(scales) > 1 else ''} {', '.join(f'{scale:g}' for scale in scales)}"


def _by(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))
