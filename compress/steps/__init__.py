"""Steps: each takes a candidate and gives back a smaller one. Adding one means one file and one line here."""

from compress.steps.base import Step
from compress.steps.cluster_weights import ClusterWeights
from compress.steps.distill import Distill
from compress.steps.fit_heads import FitHeads
from compress.steps.prune_channels import PruneChannels
from compress.steps.prune_weights import PruneWeights
from compress.steps.quantize import Quantize
from compress.steps.remove_stages import RemoveStages
from compress.steps.replace_stages import ReplaceStages
from compress.steps.swap_backbone import SwapBackbone

STEPS: tuple[type[Step], ...] = (
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
