"""What a candidate's inference came to on the clip: windows, full-frame passes, decoding time."""

from dataclasses import dataclass

import numpy as np

from compress.core.built import Built
from compress.measure.angle_error import people_key
from compress.measure.base import MeasureContext
from compress.measure.clip import Clip


@dataclass(frozen=True)
class ClipUse:
    """Counted over the frames of a clip."""

    frames: int
    people: int
    """Summed over the frames, as found."""
    windows: int
    passes: int
    """Over the whole frame."""
    decoding_ms: float
    """Median."""


def clip_use(built: Built, context: MeasureContext) -> ClipUse | None:
    """None where no clip is measured, or not yet."""
    clip = next((opened for opened in context.opened.values() if isinstance(opened, Clip)), None)
    facts = [] if clip is None else context.cache.facts(people_key(built, clip, context.scales))
    if not facts:
        return None
    return ClipUse(
        frames=len(facts),
        people=sum(len(fact["people"]) for fact in facts),
        windows=sum(fact["windows"] for fact in facts),
        passes=sum(fact["passes"] for fact in facts),
        decoding_ms=float(np.median([fact["decoding_s"] for fact in facts])) * 1e3,
    )
