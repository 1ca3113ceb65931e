"""Steps: each takes a candidate and gives back a smaller one. Adding one means one file and one line here.

Those of other packages are named by entry points `compress.steps`.
"""

from compress.steps.base import Step
from compress.steps.cluster_weights import ClusterWeights
from compress.steps.distill import Distill
from compress.steps.fit_heads import FitHeads
from compress.steps.load_model import LoadModel
from compress.steps.prune_channels import PruneChannels
from compress.steps.prune_weights import PruneWeights
from compress.steps.quantize import Quantize
from compress.steps.remove_stages import RemoveStages
from compress.steps.replace_stages import ReplaceStages
from compress.steps.swap_backbone import SwapBackbone
from teachers.common.plugins import extended

_BUILT_IN: tuple[type[Step], ...] = (
    LoadModel,
    RemoveStages,
    SwapBackbone,
    ReplaceStages,
    PruneChannels,
    PruneWeights,
    ClusterWeights,
    Distill,
    FitHeads,
    Quantize,
)


def step_name(kind: type[Step]) -> str:
    """What recipes call it."""
    return str(kind.model_fields["step"].default)


STEPS: tuple[type[Step], ...] = tuple(
    extended(
        "compress.steps",
        {step_name(kind): kind for kind in _BUILT_IN},
        name=step_name,
        fits=lambda found: isinstance(found, type) and issubclass(found, Step) and "step" in found.model_fields,
        expected="a class derived from compress.steps.base.Step, with its name as the default of `step`",
    ).values()
)
