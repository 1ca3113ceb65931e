"""The network inputs that one frame needs, the way a candidate is run: which sizes, and how often each."""

from dataclasses import dataclass

from compress.measure.clip_use import ClipUse
from compress.measure.latency_facts import PartKind
from eval.inference import Inference, Roi
from eval.maps import input_size

_USUAL_FPS = 30.0
"""Of a clip that is not there: full-frame passes are counted in seconds, times are told per frame."""


@dataclass(frozen=True)
class Part:
    """Inputs of one size."""

    kind: PartKind
    scale: float | None
    """None for a window."""
    size: tuple[int, int]
    """Height and width of the network input."""
    per_frame: float

    @property
    def pixels(self) -> int:
        """Of one input."""
        return self.size[0] * self.size[1]


def parts_of(inference: Inference, frame_hw: tuple[int, int], multiple: int, use: ClipUse | None) -> tuple[Part, ...]:
    """What a frame of this size needs; `use` says what was counted on a clip."""
    if inference.roi is None:
        return tuple(_frame_part("scale", scale, frame_hw, multiple, 1.0) for scale in inference.scales or ())
    roi = inference.roi
    windows, passes = _counted(roi, use)
    return (
        Part("window", None, roi.size, windows),
        _frame_part("full_frame", roi.redetect.scale, frame_hw, multiple, passes),
    )


def _frame_part(kind: PartKind, scale: float, frame_hw: tuple[int, int], multiple: int, per_frame: float) -> Part:
    return Part(kind, scale, input_size(frame_hw, scale, multiple).padded_hw, per_frame)


def _counted(roi: Roi, use: ClipUse | None) -> tuple[float, float]:
    """Windows and full-frame passes for each frame; windows are those of `people`, or of one person."""
    people = float(roi.people or 1)
    if use is None:
        return people, 1.0 / (roi.redetect.every_s * _USUAL_FPS)
    # More than one for each person found: some search for people who have just come in or got lost.
    for_each = use.windows / use.people if use.people else use.windows / use.frames
    return people * for_each, use.passes / use.frames
