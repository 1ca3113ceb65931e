"""What costs are taken of: artefacts in one runtime, the teacher's first, on one real frame at every scale."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.common.environment import machine
from compress.core.built import Built
from compress.measure.base import MeasureContext
from compress.measure.clip_use import clip_use
from compress.measure.inference_parts import Part, parts_of
from compress.measure.runtime_artefacts import ONNX, RuntimeArtefacts
from eval.latency import LatencySettings
from eval.maps import prepare
from eval.runtimes import RUNTIMES

Size = tuple[int, int]
"""Height and width of a network input."""


@dataclass(frozen=True)
class RuntimePlan:
    """Candidates in one runtime; those that cannot be had there are not among them."""

    candidates: Sequence[Built]
    """As `MeasureContext.timed_as` sees them."""
    inputs: dict[float, NDArray[np.float32]]
    """Network input (1, 3, H, W) by scale; costs depend on its size alone."""
    runtime: str
    settings: LatencySettings
    artefacts: RuntimeArtefacts

    @property
    def sizes(self) -> dict[float, Size]:
        """Input height and width by scale."""
        return {scale: (image.shape[2], image.shape[3]) for scale, image in self.inputs.items()}

    def path(self, built: Built, scale: float) -> Path:
        """What the runtime loads of a candidate at a scale."""
        return self.artefacts.path(built, self.runtime, self.sizes[scale])

    @property
    def conditions(self) -> list[object]:
        """See `cost_conditions`."""
        return cost_conditions(self.runtime, self.settings)


def cost_conditions(name: str, settings: LatencySettings) -> list[object]:
    """What costs in a runtime depend on besides the artefact and its input."""
    runtime = RUNTIMES[name]
    return [runtime.name, runtime.version, asdict(settings), machine()]


def runtime_plan(
    built: Sequence[Built], context: MeasureContext, settings: LatencySettings, runtime: str = ONNX
) -> RuntimePlan:
    """Of candidates that are run as the reference is. Makes the artefacts that are not there yet."""
    multiple = built[0].candidate.spec.multiple
    inputs = {scale: prepare(context.frame, scale, multiple) for scale in context.scales}
    sizes = [(image.shape[2], image.shape[3]) for image in inputs.values()]
    usable = context.artefacts.usable(built, runtime, sizes)
    return RuntimePlan([context.timed_as(one) for one in usable], inputs, runtime, settings, context.artefacts)


def frame_parts(one: Built, context: MeasureContext) -> tuple[Part, ...]:
    """The network inputs that a frame needs, the way a candidate is run."""
    hw = (context.frame.shape[0], context.frame.shape[1])
    return parts_of(context.inference_of(one), hw, one.candidate.spec.multiple, clip_use(one, context))
